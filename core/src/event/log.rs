//! [`TransitionLog`]: the last changes of state, for whoever asks later.
//!
//! ```text
//! stamp  63                 39 38  37 36 34 33 31 30 28 27            0
//!       +--------------------+------+-----+-----+-----+----------------+
//!       |          0         | phase|cause| to  | from|   generation   |
//!       +--------------------+------+-----+-----+-----+----------------+
//! ```
//! Phase 0: never written, 1: being written, 2: whole. The change that began generation g stands in entry g modulo `N`. A writer
//! claims the entry with one swap and never waits: an entry that somebody is writing, or that holds a newer change, is
//! left alone, and the reader sees from the generations what is missing. A reader takes an entry only if its stamp is
//! the same before and after it.

use crate::event::{Cause, Counts, Observer, State, Transition};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, fence};
use heapless::Vec;

const GENERATION_MASK: u64 = (1 << 28) - 1;
const FROM_SHIFT: u32 = 28;
const TO_SHIFT: u32 = 31;
const CAUSE_SHIFT: u32 = 34;
const PHASE_SHIFT: u32 = 37;
const WRITING: u64 = 1 << PHASE_SHIFT;
const WHOLE: u64 = 2 << PHASE_SHIFT;
const PART: u64 = 7;

/// Keeps the last `N` changes of a breaker's state without a lock or an allocation: an [`Observer`] that firmware, a side process, or
/// a host whose language has no callbacks reads when it likes.
///
/// Give it to the operations of one breaker: it tells changes apart by their generation.
///
/// # Memory ordering
///
/// Whoever reads a change sees what its thread did before it.
///
/// ```
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, State, TransitionLog};
///
/// static BREAKER: CircuitBreaker =
///     CircuitBreaker::new(CircuitBreakerConfig::new().minimum_requests(1));
/// static LOG: TransitionLog<8> = TransitionLog::new();
///
/// let now = Nanos::from_secs(1);
/// let permit = BREAKER.acquire(now, &LOG).expect("closed");
/// BREAKER.settle(permit, Outcome::Failure, now, &LOG);
///
/// let batch = LOG.since(0);
/// assert_eq!((batch.transitions[0].to, batch.lost), (State::Open, 0));
/// // From here on only what is new.
/// assert!(LOG.since(batch.generation).transitions.is_empty());
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct TransitionLog<const N: usize> {
    entries: [Entry; N],
}

#[derive(Debug)]
#[repr(C)]
struct Entry {
    stamp: AtomicU64,
    at: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

/// Changes of state, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionBatch<const N: usize> {
    /// The changes.
    pub transitions: Vec<Transition, N>,
    /// Changes between the generation asked for and the newest one found that the log does not have: they were overwritten, or
    /// are just being written.
    pub lost: u32,
    /// The generation of the newest change: what to ask for next time.
    pub generation: u32,
}

impl Entry {
    const_unless_loom! {
        const fn new() -> Self {
            Self {
                stamp: AtomicU64::new(0),
                at: AtomicU64::new(0),
                calls: AtomicU64::new(0),
                failures: AtomicU64::new(0),
                slow: AtomicU64::new(0),
            }
        }
    }

    fn write(&self, transition: &Transition) {
        // Relaxed: the swap below decides.
        let seen = self.stamp.load(Ordering::Relaxed);
        let newer = seen & WHOLE == 0
            || is_newer(u64::from(transition.generation), seen)
            || fault!("log_late_change_wins");
        let stamp = pack(transition);
        // Acquire: pairs with the last store of the entry's former writer, so that his fields are overwritten, not ours.
        if seen & WRITING != 0
            || !newer
            || self
                .stamp
                .compare_exchange(seen, stamp | WRITING, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        if !fault!("log_without_fence") {
            // Release: pairs with the fence in `read`: who sees one of the fields sees that they are being written.
            fence(Ordering::Release);
        }
        // Relaxed: ordered by the fence before and the store after them.
        self.at.store(transition.at.get(), Ordering::Relaxed);
        self.calls.store(transition.counts.calls, Ordering::Relaxed);
        self.failures
            .store(transition.counts.failures, Ordering::Relaxed);
        self.slow.store(transition.counts.slow, Ordering::Relaxed);
        // Release: pairs with the first load in `read`.
        self.stamp.store(stamp | WHOLE, Ordering::Release);
    }

    /// The change that the entry holds. `None`: none, or one that is just being written.
    fn read(&self) -> Option<Transition> {
        // Acquire: pairs with the last store of `write`.
        let stamp = self.stamp.load(Ordering::Acquire);
        if stamp & WHOLE == 0 || stamp & WRITING != 0 {
            return None;
        }
        // Relaxed: ordered by the load before and the fence after them.
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let counts = Counts {
            calls: load(&self.calls),
            failures: load(&self.failures),
            slow: load(&self.slow),
        };
        let transition = unpack(stamp, Nanos::new(load(&self.at)), counts)?;
        // Acquire: pairs with the fence in `write`: had a field been of a later change, the stamp would be another.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        (self.stamp.load(Ordering::Relaxed) == stamp).then_some(transition)
    }
}

/// What changed, in the low 37 bits.
pub(crate) fn pack(transition: &Transition) -> u64 {
    let place = |found: Option<usize>| found.unwrap_or_default() as u64;
    let state = |state| place(State::ALL.iter().position(|&one| one == state));
    let cause = place(Cause::ALL.iter().position(|&one| one == transition.cause));
    cause << CAUSE_SHIFT
        | state(transition.to) << TO_SHIFT
        | state(transition.from) << FROM_SHIFT
        | u64::from(transition.generation) & GENERATION_MASK
}

/// The change that a stamp's low bits stand for; `None`: none.
pub(crate) fn unpack(bits: u64, at: Nanos, counts: Counts) -> Option<Transition> {
    let cause = fault!("log_cause_is_state", bits >> TO_SHIFT, bits >> CAUSE_SHIFT);
    Some(Transition {
        from: pick(&State::ALL, bits >> FROM_SHIFT)?,
        to: pick(&State::ALL, bits >> TO_SHIFT)?,
        generation: (bits & GENERATION_MASK) as u32,
        at,
        cause: pick(&Cause::ALL, cause)?,
        counts,
    })
}

fn pick<T: Copy>(all: &[T], bits: u64) -> Option<T> {
    all.get((bits & PART) as usize).copied()
}

/// Whether generation `one` came after `other`: they count modulo 2^28, and are less than half of that apart.
fn is_newer(one: u64, other: u64) -> bool {
    if fault!("log_generations_never_wrap") {
        return one & GENERATION_MASK > other & GENERATION_MASK;
    }
    let ahead = one.wrapping_sub(other) & GENERATION_MASK;
    ahead != 0 && ahead <= GENERATION_MASK / 2
}

impl<const N: usize> TransitionLog<N> {
    const SHAPE: () = assert!(N >= 1, "a log keeps at least one change");

