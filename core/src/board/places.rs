//! [`Places`]: a concurrency limit of many owners, each of which may die.
//!
//! ```text
//! total  63       48 47       32 31     22 21 20 19             0
//!       +-----------+-----------+---------+-----+----------------+
//!       |   limit   | in flight |  owner  | deed|     stamp      |
//!       +-----------+-----------+---------+-----+----------------+
//! cell   63       48 47                  20 19             0
//!       +-----------+----------------------+----------------+
//!       | in flight |        version       |     stamp      |
//!       +-----------+----------------------+----------------+
//! ```
//! The total decides: limit and count are one truth. It also says what was done last, and by whom; that is carried over into the
//! owner's cell before anything else is done, by whoever comes. So at every moment the cells, with the last deed, add up to the
//! total; a process that dies between the two words leaves nothing undone, and what it held is what its cell says.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | swap the total | `AcqRel` | each other: an admission sees what the call before did, and the deed before is done |
//! | load the total | Acquire | the swap |
//! | load a cell | Acquire | its swap; also keeps the second load of the total behind it |
//! | swap a cell | `AcqRel` | its load |
//!
//! **Wrap-around.** Who is stopped between the two loads of one total, while as many deeds happen as bring back the same total (a multiple of
//! 2^20, the last of the same owner), may take the last of them for done; `reclaim` counts anew. A cell comes back only after 2^28
//! deeds of its owner.

use crate::board::section::Owner;
use crate::concurrency::admitted;
use crate::error::ConfigError;
use crate::fault::fault;
use crate::rejected::Rejected;
use crate::sync::{AtomicU64, Ordering, zeroed_words};

const STAMP_MASK: u64 = (1 << 20) - 1;
const DEED_SHIFT: u32 = 20;
const OWNER_SHIFT: u32 = 22;
const OWNER_MASK: u64 = (1 << 10) - 1;
const IN_FLIGHT_SHIFT: u32 = 32;
const LIMIT_SHIFT: u32 = 48;
const VERSION_ONE: u64 = STAMP_MASK + 1;
const HELD_SHIFT: u32 = 48;
const HELD_MASK: u64 = !0 << HELD_SHIFT;

/// A limit of calls in flight that many processes share: so many among all of them, and those of a dead one come back.
///
/// # Range
///
/// 1 to 65,535 calls.
///
/// # Memory ordering
///
/// As of [`ConcurrencyLimit`](crate::ConcurrencyLimit).
#[derive(Debug)]
#[repr(C)]
pub struct Places<const OWNERS: usize> {
    total: AtomicU64,
    cells: [AtomicU64; OWNERS],
}

/// What was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Nothing that a cell has to know.
    None,
    Take,
    Give,
    /// Everything that the owner held came back.
    Reclaim,
}

/// One value of the total. Every bit pattern is legal.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Total(u64);

impl Total {
    const fn limit(self) -> u16 {
        (self.0 >> LIMIT_SHIFT) as u16
    }

    const fn in_flight(self) -> u16 {
        (self.0 >> IN_FLIGHT_SHIFT) as u16
    }

    const fn owner(self) -> usize {
        (self.0 >> OWNER_SHIFT & OWNER_MASK) as usize
    }

    const fn deed(self) -> Deed {
        match self.0 >> DEED_SHIFT & 3 {
            1 => Deed::Take,
            2 => Deed::Give,
            3 => Deed::Reclaim,
            _ => Deed::None,
        }
    }

    /// Another limit, and nothing for a cell to know.
    const fn limited_to(self, limit: u16) -> Self {
        let stamp = self.0.wrapping_add(1) & STAMP_MASK;
        let in_flight = self.0 & ((u16::MAX as u64) << IN_FLIGHT_SHIFT);
        Self((limit as u64) << LIMIT_SHIFT | in_flight | stamp)
    }

    const fn stamp(self) -> u64 {
        self.0 & STAMP_MASK
    }

    /// The total after one more deed of `owner`, whose cell is `cell`. Its stamp is another than the cell's, which may be as old as you like.
    fn after(self, deed: Deed, owner: Owner, cell: u64, in_flight: u16) -> Self {
        let skips = self.0.wrapping_add(1) & STAMP_MASK == cell & STAMP_MASK
            && !fault!("board_stamp_comes_again");
        let stamp = self.0.wrapping_add(1 + u64::from(skips)) & STAMP_MASK;
        let limit = self.limit();
        Self(
            u64::from(limit) << LIMIT_SHIFT
                | u64::from(in_flight) << IN_FLIGHT_SHIFT
                | (u64::from(owner.index()) & OWNER_MASK) << OWNER_SHIFT
                | (deed as u64) << DEED_SHIFT
                | stamp,
        )
    }
}

/// Calls in flight of one owner.
const fn held(cell: u64) -> u16 {
    (cell >> HELD_SHIFT) as u16
}

impl<const OWNERS: usize> Places<OWNERS> {
    const SHAPE: () = assert!(OWNERS >= 1 && OWNERS <= OWNER_MASK as usize + 1);

    pub(crate) fn new() -> Self {
        let () = Self::SHAPE;
        Self {
            total: AtomicU64::new(1 << LIMIT_SHIFT),
            cells: zeroed_words!(),
        }
    }

