//! [`KeyedEntry`]: one place of a keyed table, two words; the only file that swaps them.
//!
//! ```text
//!           63 62                 40 39                     0
//!          +--+---------------------+------------------------+
//! owner    | 0|       version       |          tag           |
//!          |  |          23         |           40           |
//!          +--+---------------------+------------------------+
//!           63 62                                      2 1  0
//!          +--+---------------------------------------+------+
//! tat      | 0|      theoretical arrival time, ns     |version: low bits
//!          |  |                  61                   |  2   |
//!          +--+-----------------------+---------------+------+
//! or       | 1|           tag         |       version        |
//!  claimed |  |           40          |          23          |
//!          +--+-----------------------+----------------------+
//! ```
//! The tat word decides. A place changes hands by a swap of the tat word to "claimed by this tag, next version"; the
//! owner word follows, then the claim is swapped for the new owner's first tat. So nobody can take from a tat that
//! was read for another owner: the claim in between made the swap fail. Therefore a request that only admits reads the tat, then the owner, then
//! swaps; one that says no, where no swap shows that both were of one moment, reads the owner before the tat too. A place claimed by tag 0 is free.
//! Any two words are legal.
//!
//! **Wrap-around.** A thread that is stopped between a load and its swap while the same place changes hands exactly
//! 2^23 times could mistake the owner: with one unit in 1 ms that takes two hours and twenty minutes. One that is stopped
//! while it changes hands 4 times, with a refund in the old owner's time and the same nanosecond in the new
//! one's, could charge one request to the wrong key.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | load either word | Acquire | swap of either word |
//! | swap either word | `AcqRel` | load of either word: what made a key leave is seen by those who miss it |

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::policy;

const VERSION_BITS: u32 = 23;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;
const TAG_BITS: u32 = 40;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const OWNER_VERSION_SHIFT: u32 = TAG_BITS;
const CLAIMED: u64 = 1 << 63;
const TIME_SHIFT: u32 = 2;
const VERSION_IN_TAT: u64 = (1 << TIME_SHIFT) - 1;
const _: () = assert!(VERSION_BITS + TAG_BITS == 63);

/// The last time that a tat word holds: 73 years after the clock's zero.
pub(crate) const TIME_MAX: u64 = (1 << 61) - 1;

/// A key as the table keeps it: 1 to 2^40 - 1. 0: nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    pub(crate) const NOBODY: Self = Self(0);

    /// The upper 40 bits.
    pub(crate) const fn new(hash: u64) -> Self {
        let tag = Self::glance(hash);
        Self(if tag.0 == 0 { 1 } else { tag.0 })
    }

    /// The same without a look whether it is 0: that one key is never seen at a glance.
    pub(crate) const fn glance(hash: u64) -> Self {
        Self(hash >> (64 - TAG_BITS))
    }
}

/// Who holds a place, and how often it has changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    tag: Tag,
    version: u64,
}

impl Owner {
    pub(crate) const fn is(self, tag: Tag) -> bool {
        self.tag.0 == tag.0
    }

    /// The one after this.
    pub(crate) fn next(self, tag: Tag) -> Self {
        Self {
            tag,
            version: if fault!("keyed_no_version") {
                self.version
            } else {
                self.version.wrapping_add(1) & VERSION_MASK
            },
        }
    }

    const fn from_owner_word(word: u64) -> Self {
        Self {
            tag: Tag(word & TAG_MASK),
            version: word >> OWNER_VERSION_SHIFT & VERSION_MASK,
        }
    }

    const fn owner_word(self) -> u64 {
        self.version << OWNER_VERSION_SHIFT | self.tag.0
    }

    const fn from_claim(word: u64) -> Self {
        Self {
            tag: Tag(word >> VERSION_BITS & TAG_MASK),
            version: word & VERSION_MASK,
        }
    }

    const fn claim(self) -> u64 {
        CLAIMED | self.tag.0 << VERSION_BITS | self.version
    }
}

/// What a place held at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) owner: Owner,
    tat: u64,
}

