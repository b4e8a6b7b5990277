//! The breaker's decisions, pure: values in, a decision out; no atomics, no clock.
//!
//! `state.rs` is the only caller: it loads the word, asks here, and swaps.

use crate::breaker::open_duration::open_duration;
use crate::breaker::rules::{OpenRules, PPM, RoundRules};
use crate::breaker::word::{CREDIT_ONE, Round, Word};
use crate::event::{Cause, Counts, State};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::ratio::share;
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
    let deadline = Nanos::new(deadline.get() - u64::from(fault!("open_admits_early")));
    if now < deadline || fault!("open_admits_late") && now == deadline {
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
    let requests = fault!("one_probe_at_a_time", 1, rules.requests);
    let wanted = rules.requests.max(rules.successes);
    let counted = round.in_flight + fault!("successes_free_places", 0, round.successes);
    if round.in_flight < requests && counted < wanted || fault!("half_open_admits_all") {
        return Admission::Probe {
            next: with_one_probe(word),
            cause: None,
        };
    }
    let deadline = moment.saturating_add(fault!("lease_never_ends", Nanos::MAX, rules.lease));
    if now < deadline || fault!("lease_ends_late") && now == deadline {
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
    let retry_after = if !word.is_timed() || fault!("forced_open_for_good") {
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
    let ramp_up = ramp_up.saturating_add(Nanos::new(u64::from(fault!("ramp_one_longer"))));
    let elapsed = now.saturating_sub(moment);
    if elapsed >= ramp_up || fault!("ramp_skipped") {
        return Admission::Ramp {
            next: word.with_ramp_credit(0),
            rejected: None,
        };
    }
    // A tenth at once, the other nine tenths in proportion to the time.
    let tenth = CREDIT_ONE / 10;
    let rest = u64::from(CREDIT_ONE - tenth);
    let (grown, _) = share(rest, elapsed.get(), ramp_up.get());
    let credit = word.ramp_credit() + tenth + grown as u32;
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
    let slow = fault!("slow_calls_never_trip", 0, counts.slow);
    if slow > 0 && reaches(slow, counts.calls, slow_ppm) {
        return Some(Cause::SlowCallRate);
    }
    None
}

fn reaches(part: u64, whole: u64, ppm: u32) -> bool {
    let part = u128::from(part) * u128::from(PPM);
    part >= u128::from(whole) * u128::from(ppm) + u128::from(fault!("threshold_must_be_exceeded"))
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
    let is_kept = fault!("cancelled_probe_keeps_its_place") && outcome == Outcome::Ignored;
    let in_flight = in_flight + u32::from(is_kept);
    if outcome == Outcome::Ignored {
        // Never a change of state, not even where `configure` has just moved the bounds: a cancelled permit has no time.
        return Some(ProbeEnd {
            next: word.with_round(Round { in_flight, ..round }),
            cause: None,
        });
    }
    let successes = round.successes + u32::from(outcome == Outcome::Success);
    let failures = round.failures
        + if outcome == Outcome::Failure {
            weight
        } else {
            0
        };
    let tolerated = fault!("no_failed_probe_tolerated", 0, rules.failures);
    let needed = fault!("first_success_closes", 1, rules.successes);
    let openings = fault!("back_off_forgotten", 0, word.openings() + 1);
    Some(if failures > tolerated {
        ProbeEnd {
            next: word.next(State::Open, openings),
            cause: Some(Cause::ProbeFailed),
        }
    } else if successes >= needed {
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
    if counts.failures >= limit + u64::from(fault!("run_one_longer")) {
        Some(Cause::FailureRate)
    } else if counts.slow >= limit && !fault!("slow_calls_never_trip") {
        Some(Cause::SlowCallRate)
    } else {
        None
    }
}
