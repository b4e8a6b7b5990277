//! The one door between C and Rust: every exported function passes through [`entry`].

use crate::status::{fb_state, fb_status};
#[cfg(feature = "std")]
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a function returns to C, and how a refusal looks in it.
pub(crate) trait Answer {
    /// The value that stands for `status`.
    fn refused(status: fb_status) -> Self;
}

impl Answer for fb_status {
    fn refused(status: fb_status) -> Self {
        status
    }
}

impl Answer for fb_state {
    fn refused(_: fb_status) -> Self {
        Self::FB_STATE_INVALID
    }
}

impl Answer for () {
    fn refused(_: fb_status) -> Self {}
}

/// Runs `body`; a refusal becomes the answer, a panic becomes `FB_EPANIC`.
///
/// Every state behind a handle is made of atomic words that are right after each step, so a panic
/// leaves nothing half done: that is why the closure may be asserted unwind safe.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn entry<A: Answer>(body: impl FnOnce() -> Result<A, fb_status>) -> A {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(answer) => answer.unwrap_or_else(A::refused),
        Err(payload) => {
            // Dropping the payload could panic again, now with nobody to catch it.
            std::mem::forget(payload);
            A::refused(fb_status::FB_EPANIC)
        }
    }
}

/// Without an operating system nothing unwinds: a panic stops the machine.
#[cfg(not(feature = "std"))]
#[inline]
pub(crate) fn entry<A: Answer>(body: impl FnOnce() -> Result<A, fb_status>) -> A {
    body().unwrap_or_else(A::refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_answer() {
        std::panic::set_hook(Box::new(|_| ()));
        let status: fb_status = entry(|| panic!("a defect"));
        let state: fb_state = entry(|| panic!("a defect"));
        let _ = std::panic::take_hook();
        assert_eq!(status, fb_status::FB_EPANIC);
        assert_eq!(state, fb_state::FB_STATE_INVALID);
    }

    #[test]
    fn a_refusal_is_the_answer() {
        let status = entry(|| -> Result<fb_status, _> { Err(fb_status::FB_ESIZE) });
        assert_eq!(status, fb_status::FB_ESIZE);
    }
}