impl Held {
    /// The tat, in nanoseconds; `None`: the place is claimed, nothing is taken of its bucket yet.
    pub(crate) const fn time(self) -> Option<u64> {
        if self.tat & CLAIMED == 0 {
            Some(self.tat >> TIME_SHIFT)
        } else {
            None
        }
    }

    /// The tat word of the same owner at `time`. A claim too has the version's low bits lowest.
    const fn tat_at(self, time: u64) -> u64 {
        (time & TIME_MAX) << TIME_SHIFT | self.tat & VERSION_IN_TAT
    }

    /// Whether it is nobody's.
    pub(crate) const fn is_empty(self) -> bool {
        self.owner.is(Tag::NOBODY)
    }
}

/// One place of a [`KeyedTable`](crate::KeyedTable): 16 bytes. All zero: free.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct KeyedEntry {
    owner: AtomicU64,
    tat: AtomicU64,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<KeyedEntry>() == 16);

impl KeyedEntry {
    const_unless_loom! {
        /// A free place.
        pub const fn new() -> Self {
            Self {
                owner: AtomicU64::new(0),
                tat: AtomicU64::new(0),
            }
        }
    }

    /// A glance: whether the place may be this key's.
    #[inline]
    pub(crate) fn may_be(&self, tag: Tag) -> bool {
        // Relaxed: `load` looks again. The lower half of the word can be compared without a shift or a mask.
        self.owner.load(Ordering::Relaxed) as u32 == tag.0 as u32
    }

    /// Asks memory for the place, and does not wait for it.
    #[inline]
    pub(crate) fn ask_for(&self) {
        // Relaxed: nobody looks at what comes.
        self.owner.load(Ordering::Relaxed);
    }

    /// Moves the tat of `tag` on by `span` if that keeps it within `limit`. `false`: it does not, or the key is not here, or has none yet or one of
    /// 0, or somebody else was faster. All three times are at most [`TIME_MAX`].
    ///
    /// The owner is read once, after the tat: while the tat word stands it has one owner, and the swap shows that it stood. A large table waits for
    /// memory, and a processor has little room for what waits with it: so no instruction is left that can be spared.
    #[inline]
    pub(crate) fn advance(&self, tag: Tag, now: u64, span: u64, limit: u64) -> bool {
        // Acquire: a fault for the tests to catch.
        let early = fault!(
            "keyed_owner_first",
            Some(self.owner.load(Ordering::Acquire)),
            None
        );
        // Acquire: see the head of the file, and keeps the next load behind it.
        let tat = self.tat.load(Ordering::Acquire);
        // Acquire: see the head of the file.
        let owner = early.unwrap_or_else(|| self.owner.load(Ordering::Acquire));
        // A claim is negative. A place that was never anybody's has the tat 0.
        if tat.cast_signed() <= 0 || !Owner::from_owner_word(owner).is(tag) {
            return false;
        }
        // In quarters of a nanosecond: so the version stays what it is.
        let version = tat & VERSION_IN_TAT;
        let quarters = |time: u64| time << TIME_SHIFT;
        let (now, limit) = (quarters(now) | version, quarters(limit) | VERSION_IN_TAT);
        policy::admit_at_once(tat, now, quarters(span), limit)
            .is_some_and(|next| self.swap_word(tat, next))
    }

    /// Owner and tat of one moment.
    #[inline]
    pub(crate) fn load(&self) -> Held {
        // Acquire: see the head of the file.
        let mut owner = self.owner.load(Ordering::Acquire);
        loop {
            // Acquire: as above, and keeps the next load behind it.
            let tat = self.tat.load(Ordering::Acquire);
            if tat & CLAIMED != 0 {
                return Held {
                    owner: Owner::from_claim(tat),
                    tat,
                };
            }
            // Acquire: an owner word that stands before and after was the tat's, since it only changes under a claim.
            let again = self.owner.load(Ordering::Acquire);
            if again == owner || fault!("keyed_torn_entry") {
                return Held {
                    owner: Owner::from_owner_word(owner),
                    tat,
                };
            }
            owner = again;
        }
    }

