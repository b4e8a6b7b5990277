//! What the services' errors are: boxed, as everywhere in tower.

use crate::call::CallError;
use std::convert::Infallible;
use std::error::Error;

/// Any error, as tower's own layers have it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a policy says in the place of an answer: [`CallError`] without an operation's error. In a [`BoxError`] it is found by
/// [`refused`].
pub type Refused = CallError<Infallible>;

/// The policy's word, where the error is one and not the inner service's own.
///
/// ```
/// use fuseboard::tower::{BoxError, Refused, refused};
/// use std::time::Duration;
///
/// let error: BoxError = Box::new(Refused::TimedOut { limit: Duration::from_secs(1) });
/// assert!(refused(&*error).is_some_and(Refused::is_timed_out));
/// ```
pub fn refused<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> Option<&'a Refused> {
    error.downcast_ref()
}

/// A call's end as tower wants it.
pub(crate) fn boxed(error: CallError<BoxError>) -> BoxError {
    match error {
        CallError::OperationFailed(error) => error,
        CallError::Rejected {
            policy,
            reason,
            retry_after,
        } => Box::new(Refused::Rejected {
            policy,
            reason,
            retry_after,
        }),
        CallError::TimedOut { limit } => Box::new(Refused::TimedOut { limit }),
        CallError::Injected => Box::new(Refused::Injected),
    }
}

/// And back: what a layer inside said is known for what it is, so that its rejection is no failure to a layer outside.
pub(crate) fn unboxed(error: BoxError) -> CallError<BoxError> {
    match error.downcast::<Refused>() {
        Ok(refused) => refused.map_inner(|never| match never {}),
        Err(own) => CallError::OperationFailed(own),
    }
}
