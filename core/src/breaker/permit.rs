//! [`RawPermit`]: the right to make one call, as a value.
//!
//! ```text
//! head  63      35 34  31 30                     3 2      0
//!      +----------+------+------------------------+--------+
//!      |   tag    |   0  |       generation       | purpose|
//!      +----------+------+------------------------+--------+
//! ```
//! The generation stands where it does in the state word, so that comparing the two takes no shift.

use crate::breaker::rules::TIME_WINDOWS_ONLY;
use crate::breaker::word::{GENERATION_MAX, GENERATION_SHIFT, Word};
use crate::event::State;
use crate::fault::{const_unless_faults, fault};
use crate::nanos::Nanos;

/// The right to make one call, as two plain words, for hosts whose language has no destructors.
///
/// It names the generation that admitted the call and the moment it began. Settle it exactly once, with
/// the breaker that gave it: a copy that is settled again, or settled late, changes nothing once the
/// generation is over. In Rust prefer [`Permit`](crate::Permit), which cannot be settled twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a permit that is never settled holds its probe place until the lease is over"]
pub struct RawPermit {
    /// One word, not its parts: two words travel in registers, where a permit in memory would cost a
    /// call more than its counting.
    head: u64,
    started: Nanos,
}

const PURPOSE_MASK: u64 = (1 << GENERATION_SHIFT) - 1;
const CALL: u64 = 1;
const PROBE: u64 = 2;
const UNCOUNTED: u64 = 3;
const WATCHED: u64 = 4;
/// Above the 32 bits that [`RawPermit::generation`] takes.
const TAG_SHIFT: u32 = GENERATION_SHIFT + u32::BITS;
const TAG_MASK: u64 = !0 << TAG_SHIFT;

/// What settling the permit will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// A call whose outcome goes into the window.
    Call,
    /// A place in a half-open round.
    Probe,
    /// A call of a disabled breaker.
    Uncounted,
    /// A call that is counted in flight; its outcome goes into the window.
    WatchedCall,
}

impl RawPermit {
    #[inline]
    pub(crate) const fn new(word: Word, started: Nanos) -> Self {
        let purpose = match word.state() {
            State::HalfOpen => PROBE,
            State::Disabled => UNCOUNTED,
            _ => CALL,
        };
        Self {
            head: word.generation_bits() | purpose,
            started,
        }
    }

    /// A call that the window counts in flight since `started`.
    pub(crate) const fn watched(word: Word, started: Nanos) -> Self {
        Self {
            head: word.generation_bits() | WATCHED,
            started,
        }
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        (self.head >> GENERATION_SHIFT) as u32
    }

    /// Whether its purpose is a call and `word` is of the generation that admitted it. One comparison.
    #[inline]
    pub(crate) fn is_call_of(self, word: Word) -> bool {
        fault!(
            "call_of_any_generation",
            self.head & PURPOSE_MASK == CALL,
            self.head == word.generation_bits() | CALL
        )
    }

    #[inline]
    pub(crate) const fn purpose(self) -> Purpose {
        match self.head & PURPOSE_MASK {
            PROBE => Purpose::Probe,
            UNCOUNTED => Purpose::Uncounted,
            WATCHED if !TIME_WINDOWS_ONLY => Purpose::WatchedCall,
            _ => Purpose::Call,
        }
    }

    /// The `now` of the admission.
    #[inline]
    pub const fn started(self) -> Nanos {
        self.started
    }

    /// Whether this call is a probe of a half-open breaker.
    pub const fn is_probe(self) -> bool {
        matches!(self.purpose(), Purpose::Probe)
    }

    /// The same permit with a note of the host's, such as which of many breakers gave it; of its 29 low bits. The breaker itself settles
    /// permits [`untagged`](Self::untagged): with a note it takes a longer way.
    #[inline]
    pub const fn tagged(self, tag: u32) -> Self {
        Self {
            head: self.head & !TAG_MASK | (tag as u64) << TAG_SHIFT,
            ..self
        }
    }

    /// The host's note; 0 when there is none.
    #[inline]
    pub const fn tag(self) -> u32 {
        (self.head >> TAG_SHIFT) as u32
    }