    /// Moves the tat of the owner that `held` shows.
    #[inline]
    pub(crate) fn move_tat(&self, held: Held, time: u64) -> bool {
        self.swap_tat(held, held.tat_at(time))
    }

    /// Claims the place for `tag`; `Some`: what it then holds.
    pub(crate) fn claim(&self, held: Held, tag: Tag) -> Option<Held> {
        let owner = fault!(
            "keyed_version_kept",
            Owner { tag, ..held.owner },
            held.owner.next(tag)
        );
        let tat = owner.claim();
        self.swap_tat(held, tat).then_some(Held { owner, tat })
    }

    /// Frees a place, or takes away a claim.
    pub(crate) fn release(&self, held: Held) -> bool {
        self.claim(held, Tag::NOBODY).is_some()
    }

    /// Brings the owner word up to a claim. `false`: the claim is over.
    pub(crate) fn publish(&self, claim: Held) -> bool {
        let word = claim.owner.owner_word();
        loop {
            // Acquire: see the head of the file.
            let owner = self.owner.load(Ordering::Acquire);
            // Acquire: while the claim stands, any other owner word is an older one.
            if self.tat.load(Ordering::Acquire) != claim.tat {
                return false;
            }
            // AcqRel: see the head of the file. A failed swap is looked at again.
            if owner == word
                || self
                    .owner
                    .compare_exchange(owner, word, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
            {
                return true;
            }
        }
    }

    fn swap_tat(&self, held: Held, tat: u64) -> bool {
        self.swap_word(held.tat, tat)
    }

    #[inline]
    fn swap_word(&self, before: u64, tat: u64) -> bool {
        if fault!("keyed_tat_store") {
            // Release: a fault for the tests to catch.
            self.tat.store(tat, Ordering::Release);
            return true;
        }
        // AcqRel: see the head of the file. Relaxed on failure: the caller loads again.
        self.tat
            .compare_exchange(before, tat, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

impl Default for KeyedEntry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an owner's place holds after its first admission.
    fn held(owner: Owner, time: u64) -> Held {
        let claimed = Held {
            owner,
            tat: owner.claim(),
        };
        Held {
            owner,
            tat: claimed.tat_at(time),
        }
    }

    /// R6: every field keeps its greatest value and leaves its neighbours alone.
    #[test]
    fn r6_fields_do_not_touch() {
        for tag in [1, TAG_MASK - 1, TAG_MASK] {
            for version in [0, 1, VERSION_MASK - 1, VERSION_MASK] {
                let owner = Owner {
                    tag: Tag(tag),
                    version,
                };
                assert_eq!(Owner::from_owner_word(owner.owner_word()), owner);
                assert_eq!(Owner::from_claim(owner.claim()), owner);
                for time in [0, 1, TIME_MAX - 1, TIME_MAX] {
                    let held = held(owner, time);
                    assert_eq!((held.time(), held.tat_at(time)), (Some(time), held.tat));
                }
            }
        }
        assert_eq!(Tag::new(0), Tag(1));
        assert_eq!(Tag::new(u64::MAX), Tag(TAG_MASK));
    }

    /// L1: a place that has changed hands 2^23 times starts again and keeps its owner.
    #[test]
    fn l1_version_wraps_from_next_to_the_limit() {
        let entry = KeyedEntry::new();
        let last = Owner {
            tag: Tag(7),
            version: VERSION_MASK,
        };
        // Relaxed: nobody else.
        entry.owner.store(last.owner_word(), Ordering::Relaxed);
        entry.tat.store(held(last, 5).tat, Ordering::Relaxed);
        let held = entry.load();
        let claim = entry.claim(held, Tag(8)).expect("nobody else is here");
        assert!(entry.publish(claim) && entry.move_tat(claim, 9));
        let held = entry.load();
        assert_eq!((held.owner.version, held.time()), (0, Some(9)));
        assert!(held.owner.is(Tag(8)));
    }
}
