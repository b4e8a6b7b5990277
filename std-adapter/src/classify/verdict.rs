//! [`Verdict`].

use fuseboard_core::Outcome;
use std::time::Duration;

/// What the end of a call means for the policies around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What breakers and adaptive limits count.
    pub outcome: Outcome,
    /// Whether a retry may make the call again. A success that is repeatable is one too: a server that works and asks to
    /// come back later.
    pub is_repeatable: bool,
    /// How long the dependency asked to be left alone, from its answer on.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    /// The dependency did what it was asked.
    pub const SUCCESS: Self = Self::new(Outcome::Success, false);
    /// The dependency failed, and may be asked again.
    pub const FAILURE: Self = Self::new(Outcome::Failure, true);
    /// The dependency failed, and must not be asked again: it may have done half of it, or will fail again.
    pub const PERMANENT: Self = Self::new(Outcome::Failure, false);
    /// The end says nothing about the dependency.
    pub const IGNORED: Self = Self::new(Outcome::Ignored, false);

    const fn new(outcome: Outcome, is_repeatable: bool) -> Self {
        Self {
            outcome,
            is_repeatable,
            retry_after: None,
        }
    }

    /// The same, but never repeated: for requests that are not idempotent.
    #[must_use]
    pub const fn not_repeatable(mut self) -> Self {
        self.is_repeatable = false;
        self
    }

    /// The same, with the time that the dependency asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }
}

impl From<Outcome> for Verdict {
    /// A failure may be repeated.
    fn from(outcome: Outcome) -> Self {
        Self::new(outcome, matches!(outcome, Outcome::Failure))
    }
}
