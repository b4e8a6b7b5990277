//! [`Word`]: one value of the state word, as plain bits.
//!
//! ```text
//!  63      55 54      46 45      37 36     31 30                     3 2    0
//! +----------+----------+----------+---------+------------------------+------+
//! | failures |successes | in flight| openings|       generation       | state|
//! |    9     |    9     |    9     |    6    |           28           |   3  |
//! +----------+----------+----------+---------+------------------------+------+
//!  \_________ a half-open round __/  \ in a row
//!  \____ ramp credit, in Closed __/  \ ForcedOpen: 1 = until a time; Closed, MetricsOnly: 1 = watched
//! ```
//!
//! **Wrap-around.** The generation counts state changes modulo 2^28. A permit that is held while
//! exactly 2^28 changes happen would be taken for a current one: with the shortest cycle of
//! three changes in 1 ms that takes 24 hours, with an open time of 1 s three years.

use crate::breaker::rules::TIME_WINDOWS_ONLY;
use crate::event::State;
use crate::fault::fault;

const STATE_BITS: u32 = 3;
const GENERATION_BITS: u32 = 28;
const OPENINGS_BITS: u32 = 6;
const ROUND_BITS: u32 = 9;

pub(crate) const GENERATION_SHIFT: u32 = STATE_BITS;
const OPENINGS_SHIFT: u32 = GENERATION_SHIFT + GENERATION_BITS;
const IN_FLIGHT_SHIFT: u32 = OPENINGS_SHIFT + OPENINGS_BITS;
const SUCCESSES_SHIFT: u32 = IN_FLIGHT_SHIFT + ROUND_BITS;
const FAILURES_SHIFT: u32 = SUCCESSES_SHIFT + ROUND_BITS;
const _: () = assert!(FAILURES_SHIFT + ROUND_BITS == 64);
const _: () = assert!(crate::breaker::rules::ROUND_MAX == (1 << ROUND_BITS) - 1);

/// Generations wrap after this one.
pub(crate) const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;
const OPENINGS_MAX: u32 = (1 << OPENINGS_BITS) - 1;
/// Ramp credit that admits one call; the field holds one more bit.
pub(crate) const CREDIT_ONE: u32 = 1 << 26;

/// One value of the state word. Every bit pattern is legal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// The counts of a half-open round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) in_flight: u32,
    pub(crate) successes: u32,
    pub(crate) failures: u32,
}

impl Word {
    /// Closed, generation 0.
    pub(crate) const INITIAL: Self = Self(0);

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    const fn field(self, shift: u32, bits: u32) -> u32 {
        (self.0 >> shift) as u32 & ((1 << bits) - 1)
    }

    const fn with_field(self, shift: u32, bits: u32, value: u32) -> Self {
        let mask = ((1 << bits) - 1) << shift;
        Self(self.0 & !mask | ((value as u64) << shift) & mask)
    }

    pub(crate) const fn state(self) -> State {
        match self.0 & 7 {
            1 => State::Open,
            2 => State::HalfOpen,
            3 => State::ForcedOpen,
            4 => State::Disabled,
            5 => State::MetricsOnly,
            // 6 and 7 are never written; from foreign memory they read as Closed.
            _ => State::Closed,
        }
    }

    /// Closed, not ramping up and not watched: whoever asks is admitted and the word stays. One test of the bits.
    pub(crate) fn is_plainly_closed(self) -> bool {
        const RAMP_AND_WATCH: u64 = !0 << OPENINGS_SHIFT;
        const STATE: u64 = (1 << STATE_BITS) - 1;
        self.0 & (fault!("ramping_is_closed", 0, RAMP_AND_WATCH) | STATE) == 0
    }

    /// The generation alone, where it stands in the word.
    pub(crate) const fn generation_bits(self) -> u64 {
        self.0 & (GENERATION_MAX as u64) << GENERATION_SHIFT
    }

    pub(crate) const fn generation(self) -> u32 {
        self.field(GENERATION_SHIFT, GENERATION_BITS)
    }

    /// How many openings in a row came before this one.
    pub(crate) const fn openings(self) -> u32 {
        match self.state() {
            State::Open | State::HalfOpen => self.field(OPENINGS_SHIFT, OPENINGS_BITS),
            _ => 0,
        }
    }

    /// Whether a forced opening ends by itself: its field of openings says so.
    pub(crate) const fn is_timed(self) -> bool {
        self.field(OPENINGS_SHIFT, OPENINGS_BITS) != 0
    }

    /// The same word; a state that counts calls also says whether those in flight are counted, so that a plainly
    /// closed breaker need not ask.
    pub(crate) const fn watched(self, is_watched: bool) -> Self {
        match self.state() {
            State::Closed | State::MetricsOnly => {
                self.with_field(OPENINGS_SHIFT, OPENINGS_BITS, is_watched as u32)
            }
            _ => self,
        }
    }

    /// Whether calls in flight are counted in this generation.
    pub(crate) const fn is_watched(self) -> bool {
        !TIME_WINDOWS_ONLY
            && matches!(self.state(), State::Closed | State::MetricsOnly)
            && self.field(OPENINGS_SHIFT, OPENINGS_BITS) != 0
    }

