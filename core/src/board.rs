//! [`Board`]: the public face; many named policies in one block of memory.

pub(crate) mod breaker;
mod control;
pub(crate) mod error;
mod header;
pub(crate) mod log;
pub(crate) mod name;
pub(crate) mod places;
pub(crate) mod policy;
pub(crate) mod section;

use crate::board::breaker::BoardBreaker;
use crate::board::error::LayoutError;
pub use crate::board::header::ClockOrigin;
use crate::board::header::Header;
use crate::board::log::{BoardLog, BoardTransition, TransitionCursor};
use crate::board::places::Places;
use crate::board::section::{Owner, Section, SlotId};
use crate::event::Transition;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, zeroed_words};
use crate::token_bucket::TokenBucketRateLimiter;

/// Changes that the log keeps. One for a model checker: there a word is a state.
const LOG: usize = if cfg!(any(fuseboard_loom, fuseboard_shuttle)) {
    1
} else {
    128
};

/// Many named breakers and limiters in one block of memory: up to `SLOTS` of each kind, used by up to `OWNERS` processes at once.
///
/// It is nothing but atomic words, at places that do not change within a layout version, and no bit pattern of them is illegal. So it may lie
/// in memory that processes share: a host maps bytes, checks their size and alignment, takes them for a board and asks
/// [`check`](Self::check). Zeroed memory is a board that nobody has [`format`](Self::format)ted yet.
///
/// An owner is an attached process. The host makes sure that no two which live use the same one, and says with
/// [`reclaim`](Self::reclaim) that one is dead. Nobody waits for anybody: whoever is stopped or killed, at whichever instruction, leaves
/// words that the others can work with.
///
/// ```
/// use fuseboard_core::{Board, CircuitBreakerConfig, Nanos, Owner, SlotName, WhenDifferent};
///
/// let board = Board::<4, 2>::new();
/// let name = SlotName::new("payments")?;
/// let config = CircuitBreakerConfig::new();
/// let id = board.breakers().claim(Owner::new(0), &name, &config, WhenDifferent::Refuse)?;
/// let again = board.breakers().claim(Owner::new(1), &name, &config, WhenDifferent::Refuse)?;
/// assert_eq!(id, again);
///
/// let breaker = board.breakers().get(id).expect("nobody has removed it");
/// breaker.try_acquire(Nanos::ZERO).expect("closed").success(Nanos::ZERO);
/// # Ok::<(), fuseboard_core::ClaimError>(())
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Board<const SLOTS: usize = 64, const OWNERS: usize = 128> {
    header: Header,
    /// What each owner says of itself, zero when nobody is attached.
    owners: [AtomicU64; OWNERS],
    breakers: Section<BoardBreaker, SLOTS>,
    buckets: Section<TokenBucketRateLimiter, SLOTS>,
    limits: Section<Places<OWNERS>, SLOTS>,
    log: BoardLog<LOG>,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Board, header) == 0);
    assert!(offset_of!(Board, owners) == 64);
    assert!(offset_of!(Board, breakers) == 1_088);
    assert!(offset_of!(Board, buckets) == 169_088);
    assert!(offset_of!(Board, limits) == 177_344);
    assert!(offset_of!(Board, log) == 251_136);
    assert!(size_of::<Board>() == 267_584);
    assert!(align_of::<Board>() == 64);
};

impl<const SLOTS: usize, const OWNERS: usize> Board<SLOTS, OWNERS> {
    /// Raised with every change of a word's place or meaning: boards of two versions are never mixed.
    pub const LAYOUT_VERSION: u64 = header::LAYOUT_VERSION;

    const SHAPE: () = assert!(
        SLOTS >= 1 && SLOTS <= 65_535 && OWNERS >= 1 && OWNERS <= 1_024,
        "a board has 1 to 65,535 slots of each kind and 1 to 1,024 owners"
    );

    /// An empty board in memory of its own.
    pub fn new() -> Self {
        let () = Self::SHAPE;
        Self {
            header: Header::new(),
            owners: zeroed_words!(),
            breakers: Section::new(),
            buckets: Section::new(),
            limits: Section::new(),
            log: BoardLog::new(),
        }
    }

