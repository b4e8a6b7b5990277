//! The pure kernel, for the model checker of `tests/history`: the state word's bits in, a decision out.
//!
//! It exists only under `--cfg fuseboard_shuttle`. It adds no rule: each function asks `policy.rs`, as `state.rs` does between
//! its load and its swap, and shows the answer in types that the crate otherwise keeps to itself.

use crate::breaker::policy::{self, Admission};
use crate::breaker::rules::{FACTOR_ONE, OpenRules, RoundRules};
use crate::breaker::word::Word;
use crate::event::{Counts, State};
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::rejected::Rejected;

/// The numbers that decide.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long it stays open.
    pub open_timeout: Nanos,
    /// Probes in flight at once.
    pub requests: u32,
    /// Successful probes that close.
    pub successes: u32,
    /// Failed probes tolerated.
    pub failures: u32,
    /// The lease of a probe.
    pub lease: Nanos,
    /// Failures in a row that open.
    pub run: u64,
}

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The state.
    pub state: State,
    /// State changes so far.
    pub generation: u32,
    /// Probes of the round: in flight, succeeded, failed.
    pub round: [u32; 3],
}

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Admitted as a call.
    Pass,
    /// Admitted as a probe, if the word can be swapped for this one.
    Probe(u64),
    /// Rejected, if the word still stands.
    Reject(Rejected),
}

/// The first word of a breaker.
pub const fn initial() -> u64 {
    Word::INITIAL.bits()
}

/// The parts of a word.
pub fn fields(word: u64) -> Fields {
    let word = Word::from_bits(word);
    let round = if word.state() == State::HalfOpen {
        word.round()
    } else {
        Word::INITIAL.round()
    };
    Fields {
        state: word.state(),
        generation: word.generation(),
        round: [round.in_flight, round.successes, round.failures],
    }
}

/// Decides on a request; `moment` is the one of the word's generation.
pub fn admit(word: u64, moment: Nanos, now: Nanos, rules: &Rules) -> Decision {
    let word = Word::from_bits(word);
    let admission = match word.state() {
        State::Open => policy::admit_open(word, moment, now, &open_rules(rules)),
        State::HalfOpen => policy::admit_half_open(word, moment, now, &round_rules(rules)),
        _ => Admission::Pass,
    };
    match admission {
        Admission::Pass | Admission::Ramp { .. } => Decision::Pass,
        Admission::Probe { next, .. } => Decision::Probe(next.bits()),
        Admission::Reject(rejected) => Decision::Reject(rejected),
    }
}

/// The word after a probe of its round has ended, and whether that is a change of state. `None`: none is in flight.
pub fn settle_probe(word: u64, outcome: Outcome, rules: &Rules) -> Option<(u64, bool)> {
    let rules = round_rules(rules);
    let end = policy::settle_probe(Word::from_bits(word), outcome, 1, &rules, Nanos::ZERO)?;
    Some((end.next.bits(), end.cause.is_some()))
}

/// Whether a run of so many failures opens.
pub fn judges_bad(failures: u64, rules: &Rules) -> bool {
    let counts = Counts {
        calls: failures,
        failures,
        slow: 0,
    };
    policy::judge_run(counts, rules.run).is_some()
}

/// The word that follows when the breaker opens.
pub fn opened(word: u64) -> u64 {
    Word::from_bits(word).next(State::Open, 0).bits()
}

fn open_rules(rules: &Rules) -> OpenRules {
    OpenRules {
        timeout: rules.open_timeout,
        timeout_max: rules.open_timeout,
        factor: FACTOR_ONE,
        jitter_ppm: 0,
        seed: 0,
    }
}

fn round_rules(rules: &Rules) -> RoundRules {
    RoundRules {
        requests: rules.requests,
        successes: rules.successes,
        failures: rules.failures,
        lease: rules.lease,
    }
}