    /// The first word of the next generation, in the same state and with an empty round.
    pub(crate) fn renewed(self) -> Self {
        self.next(self.state(), self.field(OPENINGS_SHIFT, OPENINGS_BITS))
    }

    pub(crate) const fn round(self) -> Round {
        Round {
            in_flight: self.field(IN_FLIGHT_SHIFT, ROUND_BITS),
            successes: self.field(SUCCESSES_SHIFT, ROUND_BITS),
            failures: self.field(FAILURES_SHIFT, ROUND_BITS),
        }
    }

    pub(crate) const fn with_round(self, round: Round) -> Self {
        self.with_field(IN_FLIGHT_SHIFT, ROUND_BITS, round.in_flight)
            .with_field(SUCCESSES_SHIFT, ROUND_BITS, round.successes)
            .with_field(FAILURES_SHIFT, ROUND_BITS, round.failures)
    }

    /// The same word with an empty round, or with no ramp.
    pub(crate) fn without_round(self) -> Self {
        self.with_ramp_credit(0)
    }

    /// Credit of a closed breaker that is ramping up; 0: it is not.
    pub(crate) const fn ramp_credit(self) -> u32 {
        self.field(IN_FLIGHT_SHIFT, 3 * ROUND_BITS)
    }

    pub(crate) fn with_ramp_credit(self, credit: u32) -> Self {
        let bits = fault!("credit_is_cut", 2, 3) * ROUND_BITS;
        self.with_field(IN_FLIGHT_SHIFT, bits, credit)
    }

    /// The first word of the next generation, in `state`, with an empty round.
    pub(crate) fn next(self, state: State, openings: u32) -> Self {
        let state = match state {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
            State::ForcedOpen => 3,
            State::Disabled => 4,
            State::MetricsOnly => 5,
        };
        let openings = if openings > OPENINGS_MAX && !fault!("openings_wrap") {
            OPENINGS_MAX
        } else {
            openings
        };
        let generation = self
            .generation()
            .wrapping_add(u32::from(!fault!("generation_stands_still")))
            & GENERATION_MAX;
        let (generation, openings) = (u64::from(generation), u64::from(openings));
        Self(state | generation << GENERATION_SHIFT | openings << OPENINGS_SHIFT)
    }
}

impl core::fmt::Debug for Word {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Word")
            .field("state", &self.state())
            .field("generation", &self.generation())
            .field("openings", &self.openings())
            .field("round", &self.round())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B2: the generation wraps to 0 and takes nothing else with it.
    #[test]
    fn b2_generation_wraps_from_next_to_the_limit() {
        let last = Word::INITIAL.with_field(GENERATION_SHIFT, GENERATION_BITS, GENERATION_MAX);
        let next = last.next(State::Open, OPENINGS_MAX + 1);
        assert_eq!(next.generation(), 0);
        assert_eq!((next.state(), next.openings()), (State::Open, OPENINGS_MAX));
        assert_eq!(next.round(), Word::INITIAL.round());
    }

    /// R6, W4: every field keeps its greatest value and leaves its neighbours alone.
    #[test]
    fn r6_fields_do_not_touch() {
        let full = Round {
            in_flight: 511,
            successes: 511,
            failures: 511,
        };
        let word = Word::INITIAL.next(State::HalfOpen, 63).with_round(full);
        assert_eq!(word.round(), full);
        assert_eq!(
            (word.state(), word.openings(), word.generation()),
            (State::HalfOpen, 63, 1)
        );
        let word = word.with_ramp_credit(2 * CREDIT_ONE - 1);
        assert_eq!(word.ramp_credit(), 2 * CREDIT_ONE - 1);
        assert_eq!(
            (word.state(), word.openings(), word.generation()),
            (State::HalfOpen, 63, 1)
        );
    }

    /// B17: plainly closed is closed without credit and not watched, in whatever generation.
    #[test]
    fn b17_plainly_closed_is_closed_without_credit() {
        let plain = Word::INITIAL.with_field(GENERATION_SHIFT, GENERATION_BITS, GENERATION_MAX);
        assert!(plain.is_plainly_closed() && !plain.is_watched());
        let watched = plain.watched(true);
        assert!(watched.is_watched() && !watched.is_plainly_closed());
        assert_eq!((watched.openings(), watched.watched(false)), (0, plain));
        for credit in [1, CREDIT_ONE, 2 * CREDIT_ONE - 1] {
            assert!(!plain.with_ramp_credit(credit).is_plainly_closed());
        }
        for state in State::ALL {
            let word = plain.next(state, 0);
            assert_eq!(word.is_plainly_closed(), state == State::Closed, "{state}");
        }
    }

    /// S2: every bit pattern decodes.
    #[test]
    fn s2_every_state_pattern_is_legal() {
        for bits in 0..8 {
            let word = Word::from_bits(bits | !7);
            assert!(State::ALL.contains(&word.state()));
        }
    }
}
