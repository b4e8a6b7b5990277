//! [`METRICS`]: every metric that there is, with its name, unit and attributes. The only file that names them; attributes of logs and
//! spans are in `metrics/recorded.rs`.
//!
//! `docs/telemetry.md` shows the same table, and a test compares the two with what is exported.

#[cfg(feature = "otel")]
mod recorded;

#[cfg(feature = "otel")]
pub(super) use recorded::{change, control, count, span};

use super::changes::index;
use super::points::Points;
use super::report::{BreakerReport, Report, TallyReport};
use fuseboard_core::State;
use std::collections::BTreeMap;

/// Which policy a point is of: the name given to it.
pub(super) const NAME: &str = "fuseboard.name";
/// The board that the policy is on; absent where it is none's.
pub(super) const BOARD: &str = "fuseboard.board";
/// [`NAME`] of everything beyond the series limit.
pub(super) const OTHER: &str = "_other";
/// How a call ended.
pub(super) const OUTCOME: &str = "outcome";
/// Which kind of policy it is.
pub(super) const POLICY: &str = "policy";
/// A breaker's state.
pub(super) const STATE: &str = "state";
/// The state that ended.
pub(super) const FROM: &str = "from";
/// The state that began.
pub(super) const TO: &str = "to";

/// The log record, and the span's event, of a change of state.
#[cfg(feature = "otel")]
pub(super) const STATE_CHANGED: &str = "fuseboard.circuit_breaker.state_changed";
/// The instrumentation scope.
#[cfg(feature = "otel")]
pub(super) const SCOPE: &str = "fuseboard";

/// What a metric's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instrument {
    /// Only rises.
    Counter,
    /// Rises and falls, and values of several series may be added.
    UpDownCounter,
    /// Rises and falls, and values of several series may not be added.
    Gauge,
    /// How many values there were of each size; only rises.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Metric {
    /// Its name in OpenTelemetry's terms.
    pub name: &'static str,
    /// What its values do.
    pub instrument: Instrument,
    /// Its unit, as UCUM writes it; empty: none.
    pub unit: &'static str,
    /// Its attributes besides `fuseboard.name` and `fuseboard.board`.
    pub attributes: &'static [&'static str],
    /// What it says.
    pub about: &'static str,
    pub(super) read: Read,
}

/// How a metric is read from a report.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    Breakers(fn(&BreakerReport, &mut Points)),
    Report(fn(&Report, &mut Points)),
    /// See [`latencies`](super::points::latencies).
    Latencies,
}

