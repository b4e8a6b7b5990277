//! The breaker's decisions, pure: values in, a decision out; no atomics, no clock.
//!
//! `state.rs` is the only caller: it loads the word, asks here, and swaps.

use crate::breaker::open_duration::open_duration;
use crate::breaker::rules::{OpenRules, PPM, RoundRules};
use crate::breaker::word::{CREDIT_ONE, Round, Word};
use crate::event::{Cause, Counts, State};
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::rejected::{Reason, Rejected};

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Admitted; the word stays.
    Pass,
    /// Admitted as a probe, if the word can be swapped for this one; the generation's moment is
    /// raised first. A cause: the swap is a change of state.
    Probe { next: Word, cause: Option<Cause> },
    /// Admitted or not by the ramp, if the word can be swapped for this one.
    Ramp {
        next: Word,
        rejected: Option<Rejected>,
    },
    /// Not admitted; the word stays.
    Reject(Rejected),
}

/// Open: admits the first request at `moment + open duration`.
#[inline]
pub(crate) fn admit_open(word: Word, moment: Nanos, now: Nanos, rules: &OpenRules) -> Admission {
    let deadline = moment.saturating_add(open_duration(word, rules));
    if now < deadline {
        return Admission::Reject(Rejected {
            reason: Reason::Open,
            retry_after: Some(deadline.saturating_sub(now)),
        });
    }
    let next = word.next(State::HalfOpen, word.openings());
    Admission::Probe {
        next: with_one_probe(next),
        cause: Some(Cause::OpenTimeoutElapsed),
    }
}

/// Half-open: admits while a place is free, or starts a new round when the lease is over.
///
/// `moment` is when the last place was given.
pub(crate) fn admit_half_open(
    word: Word,
    moment: Nanos,
    now: Nanos,
    rules: &RoundRules,
) -> Admission {
    let round = word.round();
    let wanted = rules.requests.max(rules.successes);
    if round.in_flight < rules.requests && round.in_flight + round.successes < wanted {
        return Admission::Probe {
            next: with_one_probe(word),
            cause: None,
        };
    }
    let deadline = moment.saturating_add(rules.lease);
    if now < deadline {
        return Admission::Reject(Rejected {
            reason: Reason::HalfOpenFull,
            retry_after: Some(deadline.saturating_sub(now)),
        });
    }
    let next = word.next(State::HalfOpen, word.openings());
    Admission::Probe {
        next: with_one_probe(next),
        cause: Some(Cause::ProbeLeaseExpired),
    }
}

fn with_one_probe(word: Word) -> Word {
    let round = word.round();
    word.with_round(Round {
        in_flight: round.in_flight + 1,
        ..round
    })
}

/// Forced open: for good, or until a time, when the first request is a probe.
pub(crate) fn admit_forced_open(word: Word, until: Nanos, now: Nanos) -> Admission {
    let retry_after = if !word.is_timed() {
        None
    } else if now < until {
        Some(until.saturating_sub(now))
    } else {
        let next = word.next(State::HalfOpen, 0);
        return Admission::Probe {
            next: with_one_probe(next),
            cause: Some(Cause::OpenTimeoutElapsed),
        };
    };
    Admission::Reject(Rejected {
        reason: Reason::ForcedOpen,
        retry_after,
    })
}

/// Closed and ramping up since `moment`: each call earns the share that is admitted by now, and
/// one whole credit admits a call.
pub(crate) fn admit_ramping(word: Word, moment: Nanos, now: Nanos, ramp_up: Nanos) -> Admission {
    let elapsed = now.saturating_sub(moment);
    if elapsed >= ramp_up {
        return Admission::Ramp {
            next: word.with_ramp_credit(0),
            rejected: None,
        };
    }
    // A tenth at once, the other nine tenths in proportion to the time.
    let tenth = u128::from(CREDIT_ONE / 10);
    let rest = u128::from(CREDIT_ONE) - tenth;
    let share = tenth + rest * u128::from(elapsed.get()) / u128::from(ramp_up.get());
    let credit = word.ramp_credit() + share as u32;
    if credit >= CREDIT_ONE {
        // 1 is the least credit of a breaker that is ramping: 0 says that it is not.
        let next = word.with_ramp_credit((credit - CREDIT_ONE).max(1));
        Admission::Ramp {
            next,
            rejected: None,
        }
    } else {
        let rejected = Rejected {
            reason: Reason::Ramping,
            retry_after: Some(ramp_up.saturating_sub(elapsed)),
        };
        Admission::Ramp {
            next: word.with_ramp_credit(credit),
            rejected: Some(rejected),
        }
    }
}

/// A closed word that lets the first call pass, then ramps up, or does not ramp at all.
pub(crate) fn close(word: Word, ramp_up: Nanos) -> Word {
    let closed = word.next(State::Closed, 0);
    if ramp_up == Nanos::ZERO {
        closed
    } else {
        closed.with_ramp_credit(CREDIT_ONE)
    }
}

/// Whether a window that has reached the minimum trips a closed breaker.
pub(crate) fn judge(counts: Counts, failure_ppm: u32, slow_ppm: u32) -> Option<Cause> {
    if reaches(counts.failures, counts.calls, failure_ppm) {
        return Some(Cause::FailureRate);
    }
    if counts.slow > 0 && reaches(counts.slow, counts.calls, slow_ppm) {
        return Some(Cause::SlowCallRate);
    }
    None
}

fn reaches(part: u64, whole: u64, ppm: u32) -> bool {
    u128::from(part) * u128::from(PPM) >= u128::from(whole) * u128::from(ppm)
}

/// What the end of a probe does to its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeEnd {
    pub(crate) next: Word,
    /// The swap is a change of state.
    pub(crate) cause: Option<Cause>,
}

/// Takes one probe of the word's own generation out of flight. `None`: none is in flight, so the
/// permit was settled before.
pub(crate) fn settle_probe(
    word: Word,
    outcome: Outcome,
    weight: u32,
    rules: &RoundRules,
    ramp_up: Nanos,
) -> Option<ProbeEnd> {
    let round = word.round();
    let in_flight = round.in_flight.checked_sub(1)?;
    let successes = round.successes + u32::from(outcome == Outcome::Success);
    let failures = round.failures
        + if outcome == Outcome::Failure {
            weight
        } else {
            0
        };
    Some(if failures > rules.failures {
        ProbeEnd {
            next: word.next(State::Open, word.openings() + 1),
            cause: Some(Cause::ProbeFailed),
        }
    } else if successes >= rules.successes {
        ProbeEnd {
            next: close(word, ramp_up),
            cause: Some(Cause::ProbesSucceeded),
        }
    } else {
        ProbeEnd {
            next: word.with_round(Round {
                in_flight,
                successes,
                failures,
            }),
            cause: None,
        }
    })
}

/// Whether a run of failures or slow calls trips a closed breaker.
pub(crate) fn judge_run(counts: Counts, limit: u64) -> Option<Cause> {
    if counts.failures >= limit {
        Some(Cause::FailureRate)
    } else if counts.slow >= limit {
        Some(Cause::SlowCallRate)
    } else {
        None
    }
}
