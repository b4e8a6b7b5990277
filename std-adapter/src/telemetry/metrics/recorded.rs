//! What log records and spans carry, by name.

/// The log record of what an operator asked for.
pub(in crate::telemetry) mod control {
    /// Its name.
    pub(in crate::telemetry) const CONTROL: &str = "fuseboard.control";
    /// What was asked: `force_open`, `disable`, `metrics_only` or `reset`.
    pub(in crate::telemetry) const VERB: &str = "verb";
    /// What came of it: `done`, `refused`, `limited` or `wrong`.
    pub(in crate::telemetry) const RESULT: &str = "result";
    /// Who asked, as OpenTelemetry names it.
    pub(in crate::telemetry) const CLIENT: &str = "client.address";
}

/// What the record of a change carries besides name, board, from and to.
pub(in crate::telemetry) mod change {
    /// Its cause.
    pub(in crate::telemetry) const REASON: &str = "reason";
    /// What was judged: calls.
    pub(in crate::telemetry) const CALLS: &str = "calls";
    /// Of these, failed.
    pub(in crate::telemetry) const FAILURES: &str = "failures";
    /// Of these, slow.
    pub(in crate::telemetry) const SLOW: &str = "slow";
    /// Failed share, 0 to 1.
    pub(in crate::telemetry) const FAILURE_RATE: &str = "failure_rate";
}

/// What spans carry besides the name.
pub(in crate::telemetry) mod span {
    /// Which policy did not admit the call.
    pub(in crate::telemetry) const REJECTED_BY: &str = "fuseboard.rejected_by";
    /// The breaker's state after the call.
    pub(in crate::telemetry) const STATE: &str = "fuseboard.circuit_breaker.state";
    /// From which state to which, where it changed during the call.
    pub(in crate::telemetry) const TRANSITION: &str = "fuseboard.circuit_breaker.transition";
    /// How the call ended.
    pub(in crate::telemetry) const RESULT: &str = "fuseboard.result";
    /// Calls ever, failed ones among them.
    pub(in crate::telemetry) const CALLS: &str = "fuseboard.calls";
    /// Failed calls ever.
    pub(in crate::telemetry) const FAILURES: &str = "fuseboard.failures";
    /// Calls ever that were not made.
    pub(in crate::telemetry) const REJECTED: &str = "fuseboard.rejected";
    /// Failed share of the window, 0 to 1.
    pub(in crate::telemetry) const FAILURE_RATE: &str = "fuseboard.failure_rate";
    /// How long the call took, in seconds.
    pub(in crate::telemetry) const DURATION: &str = "fuseboard.duration";
    /// Why it has no value, as OpenTelemetry names it.
    pub(in crate::telemetry) const ERROR_TYPE: &str = "error.type";

    /// The name of a call's span.
    pub(in crate::telemetry) fn call_span(name: &str) -> String {
        format!("circuit_breaker.call.{name}")
    }
}

/// A count as an attribute.
pub(in crate::telemetry) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