/// Every metric.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "fuseboard.calls",
        instrument: Instrument::Counter,
        unit: "{call}",
        attributes: &[OUTCOME],
        about: "Calls by how they ended: success, failure, ignored (also dropped without an outcome), rejected (not made)",
        read: Read::Breakers(|breaker, points| {
            let totals = breaker.snapshot.totals;
            let success = totals.calls.saturating_sub(totals.failures);
            points.add(&[(OUTCOME, "success")], success as f64);
            points.add(&[(OUTCOME, "failure")], totals.failures as f64);
            points.add(&[(OUTCOME, "ignored")], totals.ignored as f64);
            points.add(&[(OUTCOME, "rejected")], totals.rejected as f64);
        }),
    },
    Metric {
        name: "fuseboard.slow_calls",
        instrument: Instrument::Counter,
        unit: "{call}",
        attributes: &[],
        about: "Calls that took longer than slow_call_duration; they are among the others too",
        read: Read::Breakers(|breaker, points| {
            points.add(&[], breaker.snapshot.totals.slow as f64);
        }),
    },
    Metric {
        name: "fuseboard.call.duration",
        instrument: Instrument::Histogram,
        unit: "s",
        attributes: &[],
        about: "How long calls took that ended in success or failure, where record_latency is on",
        read: Read::Latencies,
    },
    Metric {
        name: "fuseboard.circuit_breaker.state",
        instrument: Instrument::UpDownCounter,
        unit: "",
        attributes: &[STATE],
        about: "1 for the state that the breaker is in, 0 for the others",
        read: Read::Breakers(|breaker, points| {
            for state in State::ALL {
                let is_in = state == breaker.snapshot.state;
                points.add(&[(STATE, state.as_str())], f64::from(u8::from(is_in)));
            }
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.state.time",
        instrument: Instrument::Counter,
        unit: "s",
        attributes: &[STATE],
        about: "Time in each state since the breaker was first observed: also short openings between two collections show",
        read: Read::Breakers(|breaker, points| {
            for state in State::ALL {
                let time = breaker.times[index(state)].as_secs_f64();
                points.add(&[(STATE, state.as_str())], time);
            }
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.transitions",
        instrument: Instrument::Counter,
        unit: "{transition}",
        attributes: &[FROM, TO],
        about: "Changes of state since the breaker was first observed, from one to another",
        read: Read::Breakers(|breaker, points| {
            for from in State::ALL {
                for to in State::ALL {
                    let count = breaker.transitions(from, to);
                    if count > 0 {
                        points.add(&[(FROM, from.as_str()), (TO, to.as_str())], count as f64);
                    }
                }
            }
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.failure_rate",
        instrument: Instrument::Gauge,
        unit: "1",
        attributes: &[],
        about: "Failed share of the window, 0 to 1; 0 where it is empty",
        read: Read::Breakers(|breaker, points| {
            points.most(breaker.snapshot.window.failure_rate());
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.slow_call_rate",
        instrument: Instrument::Gauge,
        unit: "1",
        attributes: &[],
        about: "Slow share of the window, 0 to 1; 0 where it is empty",
        read: Read::Breakers(|breaker, points| {
            points.most(breaker.snapshot.window.slow_call_rate());
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.failure_threshold",
        instrument: Instrument::Gauge,
        unit: "1",
        attributes: &[],
        about: "The failed share at which it opens",
        read: Read::Breakers(|breaker, points| {
            points.most(breaker.config.failure_threshold);
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.window.calls",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Calls in the window",
        read: Read::Breakers(|breaker, points| {
            points.add(&[], breaker.snapshot.window.calls as f64);
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.minimum_requests",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Calls that the window must hold before it is judged",
        read: Read::Breakers(|breaker, points| {
            points.add(&[], breaker.config.minimum_requests as f64);
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.probe.usage",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Probes in flight while half open",
        read: Read::Breakers(|breaker, points| {
            points.add(&[], f64::from(breaker.snapshot.in_flight));
        }),
    },
    Metric {
        name: "fuseboard.circuit_breaker.overdue",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Calls in flight for longer than slow_call_duration, where count_overdue is on",
        read: Read::Breakers(|breaker, points| {
            points.add(&[], breaker.snapshot.overdue as f64);
        }),
    },
    Metric {
        name: "fuseboard.rate_limiter.permit.available",
        instrument: Instrument::UpDownCounter,
        unit: "{permit}",
        attributes: &[],
        about: "Permits that a rate limiter would give at once",
        read: Read::Report(|report, points| {
            for (place, bucket) in report.buckets.iter().enumerate() {
                points.of(place, &bucket.name, bucket.board.as_deref());
                points.add(&[], bucket.available as f64);
            }
        }),
    },
    Metric {
        name: "fuseboard.rate_limiter.permit.limit",
        instrument: Instrument::UpDownCounter,
        unit: "{permit}",
        attributes: &[],
        about: "Permits that a rate limiter gives at once when it is full: its burst",
        read: Read::Report(|report, points| {
            for (place, bucket) in report.buckets.iter().enumerate() {
                points.of(place, &bucket.name, bucket.board.as_deref());
                points.add(&[], bucket.burst as f64);
            }
        }),
    },
    Metric {
        name: "fuseboard.retry.budget.available",
        instrument: Instrument::UpDownCounter,
        unit: "{retry}",
        attributes: &[],
        about: "Retries and hedges that a retry budget would admit at once",
        read: Read::Report(|report, points| {
            for (place, budget) in report.budgets.iter().enumerate() {
                points.of(place, &budget.name, None);
                points.add(&[], budget.available as f64);
            }
        }),
    },
    Metric {
        name: "fuseboard.policy.calls",
        instrument: Instrument::Counter,
        unit: "{call}",
        attributes: &[POLICY, OUTCOME],
        about: "Calls by what a policy did with them; each policy has outcomes of its own",
        read: Read::Report(|report, points| {
            tallies(report, points, |tally, points| {
                for (outcome, calls) in &tally.outcomes {
                    let attributes = [(POLICY, tally.policy.as_str()), (OUTCOME, outcome)];
                    points.add(&attributes, *calls as f64);
                }
            });
        }),
    },
    Metric {
        name: "fuseboard.policy.attempts",
        instrument: Instrument::Counter,
        unit: "{attempt}",
        attributes: &[POLICY],
        about: "Attempts made by a retry, a hedge or a failover, the first of each call included",
        read: Read::Report(|report, points| {
            tallies(report, points, |tally, points| {
                if let Some(attempts) = tally.attempts {
                    points.add(&[(POLICY, tally.policy.as_str())], attempts as f64);
                }
            });
        }),
    },
    Metric {
        name: "fuseboard.throttle.rejection_share",
        instrument: Instrument::Gauge,
        unit: "1",
        attributes: &[],
        about: "Share of calls that a client throttle rejects, 0 to below 1",
        read: Read::Report(|report, points| {
            for (place, throttle) in report.throttles.iter().enumerate() {
                points.of(place, &throttle.name, None);
                points.most(throttle.rejection_share);
            }
        }),
    },
    Metric {
        name: "fuseboard.concurrency.usage",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Calls in flight under a concurrency limit, fixed or adaptive",
        read: Read::Report(|report, points| {
            for (place, limit) in report.limits.iter().enumerate() {
                points.of(place, &limit.name, limit.board.as_deref());
                points.add(&[], f64::from(limit.in_flight));
            }
        }),
    },
    Metric {
        name: "fuseboard.concurrency.limit",
        instrument: Instrument::UpDownCounter,
        unit: "{call}",
        attributes: &[],
        about: "Calls at once that a concurrency limit allows",
        read: Read::Report(|report, points| {
            for (place, limit) in report.limits.iter().enumerate() {
                points.of(place, &limit.name, limit.board.as_deref());
                points.add(&[], f64::from(limit.limit));
            }
        }),
    },
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Metric {
        name: "fuseboard.board.processes",
        instrument: Instrument::UpDownCounter,
        unit: "{process}",
        attributes: &[],
        about: "Processes attached to a board, which is the name; one that was killed counts until its place is taken",
        read: Read::Report(|report, points| {
            for (place, (board, processes)) in report.processes.iter().enumerate() {
                points.of(place, board, None);
                points.add(&[], processes.len() as f64);
            }
        }),
    },
];

/// Each tally as a point of its name, which several may share.
fn tallies(report: &Report, points: &mut Points, each: impl Fn(&TallyReport, &mut Points)) {
    let mut names = BTreeMap::new();
    for tally in &report.tallies {
        let next = names.len();
        let place = *names.entry(tally.name.as_str()).or_insert(next);
        points.of(place, &tally.name, None);
        each(tally, points);
    }
}
