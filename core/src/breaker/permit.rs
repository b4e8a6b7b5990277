//! [`RawPermit`]: the right to make one call, as a value.

use crate::breaker::word::{GENERATION_MAX, Word};
use crate::event::State;
use crate::nanos::Nanos;

/// The right to make one call, as two plain words, for hosts whose language has no destructors.
///
/// It names the generation that admitted the call and the moment it began. Settle it exactly once, with
/// the breaker that gave it: a copy that is settled again, or settled late, changes nothing once the
/// generation is over. In Rust prefer [`Permit`](crate::Permit), which cannot be settled twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a permit that is never settled holds its probe place until the lease is over"]
pub struct RawPermit {
    generation: u32,
    purpose: Purpose,
    started: Nanos,
}

/// What settling the permit will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// A call whose outcome goes into the window.
    Call,
    /// A place in a half-open round.
    Probe,
    /// A call of a disabled breaker.
    Uncounted,
}

impl RawPermit {
    pub(crate) fn new(word: Word, started: Nanos) -> Self {
        let purpose = match word.state() {
            State::HalfOpen => Purpose::Probe,
            State::Disabled => Purpose::Uncounted,
            _ => Purpose::Call,
        };
        Self {
            generation: word.generation(),
            purpose,
            started,
        }
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }

    pub(crate) const fn purpose(self) -> Purpose {
        self.purpose
    }

    /// The `now` of the admission.
    pub const fn started(self) -> Nanos {
        self.started
    }

    /// Whether this call is a probe of a half-open breaker.
    pub const fn is_probe(self) -> bool {
        matches!(self.purpose, Purpose::Probe)
    }

    /// The permit as two words; their layout is stable within a layout version.
    pub const fn to_words(self) -> [u64; 2] {
        let purpose = match self.purpose {
            Purpose::Call => 1,
            Purpose::Probe => 2,
            Purpose::Uncounted => 3,
        };
        [(self.generation as u64) << 2 | purpose, self.started.get()]
    }

    /// The permit that `words` stand for. Words that no permit has (all zero among them) give
    /// `None`: settle them as stale.
    pub const fn from_words(words: [u64; 2]) -> Option<Self> {
        let [head, started] = words;
        let purpose = match head & 3 {
            1 => Purpose::Call,
            2 => Purpose::Probe,
            3 => Purpose::Uncounted,
            _ => return None,
        };
        let generation = head >> 2;
        if generation > GENERATION_MAX as u64 {
            return None;
        }
        Some(Self {
            generation: generation as u32,
            purpose,
            started: Nanos::new(started),
        })
    }
}