    /// The permit as the breaker gave it.
    #[inline]
    pub const fn untagged(self) -> Self {
        Self {
            head: self.head & !TAG_MASK,
            ..self
        }
    }

    /// The permit as two words; their layout is stable within a layout version.
    ///
    /// The first is never zero: [`tag`](Self::tag) above bit 34, generation in bits 3 to 30, purpose (1 to 4) in the low three. The second is
    /// [`started`](Self::started) in nanoseconds.
    #[inline]
    pub const fn to_words(self) -> [u64; 2] {
        [self.head, self.started.get()]
    }

    /// The permit that `words` would stand for: [`is_call_of`](Self::is_call_of) is to be asked first, which no other words pass.
    #[inline]
    pub(crate) const fn from_words_unchecked([head, started]: [u64; 2]) -> Self {
        Self {
            head,
            started: Nanos::new(started),
        }
    }

    const_unless_faults! {
        /// The permit that `words` stand for. Words that no permit has (all zero among them) give
        /// `None`: settle them as stale.
        #[inline]
        pub const fn from_words(words: [u64; 2]) -> Option<Self> {
            let [head, started] = words;
            let purpose = head & PURPOSE_MASK;
            let is_permit = CALL <= purpose && purpose <= WATCHED
                && head >> GENERATION_SHIFT <= GENERATION_MAX as u64;
            if !is_permit && !fault!("any_words_are_a_permit") {
                return None;
            }
            Some(Self {
                head,
                started: Nanos::new(started),
            })
        }
    }

    /// As [`from_words`](Self::from_words), of a permit that may be [`tagged`](Self::tagged).
    #[inline]
    pub fn from_tagged_words(words: [u64; 2]) -> Option<Self> {
        let [head, started] = words;
        let permit = Self::from_words([head & !TAG_MASK, started])?;
        Some(permit.tagged((head >> TAG_SHIFT) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P4: words are a permit's exactly if its purpose and generation exist.
    #[test]
    fn p4_words_of_no_permit_are_refused() {
        let last = (u64::from(GENERATION_MAX) << GENERATION_SHIFT) | WATCHED;
        for (head, is_permit) in [
            (0, false),
            (CALL, true),
            (WATCHED, true),
            (WATCHED + 1, false),
            (PURPOSE_MASK, false),
            (last, true),
            (last + (1 << GENERATION_SHIFT), false),
            (u64::MAX, false),
        ] {
            let words = [head, u64::MAX];
            let permit = RawPermit::from_words(words);
            assert_eq!(permit.map(RawPermit::to_words), is_permit.then_some(words));
        }
    }

    /// A host's note comes back, and changes nothing of the permit.
    #[test]
    fn a_tagged_permit_is_the_same_permit() {
        let word = Word::INITIAL.next(State::HalfOpen, 0);
        let permit = RawPermit::new(word, Nanos::new(7));
        for tag in [0, 1, (1 << 29) - 1] {
            let tagged = permit.tagged(tag);
            assert_eq!((tagged.tag(), tagged.untagged()), (tag, permit));
            assert_eq!(tagged.generation(), permit.generation());
            assert!(tagged.is_probe() && tagged.started() == permit.started());
            assert_eq!(
                RawPermit::from_tagged_words(tagged.to_words()),
                Some(tagged)
            );
        }
        assert_eq!(permit.tagged(u32::MAX).tag(), (1 << 29) - 1);
    }

    /// B5: the one comparison is those of purpose and generation.
    #[test]
    fn b5_a_call_is_of_its_generation_in_every_state() {
        for state in State::ALL {
            let word = Word::INITIAL.next(state, 63).with_ramp_credit(1);
            let permit = RawPermit::new(word, Nanos::ZERO);
            assert_eq!(permit.generation(), word.generation());
            let is_call = permit.purpose() == Purpose::Call;
            assert_eq!(permit.is_call_of(word), is_call);
            assert_eq!(
                permit.is_call_of(Word::INITIAL.next(State::Open, 0)),
                is_call
            );
            assert!(!permit.is_call_of(Word::INITIAL) && !permit.is_call_of(word.next(state, 0)));
        }
    }
}
