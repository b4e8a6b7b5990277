//! The board's log: the last changes of all its breakers, for any process that asks later.
//!
//! ```text
//! stamp  63                                16 15    12 11         2 1    0
//!       +------------------------------------+--------+------------+------+
//!       |               number               |    0   |   owner    | phase|
//!       +------------------------------------+--------+------------+------+
//! ```
//! Phase 0: never written, 1: being written, 2: whole, 3: its writer died. Changes are numbered by one addition; change n stands in entry
//! n modulo `N`. A writer claims its entry with one swap and never waits: one that a stopped writer has not finished is left alone. A reader
//! takes an entry only if its stamp is the same before and after it; what is not whole yet it asks for again next time, and what is
//! gone for good it counts as lost. Whom death stops in the middle is found by [`reclaim`](BoardLog::reclaim).

use crate::board::name::{NAME_WORDS, SlotName};
use crate::board::section::{Owner, SlotId};
use crate::event::log::{pack, unpack};
use crate::event::{Counts, Transition};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, fence, zeroed_words};

const PHASE_MASK: u64 = 3;
const WRITING: u64 = 1;
const WHOLE: u64 = 2;
const VOID: u64 = 3;
const OWNER_SHIFT: u32 = 2;
const OWNER_MASK: u64 = 0x3FF;
const NUMBER_SHIFT: u32 = 16;
const NUMBER_MASK: u64 = u64::MAX >> NUMBER_SHIFT;
/// Changes that a cursor asks for again.
const GAPS: u32 = u64::BITS;

/// One change of a breaker's state on a board, with who caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardTransition {
    /// The breaker's name at that time.
    pub name: SlotName,
    /// Its slot.
    pub slot: SlotId,
    /// Who caused it; an owner that the board has not: a process that was not attached.
    pub owner: Owner,
    /// What that owner said of itself then: its process id.
    pub process: u64,
    /// The change.
    pub transition: Transition,
}

/// How far somebody has read the log. A plain value: keep one for each reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransitionCursor {
    /// The number of the next change; above all numbers: the oldest that is kept.
    next: u64,
    /// Bit i: change `next - 1 - i` was not whole yet.
    gaps: u64,
}

impl TransitionCursor {
    /// Begins with the oldest change that the log still has.
    pub const OLDEST: Self = Self {
        next: u64::MAX,
        gaps: 0,
    };

    /// As two words; the same within a layout version.
    pub const fn to_words(self) -> [u64; 2] {
        [self.next, self.gaps]
    }

    /// The cursor that two words stand for; any are legal.
    pub const fn from_words(words: [u64; 2]) -> Self {
        let [next, gaps] = words;
        Self { next, gaps }
    }

    /// One change further; the gap that is too old to ask for again is lost.
    fn step(&mut self) -> u64 {
        let lost = self.gaps >> (GAPS - 1);
        self.gaps <<= 1;
        self.next = self.next.wrapping_add(1) & NUMBER_MASK;
        lost
    }
}

impl Default for TransitionCursor {
    fn default() -> Self {
        Self::OLDEST
    }
}

#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct BoardLog<const N: usize> {
    next: AtomicU64,
    entries: [Entry; N],
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Entry {
    stamp: AtomicU64,
    what: AtomicU64,
    at: AtomicU64,
    counts: [AtomicU64; 3],
    slot: AtomicU64,
    process: AtomicU64,
    name: [AtomicU64; NAME_WORDS],
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<Entry>() == 128 && size_of::<BoardLog<128>>() == 64 + 128 * 128);

/// What an entry has of one change.
enum Found {
    Whole(BoardTransition),
    NotYet,
    Lost,
}

