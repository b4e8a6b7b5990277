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
    kind: Kind,
    started: Nanos,
}

/// What settling the permit will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A call whose outcome goes into the window.
    Call,
    /// A place in a half-open round.
    Probe,
    /// A call of a disabled breaker.
    Uncounted,
}

impl RawPermit {
    pub(crate) fn new(word: Word, started: Nanos) -> Self {
        let kind = match word.state() {
            State::HalfOpen => Kind::Probe,
            State::Disabled => Kind::Uncounted,
            _ => Kind::Call,
        };
        Self {
            generation: word.generation(),
            kind,
            started,
        }
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }

    pub(crate) const fn kind(self) -> Kind {
        self.kind
    }

    /// The `now` of the admission.
    pub const fn started(self) -> Nanos {
        self.started
    }

    /// Whether this call is a probe of a half-open breaker.
    pub const fn is_probe(self) -> bool {
        matches!(self.kind, Kind::Probe)
    }

    /// The permit as two words; their layout is stable within a layout version.
    pub const fn to_words(self) -> [u64; 2] {
        let kind = match self.kind {
            Kind::Call => 1,
            Kind::Probe => 2,
            Kind::Uncounted => 3,
        };
        [(self.generation as u64) << 2 | kind, self.started.get()]
    }

    /// The permit that `words` stand for. Words that no permit has (all zero among them) give
    /// `None`: settle them as stale.
    pub const fn from_words(words: [u64; 2]) -> Option<Self> {
        let [head, started] = words;
        let kind = match head & 3 {
            1 => Kind::Call,
            2 => Kind::Probe,
            3 => Kind::Uncounted,
            _ => return None,
        };
        let generation = head >> 2;
        if generation > GENERATION_MAX as u64 {
            return None;
        }
        Some(Self {
            generation: generation as u32,
            kind,
            started: Nanos::new(started),
        })
    }
}
