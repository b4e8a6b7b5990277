//! [`Snapshot`]: what can be read of a breaker without disturbing it.

use crate::event::{Counts, State};
use crate::nanos::Nanos;

/// Everything that a breaker ever counted. Exact when all callers are quiet; while they run, a
/// number may lag by the calls in the middle of being counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls that ended in success or failure, a weighted failure as many times as it weighs.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Of these, slow.
    pub slow: u64,
    /// Requests that were not admitted.
    pub rejected: u64,
    /// Calls that were ignored or dropped without an outcome.
    pub ignored: u64,
}

/// A breaker at one moment. State, generation and the round come from one load of the state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// State changes so far, modulo 2^28.
    pub generation: u32,
    /// Openings in a row before this one (back-off).
    pub openings: u32,
    /// Probes in flight in half-open, else 0.
    pub in_flight: u32,
    /// Probes of this round that succeeded.
    pub probe_successes: u32,
    /// Probes of this round that failed.
    pub probe_failures: u32,
    /// When this generation began; in half-open, when the last probe was admitted.
    pub since: Nanos,
    /// How long until a request can be admitted, where one would be rejected now and it is known.
    pub retry_after: Option<Nanos>,
    /// The window's content; empty unless the state counts calls.
    pub window: Counts,
    /// Calls in flight for longer than `slow_call_duration`, weighed as the window weighs; 0 unless `count_overdue` is on.
    pub overdue: u64,
    /// Everything ever counted.
    pub totals: Totals,
}
