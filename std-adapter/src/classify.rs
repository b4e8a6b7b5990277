//! [`Classify`]: what the end of a call says about the dependency, and whether it may be repeated.

#[cfg(feature = "http")]
mod http;
#[cfg(any(
    feature = "failover",
    feature = "fallback",
    feature = "retry",
    feature = "tower"
))]
mod judge;
mod status;
mod verdict;

#[cfg(feature = "http")]
pub use http::{ByGrpcStatus, ByHttpStatus, retry_after};
#[cfg(any(
    feature = "failover",
    feature = "fallback",
    feature = "retry",
    feature = "tower"
))]
pub(crate) use judge::judge;
pub use status::{GrpcCode, is_idempotent};
pub use verdict::Verdict;

/// Judges how a call ended. Any function of the result is one:
///
/// ```
/// use fuseboard::{Classify, Verdict};
/// use std::io;
///
/// let judge = |result: Result<&String, &io::Error>| match result {
///     Ok(_) => Verdict::SUCCESS,
///     // That there is no such file says nothing against the disk, and asking again is no use.
///     Err(error) if error.kind() == io::ErrorKind::NotFound => Verdict::SUCCESS,
///     Err(_) => Verdict::FAILURE,
/// };
/// let missing = io::Error::from(io::ErrorKind::NotFound);
/// assert!(!judge.classify(Err(&missing)).is_repeatable);
/// ```
///
/// A policy's own rejection is not asked about: it is never a failure of the dependency. A
/// cancelled call is not either: it counts as nothing.
pub trait Classify<T, E> {
    /// What this end says.
    fn classify(&self, result: Result<&T, &E>) -> Verdict;

    /// What it says that there was no end in time. By default a failure that may be repeated; where
    /// a call that was cut off may have had its effect and must not have it twice, use
    /// [`Verdict::PERMANENT`].
    fn timed_out(&self) -> Verdict {
        Verdict::FAILURE
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> Verdict> Classify<T, E> for F {
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        self(result)
    }
}

/// `Ok` is a success; `Err` is a failure and may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByResult;

impl<T, E> Classify<T, E> for ByResult {
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        match result {
            Ok(_) => Verdict::SUCCESS,
            Err(_) => Verdict::FAILURE,
        }
    }
}

/// `Ok` is a success; `Err` and a timeout are failures that must not be repeated: for calls that change something
/// and cannot tell whether they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotRepeatable;

impl<T, E> Classify<T, E> for NotRepeatable {
    fn classify(&self, result: Result<&T, &E>) -> Verdict {
        match result {
            Ok(_) => Verdict::SUCCESS,
            Err(_) => Verdict::PERMANENT,
        }
    }

    fn timed_out(&self) -> Verdict {
        Verdict::PERMANENT
    }
}
