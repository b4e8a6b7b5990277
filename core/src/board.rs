//! [`Board`]: the public face; many named policies in one block of memory.

mod control;
pub(crate) mod error;
mod header;
pub(crate) mod name;
pub(crate) mod places;
pub(crate) mod policy;
pub(crate) mod section;

use crate::board::error::LayoutError;
pub use crate::board::header::ClockOrigin;
use crate::board::header::Header;
use crate::board::places::Places;
use crate::board::section::{Owner, Section};
use crate::breaker::CircuitBreaker;
use crate::sync::{AtomicU64, Ordering, zeroed_words};
use crate::token_bucket::TokenBucketRateLimiter;

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
    breakers: Section<CircuitBreaker<10, 1>, SLOTS>,
    buckets: Section<TokenBucketRateLimiter, SLOTS>,
    limits: Section<Places<OWNERS>, SLOTS>,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Board, header) == 0);
    assert!(offset_of!(Board, owners) == 64);
    assert!(offset_of!(Board, breakers) == 1_088);
    assert!(offset_of!(Board, buckets) == 33_920);
    assert!(offset_of!(Board, limits) == 42_176);
    assert!(size_of::<Board>() == 115_968);
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
    pub fn breakers(&self) -> &Section<CircuitBreaker<10, 1>, SLOTS> {
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
