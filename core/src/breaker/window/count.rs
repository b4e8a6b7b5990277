//! The last so many calls, exactly.
//!
//! The **head** is the truth: how many failed and were slow among the last `size` calls, and the newest
//! outcome itself. The **ring** holds the older outcomes, two bits each, 24 to a word.
//!
//! ```text
//! head  63  52 51      36 35   25 24    14 13     3   2    1    0
//!      +------+----------+-------+--------+--------+----+----+----+
//!      | gen  |   lap    | index |failures|  slow  |full|fail|slow|
//!      |  12  |    16    |  11   |   11   |   11   | 1  | newest  |
//!      +------+----------+-------+--------+--------+----+----+----+
//! ring  63      48 47                                             0
//!      +----------+------------------------------------------------+
//!      | version  | 24 outcomes: failed, slow                      |
//!      +----------+------------------------------------------------+
//! ```
//!
//! To record: put the newest outcome of the head into its place in the ring (whoever comes next does
//! it, so nobody waits for anybody), read the outcome that leaves the window, and swap the head.
//! The swap is the one step that counts. A stalled helper can spoil no place: each write of
//! a ring word changes its version, and a place is written only for the head that is current.
//! The bound of that: 2^16 writes to one ring word during a single stall.

use crate::breaker::rules::OUTCOMES_PER_WORD;
use crate::breaker::window::Sample;
use crate::event::Counts;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, fence};

const FIELD: u64 = (1 << 11) - 1;
const SLOW_SHIFT: u32 = 3;
const FAILURES_SHIFT: u32 = 14;
const INDEX_SHIFT: u32 = 25;
const LAP_SHIFT: u32 = 36;
const GENERATION_SHIFT: u32 = 52;
const LAP_MASK: u64 = (1 << 16) - 1;
const GENERATION_MASK: u32 = (1 << 12) - 1;
const VERSION_SHIFT: u32 = 48;
const _: () = assert!(
    crate::breaker::rules::SLOTS_MAX * OUTCOMES_PER_WORD as usize <= FIELD as usize,
    "a full ring fits the head's fields"
);

/// One value of the head word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

impl Head {
    fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }
    fn lap(self) -> u64 {
        (self.0 >> LAP_SHIFT) & LAP_MASK
    }
    /// Outcomes recorded in this lap; the newest stands at `index - 1`.
    fn index(self) -> u64 {
        (self.0 >> INDEX_SHIFT) & FIELD
    }
    fn failures(self) -> u64 {
        (self.0 >> FAILURES_SHIFT) & FIELD
    }
    fn slow(self) -> u64 {
        (self.0 >> SLOW_SHIFT) & FIELD
    }
    fn is_full(self) -> bool {
        self.0 & 4 != 0
    }
    /// The newest outcome, as its two ring bits: failed 2, slow 1.
    fn newest(self) -> u64 {
        self.0 & 3
    }

    /// Nothing recorded yet in `generation`. The lap goes on, so no old head comes back.
    fn empty(self, generation: u32) -> Self {
        let lap = (self.lap() + 1) & LAP_MASK;
        Self(u64::from(generation & GENERATION_MASK) << GENERATION_SHIFT | lap << LAP_SHIFT)
    }

    fn counts(self, size: u64) -> Counts {
        let calls = if self.is_full() { size } else { self.index() };
        Counts {
            calls,
            failures: self.failures(),
            slow: self.slow(),
        }
    }
}

/// A head whose newest outcome is safe in the ring.
struct Ring<'a> {
    head: &'a AtomicU64,
    words: &'a [AtomicU64],
    size: u64,
}

/// What taking one outcome in did.
pub(super) enum Push {
    /// The generation is over.
    Stale,
    Done {
        counts: Counts,
        /// Calls in the window before this one.
        calls_before: u64,
        /// Calls that went out of the head's own count (a lap, or what an older generation left).
        folded: u64,
    },
}

/// Takes one outcome in; `is_current` says whether the generation still stands.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(super) fn push(
    head: &AtomicU64,
    words: &[AtomicU64],
    size: u32,
    generation: u32,
    sample: Sample,
    is_current: &dyn Fn() -> bool,
) -> Push {
    let ring = Ring {
        head,
        words,
        size: clamp(size, words),
    };
    loop {
        // Acquire: pairs with the swap below: the ring as the head's writer saw it.
        let seen = Head(head.load(Ordering::Acquire));
        // Also when the generation is over: a head never ends before its newest outcome is kept, so a
        // stalled helper always finds that the ring word's version has moved on.
        if !fault!("count_no_help") && !ring.keep_newest(seen) {
            continue;
        }
        let mut before = seen;
        let mut left_over = 0;
        if seen.generation() != generation & GENERATION_MASK {
            if !is_current() {
                return Push::Stale;
            }
            left_over = seen.index();
            if !fault!("count_window_keeps_generations") {
                before = seen.empty(generation);
            }
        }
        let index = before.index() % ring.size.max(1);
        let leaving = if before.is_full() && !fault!("count_window_stands_still") {
            ring.read(index)
        } else {
            0
        };
        let failures = (before.failures() + u64::from(sample.failed)).saturating_sub(leaving >> 1);
        let slow = (before.slow() + u64::from(sample.slow)).saturating_sub(leaving & 1);
        let wraps = index + 1 == ring.size;
        let (next_index, lap) = if wraps {
            (0, before.lap() + 1)
        } else {
            (index + 1, before.lap())
        };
        let next = Head(
            u64::from(generation & GENERATION_MASK) << GENERATION_SHIFT
                | (lap & LAP_MASK) << LAP_SHIFT
                | next_index << INDEX_SHIFT
                | failures.min(FIELD) << FAILURES_SHIFT
                | slow.min(FIELD) << SLOW_SHIFT
                | u64::from(before.is_full() || wraps) << 2
                | sample.bits(),
        );
        // AcqRel: publishes the ring's writes with the head, and takes over those of the last swap.
        if head
            .compare_exchange(seen.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            let folded = left_over + if wraps { ring.size } else { 0 };
            return Push::Done {
                counts: next.counts(ring.size),
                calls_before: before.counts(ring.size).calls,
                folded,
            };
        }
    }
}