    /// Makes zeroed memory a board whose times are of `origin`. Once, before anybody else can find it.
    pub fn format(&self, origin: ClockOrigin) {
        self.header
            .write(size_of::<Self>() as u64, Self::shape(), origin);
    }

    /// Whether this is a board of this layout and shape, whose times are of `origin`.
    ///
    /// # Errors
    /// The first thing that is another.
    pub fn check(&self, origin: ClockOrigin) -> Result<(), LayoutError> {
        self.header
            .check(size_of::<Self>() as u64, Self::shape(), origin)
    }

    /// The circuit breakers.
    pub fn breakers(&self) -> &Section<BoardBreaker, SLOTS> {
        &self.breakers
    }

    /// The token buckets.
    pub fn token_buckets(&self) -> &Section<TokenBucketRateLimiter, SLOTS> {
        &self.buckets
    }

    /// The concurrency limits.
    pub fn concurrency_limits(&self) -> &Section<Places<OWNERS>, SLOTS> {
        &self.limits
    }

    /// What an owner says of itself, such as a process id; zero: nobody is attached. `None`: the board has no such owner.
    pub fn owner_word(&self, owner: Owner) -> Option<u64> {
        // Acquire: pairs with `set_owner_word`.
        Some(
            self.owners
                .get(usize::from(owner.index()))?
                .load(Ordering::Acquire),
        )
    }

    /// Says something of an owner; zero when it leaves. `false`: the board has no such owner.
    pub fn set_owner_word(&self, owner: Owner, word: u64) -> bool {
        let place = self.owners.get(usize::from(owner.index()));
        if let Some(place) = place {
            // Release: pairs with `owner_word`: what was reclaimed before is seen.
            place.store(word, Ordering::Release);
        }
        place.is_some()
    }

    /// Gives back what an owner held: its places, and slots that it had begun to fill. Only of one that is dead, and by one
    /// caller at a time; one that dies here is followed by another, who does the rest.
    pub fn reclaim(&self, owner: Owner) {
        self.breakers.reclaim(owner);
        self.buckets.reclaim(owner);
        self.limits.reclaim(owner);
        self.log.reclaim(owner);
    }

    /// Keeps a change of a breaker's state for all who ask: for a host's [`Observer`](crate::Observer). `owner` caused it; one that the
    /// board has not stands for a process that is not attached.
    ///
    /// A process that dies between the change and this call leaves nothing of it; the next change of the slot then has a generation too
    /// many.
    pub fn tell(&self, slot: SlotId, owner: Owner, transition: &Transition) {
        // Who has removed the name wants to know nothing of it.
        if let Some(name) = self.breakers.name_of(slot) {
            self.log.tell(&BoardTransition {
                name,
                slot,
                owner,
                process: fault!(
                    "board_log_nobody",
                    0,
                    self.owner_word(owner).unwrap_or_default()
                ),
                transition: *transition,
            });
        }
    }

    /// Gives `each` the changes of all breakers that were told since `cursor`, whoever caused them, oldest first, and moves it on. The log
    /// keeps the last 128. A change that is being told at this moment may come with the next call, after newer ones.
    ///
    /// Returns how many changes are lost: overwritten before they were read, or never finished because their process was stopped or killed.
    pub fn transitions_since(
        &self,
        cursor: &mut TransitionCursor,
        each: impl FnMut(BoardTransition),
    ) -> u64 {
        self.log.since(cursor, each)
    }

    /// The cursor of somebody who wants to know only what changes from now on.
    pub fn transitions_end(&self) -> TransitionCursor {
        self.log.end()
    }

    const fn shape() -> u64 {
        (SLOTS as u64) << 32 | OWNERS as u64
    }
}

impl<const SLOTS: usize, const OWNERS: usize> Default for Board<SLOTS, OWNERS> {
    fn default() -> Self {
        Self::new()
    }
}