    /// Takes a place for `owner`, who gives it back with [`release`](Self::release).
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full), and for an owner that the board has not.
    pub fn acquire(&self, owner: Owner) -> Result<(), Rejected> {
        admitted(self.change(|total| {
            let cell = self.cell(owner)?;
            (total.in_flight() < total.limit())
                .then(|| total.after(Deed::Take, owner, cell, total.in_flight() + 1))
        }))
    }

    /// Gives a place of `owner` back; `false` when it has none, and nothing is changed.
    pub fn release(&self, owner: Owner) -> bool {
        self.change(|total| {
            // It does not change while the total does not.
            let cell = self.cell(owner)?;
            let rest = total.in_flight().saturating_sub(1);
            (held(cell) > 0).then(|| total.after(Deed::Give, owner, cell, rest))
        })
    }

    /// Gives back all that `owner` holds, who is dead; what its death or a foreign hand has spoilt is counted anew.
    pub fn reclaim(&self, owner: Owner) {
        self.change(|total| {
            let rest = (0..)
                .zip(&self.cells)
                .filter(|(index, _)| *index != owner.index())
                // Acquire: as in `cell`.
                .map(|(_, cell)| held(cell.load(Ordering::Acquire)))
                .fold(0, u16::saturating_add);
            let cell = self.cell(owner)?;
            let unchanged = rest == total.in_flight() && held(cell) == 0;
            let is_kept = unchanged || fault!("board_keeps_places_of_the_dead");
            (!is_kept).then(|| total.after(Deed::Reclaim, owner, cell, rest))
        });
    }

    /// Calls in flight, of all owners.
    pub fn in_flight(&self) -> u16 {
        self.load().in_flight()
    }

    /// Calls in flight of one owner; 0 for one that the board has not.
    pub fn in_flight_of(&self, owner: Owner) -> u16 {
        self.carry_over(self.load());
        self.cell(owner).map_or(0, held)
    }

    /// The limit.
    pub fn limit(&self) -> u16 {
        self.load().limit()
    }

    /// Changes the limit. Lowered below the calls in flight, nothing is admitted until enough of them have ended.
    ///
    /// # Errors
    /// `limit`: zero.
    pub fn set_limit(&self, limit: u16) -> Result<(), ConfigError> {
        let limit = checked(limit)?;
        self.change(|total| Some(total.limited_to(limit)));
        Ok(())
    }

    /// Makes it new while nobody else reads it. The stamps go on, so that who is still stopped in its old life changes nothing.
    pub(crate) fn renew(&self, limit: u16) -> Result<(), ConfigError> {
        let limit = checked(limit)?;
        for cell in &self.cells {
            // Relaxed: the slot is published later.
            let next = cell.load(Ordering::Relaxed).wrapping_add(VERSION_ONE);
            cell.store(next & !HELD_MASK, Ordering::Relaxed);
        }
        let next =
            Total(self.load().limited_to(limit).0 & !(u64::from(u16::MAX) << IN_FLIGHT_SHIFT));
        // Relaxed: as above.
        self.total.store(next.0, Ordering::Relaxed);
        Ok(())
    }

    fn load(&self) -> Total {
        // Acquire: see the head of the file.
        Total(self.total.load(Ordering::Acquire))
    }

    /// An owner's cell, where there is one.
    fn cell(&self, owner: Owner) -> Option<u64> {
        // Acquire: see the head of the file.
        Some(
            self.cells
                .get(usize::from(owner.index()))?
                .load(Ordering::Acquire),
        )
    }

    /// Swaps the total for what `decide` makes of it; `false`: it makes nothing of it.
    fn change(&self, decide: impl Fn(Total) -> Option<Total>) -> bool {
        loop {
            let total = self.load();
            if !fault!("board_carries_only_its_own") {
                self.carry_over(total);
            }
            let Some(next) = decide(total) else {
                // What was decided on may be of different moments.
                if self.load() == total {
                    return false;
                }
                continue;
            };
            // AcqRel: see the head of the file; failure Relaxed: the next round loads it again.
            if self
                .total
                .compare_exchange(total.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                self.carry_over(next);
                return true;
            }
        }
    }

    /// Does in the owner's cell what `total` says was done, unless it has been.
    fn carry_over(&self, total: Total) {
        let Some(cell) = self.cells.get(total.owner()) else {
            return;
        };
        if total.deed() == Deed::None {
            return;
        }
        // Acquire: see the head of the file.
        let before = cell.load(Ordering::Acquire);
        // A cell read after the total had moved on may have later deeds in it already.
        let is_done = before & STAMP_MASK == total.stamp();
        if is_done && !fault!("board_deed_done_twice") || self.load() != total {
            return;
        }
        let now_held = match total.deed() {
            Deed::Take => held(before).saturating_add(1),
            Deed::Give => held(before).saturating_sub(1),
            Deed::Reclaim | Deed::None => 0,
        };
        let version = before.wrapping_add(VERSION_ONE) & !HELD_MASK & !STAMP_MASK;
        let after = u64::from(now_held) << HELD_SHIFT | version | total.stamp();
        // AcqRel: see the head of the file. It fails only because another did the same; Relaxed: nothing is read then.
        let _ = cell.compare_exchange(before, after, Ordering::AcqRel, Ordering::Relaxed);
    }
}

fn checked(limit: u16) -> Result<u16, ConfigError> {
    if limit == 0 {
        Err(ConfigError::integer(
            "limit",
            0,
            "1 to 65535 calls in flight",
        ))
    } else {
        Ok(limit)
    }
}