impl<const N: usize> BoardLog<N> {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicU64::new(0),
            entries: core::array::from_fn(|_| Entry {
                stamp: AtomicU64::new(0),
                what: AtomicU64::new(0),
                at: AtomicU64::new(0),
                counts: zeroed_words!(),
                slot: AtomicU64::new(0),
                process: AtomicU64::new(0),
                name: zeroed_words!(),
            }),
        }
    }

    /// Keeps one change.
    pub(crate) fn tell(&self, told: &BoardTransition) {
        // Relaxed: numbers publish nothing; the stamps do.
        let number = self.next.fetch_add(1, Ordering::Relaxed) & NUMBER_MASK;
        if let Some(entry) = self.entry(number) {
            entry.write(number, told);
        }
    }

    /// From here on only what is new.
    pub(crate) fn end(&self) -> TransitionCursor {
        TransitionCursor {
            // Relaxed: as in `tell`.
            next: self.next.load(Ordering::Relaxed) & NUMBER_MASK,
            gaps: 0,
        }
    }

    /// Gives `each` what came after `cursor`, oldest first, and moves it on; how many changes are lost.
    pub(crate) fn since(
        &self,
        cursor: &mut TransitionCursor,
        mut each: impl FnMut(BoardTransition),
    ) -> u64 {
        let kept = N as u64;
        let end = self.end().next;
        if cursor.next > NUMBER_MASK {
            cursor.next = end.saturating_sub(kept);
            cursor.gaps = 0;
        }
        let mut lost = self.fill(cursor, &mut each);
        let ahead = end.wrapping_sub(cursor.next) & NUMBER_MASK;
        if ahead > NUMBER_MASK / 2 {
            // A foreign hand has set the counter back.
            if !fault!("board_log_counter_set_back") {
                *cursor = self.end();
            }
            return lost;
        }
        if let Some(gone @ 1..) = ahead.checked_sub(kept) {
            // Gaps are older still.
            lost += fault!(
                "board_log_loss_untold",
                0,
                gone + u64::from(cursor.gaps.count_ones())
            );
            cursor.gaps = 0;
            cursor.next = cursor.next.wrapping_add(gone) & NUMBER_MASK;
        }
        while cursor.next != end {
            let found = self.read(cursor.next);
            lost += cursor.step();
            match found {
                Found::Whole(told) => each(told),
                Found::NotYet => cursor.gaps |= u64::from(!fault!("board_log_gap_forgotten")),
                Found::Lost => lost += 1,
            }
        }
        lost
    }

    /// Asks again for what was not whole.
    fn fill(&self, cursor: &mut TransitionCursor, each: &mut impl FnMut(BoardTransition)) -> u64 {
        let mut lost = 0;
        for age in (0..GAPS).rev() {
            let gap = 1 << age;
            if cursor.gaps & gap == 0 {
                continue;
            }
            match self.read(cursor.next.wrapping_sub(1 + u64::from(age)) & NUMBER_MASK) {
                Found::Whole(told) => each(told),
                Found::NotYet => continue,
                Found::Lost => lost += 1,
            }
            cursor.gaps &= !gap;
        }
        lost
    }

    /// Gives up what `owner`, who is dead, had begun to write.
    pub(crate) fn reclaim(&self, owner: Owner) {
        for entry in &self.entries {
            // Relaxed: the swap decides.
            let stamp = entry.stamp.load(Ordering::Relaxed);
            let is_its = stamp >> OWNER_SHIFT & OWNER_MASK == u64::from(owner.index());
            if stamp & PHASE_MASK == WRITING && is_its && !fault!("board_log_keeps_the_dead") {
                // Release: pairs with the swap in `write`: whoever writes next does so after what the dead one wrote. Failure Relaxed:
                // nothing is read then.
                let _ = entry.stamp.compare_exchange(
                    stamp,
                    stamp | VOID,
                    Ordering::Release,
                    Ordering::Relaxed,
                );
            }
        }
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get((number % N as u64) as usize)
    }

    fn read(&self, number: u64) -> Found {
        self.entry(number)
            .map_or(Found::Lost, |entry| entry.read(number))
    }
}

impl Entry {
    fn write(&self, number: u64, told: &BoardTransition) {
        // Relaxed: the swap below decides.
        let seen = self.stamp.load(Ordering::Relaxed);
        let is_older = seen == 0 || is_before(seen >> NUMBER_SHIFT, number);
        let owner = u64::from(told.owner.index()) & OWNER_MASK;
        let stamp = number << NUMBER_SHIFT | owner << OWNER_SHIFT;
        // Acquire: pairs with the last store of the entry's former writer, so that his fields are overwritten, not ours.
        if seen & PHASE_MASK == WRITING
            || !is_older
            || self
                .stamp
                .compare_exchange(seen, stamp | WRITING, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        if !fault!("board_log_without_fence") {
            // Release: pairs with the fence in `read`: who sees one of the fields sees that they are being written.
            fence(Ordering::Release);
        }
        let Transition { at, counts, .. } = told.transition;
        let [calls, failures, slow] = &self.counts;
        for (word, value) in [
            (&self.what, pack(&told.transition)),
            (&self.at, at.get()),
            (calls, counts.calls),
            (failures, counts.failures),
            (slow, counts.slow),
            (&self.slot, told.slot.to_bits()),
            (&self.process, told.process),
        ]
        .into_iter()
        .chain(self.name.iter().zip(told.name.to_words()))
        {
            // Relaxed: ordered by the fence before and the store after them.
            word.store(value, Ordering::Relaxed);
        }
        // Release: pairs with the first load in `read`.
        self.stamp.store(stamp | WHOLE, Ordering::Release);
    }

    fn read(&self, number: u64) -> Found {
        // Acquire: pairs with the last store of `write`.
        let stamp = self.stamp.load(Ordering::Acquire);
        let found = stamp >> NUMBER_SHIFT;
        let phase = stamp & PHASE_MASK;
        if stamp == 0 || is_before(found, number) || found == number && phase == WRITING {
            return Found::NotYet;
        }
        if found != number || phase != WHOLE {
            return Found::Lost;
        }
        // Relaxed: ordered by the load before and the fence after them.
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let [calls, failures, slow] = self.counts.each_ref().map(load);
        let counts = Counts {
            calls,
            failures,
            slow,
        };
        let transition = unpack(load(&self.what), Nanos::new(load(&self.at)), counts);
        let name = SlotName::from_words(self.name.each_ref().map(load));
        let (slot, process) = (SlotId::from_bits(load(&self.slot)), load(&self.process));
        // Acquire: pairs with the fence in `write`: had a field been of a later change, the stamp would be another.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        if self.stamp.load(Ordering::Relaxed) != stamp {
            return Found::Lost;
        }
        match (name, transition) {
            (Some(name), Some(transition)) => Found::Whole(BoardTransition {
                name,
                slot,
                owner: Owner::new((stamp >> OWNER_SHIFT & OWNER_MASK) as u16),
                process,
                transition,
            }),
            // A foreign hand has been here.
            _ => Found::Lost,
        }
    }
}

/// Whether number `one` came before `other`: they are less than half of all numbers apart.
fn is_before(one: u64, other: u64) -> bool {
    let ahead = other.wrapping_sub(one) & NUMBER_MASK;
    ahead != 0 && ahead <= NUMBER_MASK / 2
}

#[cfg(all(test, not(any(fuseboard_loom, fuseboard_shuttle))))]
mod tests;