    const_unless_loom! {
        /// An empty log. `N` of zero does not compile.
        pub const fn new() -> Self {
            let () = Self::SHAPE;
            Self {
                entries: {
                    #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
                    {
                        [const { Entry::new() }; N]
                    }
                    #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
                    {
                        core::array::from_fn(|_| Entry::new())
                    }
                },
            }
        }
    }

    /// The changes that came after generation `since`, oldest first; 0 is a new breaker's.
    pub fn since(&self, since: u32) -> TransitionBatch<N> {
        let mut transitions: Vec<Transition, N> = Vec::new();
        let found = self.entries.iter().filter_map(Entry::read);
        for transition in found.filter(|one| is_newer(one.generation.into(), since.into())) {
            // There are no more entries than places.
            let _ = transitions.push(transition);
        }
        let age = |one: &Transition| one.generation.wrapping_sub(since) & GENERATION_MASK as u32;
        transitions.sort_unstable_by_key(age);
        let newest = transitions.last().map_or(0, age);
        TransitionBatch {
            lost: fault!("log_loss_untold", 0, newest - transitions.len() as u32),
            generation: since.wrapping_add(newest) & GENERATION_MASK as u32,
            transitions,
        }
    }
}

impl<const N: usize> Default for TransitionLog<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Observer for TransitionLog<N> {
    fn transition(&self, transition: &Transition) {
        let entry = transition.generation as usize % N;
        if let Some(entry) = self.entries.get(entry) {
            entry.write(transition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(generation: u32) -> Transition {
        Transition {
            from: State::Closed,
            to: State::Open,
            generation,
            at: Nanos::new(u64::from(generation)),
            cause: Cause::Manual,
            counts: Counts::default(),
        }
    }

    /// B15: of more changes than there is room for, the oldest are lost, and the loss is told.
    #[test]
    fn b15_a_log_says_what_it_lost() {
        let log: TransitionLog<3> = TransitionLog::new();
        assert_eq!((log.since(0).lost, log.since(0).generation), (0, 0));
        for generation in 1..=5 {
            log.transition(&change(generation));
        }
        let batch = log.since(0);
        assert_eq!(batch.transitions, [3, 4, 5].map(change));
        assert_eq!((batch.lost, batch.generation), (2, 5));
        // A late writer does not take the place of a newer change.
        log.transition(&change(2));
        assert_eq!(log.since(0), batch);
        assert_eq!(log.since(4).transitions, [5].map(change));
    }

    /// B2, B15: generations wrap, and the order stays.
    #[test]
    fn b15_a_log_goes_on_where_generations_wrap() {
        let log: TransitionLog<4> = TransitionLog::new();
        let last = GENERATION_MASK as u32;
        for generation in [last - 1, last, 0, 1] {
            log.transition(&change(generation));
        }
        let batch = log.since(last - 2);
        assert_eq!(batch.transitions, [last - 1, last, 0, 1].map(change));
        assert_eq!((batch.lost, batch.generation), (0, 1));
    }

    /// R6: every state and cause comes back.
    #[test]
    fn r6_every_change_comes_back_as_it_was() {
        let log: TransitionLog<1> = TransitionLog::new();
        let mut generation = 0;
        for from in State::ALL {
            for to in State::ALL {
                for cause in Cause::ALL {
                    generation += 1;
                    let counts = Counts {
                        calls: u64::MAX,
                        failures: 1,
                        slow: 2,
                    };
                    let change = Transition {
                        from,
                        to,
                        cause,
                        counts,
                        ..change(generation)
                    };
                    log.transition(&change);
                    assert_eq!(log.since(generation - 1).transitions, [change]);
                }
            }
        }
    }

    /// S2: any bits in the stamp are a change or none.
    #[test]
    fn s2_every_stamp_is_legal() {
        let log: TransitionLog<1> = TransitionLog::new();
        for bits in 0..1 << 13 {
            log.entries[0]
                .stamp
                .store(bits << FROM_SHIFT, Ordering::Relaxed);
            assert!(log.since(0).transitions.len() <= 1);
        }
    }
}
