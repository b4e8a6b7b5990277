//! [`judge`]: the verdict on a result that policies have had their say in.

use crate::call::CallError;
use crate::classify::{Classify, Verdict};
use fuseboard_core::Reason;

/// What `classify` says of the operation's own end, and what policies' ends mean for others.
pub(crate) fn judge<T, E>(
    classify: &impl Classify<T, E>,
    answer: &Result<T, CallError<E>>,
) -> Verdict {
    match answer {
        Ok(value) => classify.classify(Ok(value)),
        Err(CallError::OperationFailed(error)) => classify.classify(Err(error)),
        Err(CallError::TimedOut { .. }) => classify.timed_out(),
        Err(CallError::Injected) => Verdict::FAILURE,
        Err(CallError::Rejected {
            reason,
            retry_after,
            ..
        }) => {
            let verdict = match reason {
                // A breaker wants to be left alone, also by retries; and what can never be admitted is not.
                Reason::Open
                | Reason::HalfOpenFull
                | Reason::ForcedOpen
                | Reason::Ramping
                | Reason::Never => Verdict::IGNORED,
                // A place or a token may be had soon.
                Reason::Full | Reason::Limited => Verdict {
                    is_repeatable: true,
                    ..Verdict::IGNORED
                },
            };
            Verdict {
                retry_after: *retry_after,
                ..verdict
            }
        }
    }
}