impl Ring<'_> {
    /// Writes the head's newest outcome to its place. `false`: the head has moved on.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn keep_newest(&self, head: Head) -> bool {
        if head.index() == 0 && !head.is_full() {
            return true;
        }
        let place = (head.index() + self.size - 1) % self.size.max(1);
        let Some((word, shift)) = self.place(place) else {
            return true;
        };
        loop {
            // Acquire: pairs with the swap of this word, whose version the next swap builds on.
            let old = word.load(Ordering::Acquire);
            // Relaxed: only whether it moved matters; the swap of the head orders the rest.
            if self.head.load(Ordering::Relaxed) != head.0 {
                return false;
            }
            let kept = old & !(3 << shift) | head.newest() << shift;
            if kept == old {
                return true;
            }
            let version = u64::from(!fault!("ring_no_version"));
            let next = kept.wrapping_add(version << VERSION_SHIFT);
            // AcqRel: pairs with the load above.
            if word
                .compare_exchange(old, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return true;
            }
        }
    }

    fn read(&self, place: u64) -> u64 {
        self.place(place).map_or(0, |(word, shift)| {
            // Acquire: pairs with the swap in `keep_newest`.
            (word.load(Ordering::Acquire) >> shift) & 3
        })
    }

    fn place(&self, place: u64) -> Option<(&AtomicU64, u32)> {
        let per_word = u64::from(OUTCOMES_PER_WORD);
        let word = self.words.get((place / per_word) as usize)?;
        Some((word, (place % per_word) as u32 * 2))
    }
}

/// The window of `generation`.
pub(super) fn sum(head: &AtomicU64, words: &[AtomicU64], size: u32, generation: u32) -> Counts {
    // Acquire: pairs with the swap in `push`.
    let head = Head(head.load(Ordering::Acquire));
    if head.generation() == generation & GENERATION_MASK {
        head.counts(clamp(size, words))
    } else {
        Counts::default()
    }
}

/// The outcomes of `generation`: their number, then, oldest first, 32 to a word.
pub(super) fn save(
    head: &AtomicU64,
    words: &[AtomicU64],
    size: u32,
    generation: u32,
    mut push: impl FnMut(u64),
) {
    const PACKED: usize = (FIELD as usize + 1) / 32;
    let ring = Ring {
        head,
        words,
        size: clamp(size, words),
    };
    loop {
        // Acquire: pairs with the swap in `push`.
        let seen = Head(head.load(Ordering::Acquire));
        if seen.generation() != generation & GENERATION_MASK {
            push(0);
            return;
        }
        if !ring.keep_newest(seen) {
            continue;
        }
        let number = seen.counts(ring.size).calls;
        let oldest = if seen.is_full() { seen.index() } else { 0 };
        let mut packed = [0_u64; PACKED];
        for place in 0..number {
            if let Some(word) = packed.get_mut((place / 32) as usize) {
                *word |= ring.read((oldest + place) % ring.size.max(1)) << (place % 32 * 2);
            }
        }
        // Acquire: keeps the reads of the ring before it; they are this head's only if it stands.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        if head.load(Ordering::Relaxed) == seen.0 {
            push(number);
            packed
                .iter()
                .take(number.div_ceil(32) as usize)
                .for_each(|&word| push(word));
            return;
        }
    }
}

/// Calls that the head counts and no total does yet.
pub(super) fn unfolded(head: &AtomicU64) -> u64 {
    // Relaxed: a total for display.
    Head(head.load(Ordering::Relaxed)).index()
}

/// Empties the window for `generation`, unless `is_current` says that somebody else has changed the
/// state; returns the calls that leave it.
pub(super) fn clear(
    head: &AtomicU64,
    words: &[AtomicU64],
    size: u32,
    generation: u32,
    is_current: &dyn Fn() -> bool,
) -> u64 {
    let ring = Ring {
        head,
        words,
        size: clamp(size, words),
    };
    loop {
        // Acquire: keeps the check of the state behind this load.
        let seen = Head(head.load(Ordering::Acquire));
        if !ring.keep_newest(seen) {
            continue;
        }
        if !is_current() || fault!("count_window_keeps_generations") {
            return 0;
        }
        // AcqRel: as in `push`.
        if head
            .compare_exchange(
                seen.0,
                seen.empty(generation).0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
        {
            return seen.index();
        }
    }
}

/// A size from shared memory may be anything.
fn clamp(size: u32, words: &[AtomicU64]) -> u64 {
    let capacity = (words.len() as u64 * u64::from(OUTCOMES_PER_WORD)).min(FIELD);
    // Not `clamp`: the compiler cannot see that its bounds are in order, and would link its panic.
    u64::from(size).min(capacity).max(1)
}
