//! Which places of a table a key can have.

use crate::keyed::entry::{KeyedEntry, Tag};

/// Places side by side: two cache lines.
pub(crate) const GROUP: usize = 8;

/// A key, mixed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    hash: u64,
    pub(crate) tag: Tag,
}

impl Key {
    /// Mixes the bits, so that numbers in a row are as good as hashes: the finalizer of `SplitMix64` (G. Steele, D. Lea, C. Flood,
    /// "Fast splittable pseudorandom number generators", 2014). One to one: no two keys get the same hash.
    #[inline]
    pub(crate) const fn new(key: u64) -> Self {
        let hash = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let hash = hash ^ (hash >> 31);
        // Multiplied once more: keys with one tag are in different groups all the same.
        let tag = Tag::new(hash.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { hash, tag }
    }

    /// The two groups of places that the key can have; the second is empty where there is only one.
    #[inline]
    pub(crate) fn groups(self, entries: &[KeyedEntry]) -> [Group<'_>; 2] {
        self.numbers(entries)
            .map(|number| self.group(entries, number))
    }

    /// The place in each of its groups at which the key begins.
    #[inline]
    pub(crate) fn homes(self, entries: &[KeyedEntry]) -> [usize; 2] {
        self.numbers(entries)
            .map(|number| number * GROUP + self.begin())
    }

    /// Where in a group the key begins: bits that chose neither group, unless there are millions.
    #[inline]
    const fn begin(self) -> usize {
        (self.hash >> 32) as usize % GROUP
    }

    #[inline]
    fn numbers(self, entries: &[KeyedEntry]) -> [usize; 2] {
        let count = entries.len().div_ceil(GROUP);
        let others = count.saturating_sub(1);
        let first = scaled(self.hash >> 32, count);
        let mut second = first + 1 + scaled(self.hash & u64::from(u32::MAX), others);
        if second >= count {
            second -= count;
        }
        [first, if others == 0 { count } else { second }]
    }

    #[inline]
    fn group(self, entries: &[KeyedEntry], number: usize) -> Group<'_> {
        let start = number * GROUP;
        let end = entries.len().min(start + GROUP);
        let places = entries.get(start..end).unwrap_or_default();
        let (lower, upper) = places
            .split_at_checked(self.begin())
            .unwrap_or((&[], places));
        Group {
            start,
            upper,
            lower,
        }
    }
}

/// Places that lie side by side, in the order in which a key tries them: each key begins at one of its own, where it
/// mostly is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    start: usize,
    upper: &'a [KeyedEntry],
    lower: &'a [KeyedEntry],
}

impl<'a> Group<'a> {
    /// The places with their index in the table.
    #[inline]
    pub(crate) fn places(self) -> impl Iterator<Item = (usize, &'a KeyedEntry)> {
        let upper = self.start + self.lower.len();
        (upper..)
            .zip(self.upper)
            .chain((self.start..).zip(self.lower))
    }
}

/// `hash` (32 bits) as a number below `count`; 0 where there is none.
#[inline]
const fn scaled(hash: u64, count: usize) -> usize {
    (hash.wrapping_mul(count as u64) >> 32) as usize
}
