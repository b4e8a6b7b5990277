//! [`Outcome`]: how a call ended, and [`Settled`]: what became of saying so.

/// How a call ended. The admission has another word: permit or [`Rejected`](crate::Rejected).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The dependency did what it was asked.
    Success,
    /// The dependency failed.
    Failure,
    /// The end says nothing about the dependency (bad input, a cancelled caller): counted nowhere.
    Ignored,
}

/// Whether settling a permit changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The outcome was taken in.
    Recorded,
    /// Nothing changed: the permit's generation is over, or it was settled before.
    Stale,
}
