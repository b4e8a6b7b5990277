//! Which places of a table a key can have.

use crate::keyed::entry::{KeyedEntry, Tag};
use core::hint::select_unpredictable;

/// Places on one cache line.
const LINE: usize = 4;
/// Places side by side: two cache lines.
pub(crate) const GROUP: usize = 2 * LINE;

/// A key, mixed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    hash: u64,
    pub(crate) tag: Tag,
}

impl Key {
    /// Mixes the bits, so that numbers in a row are as good as hashes: multiply, fold, multiply, the rounds of `SplitMix64` (G. Steele, D. Lea,
    /// C. Flood, "Fast splittable pseudorandom number generators", 2014) without what only its last bits need. One to one: no two keys get the same hash.
    #[inline]
    pub(crate) const fn new(key: u64) -> Self {
        let product = key.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let hash = (product ^ (product >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // Of the first product: keys with one tag differ below it, and so are in different groups all the same.
        let tag = Tag::new(product);
        Self { hash, tag }
    }

    /// The place that shows the key's tag, of the two lines where the key begins: nearly all keys are there. Any other one of them
    /// where none does; none where the table ends within a line.
    ///
    /// A large table waits for memory, and the processor works on the requests that follow as long as it has guessed right. So no
    /// branch depends on what the places hold, and both lines are asked for at once.
    #[inline]
    pub(crate) fn likely(self, entries: &[KeyedEntry]) -> Option<&KeyedEntry> {
        let (whole, _) = entries.as_chunks::<LINE>();
        let [first, second] = self.lines(entries.len());
        let (first, second) = (whole.get(first)?, whole.get(second)?);
        let shown = |entry: &KeyedEntry| entry.may_be(self.tag);
        let [_, a1, a2, a3] = first;
        let [b0, b1, b2, b3] = second;
        let (a1, a2, a3) = (shown(a1), shown(a2), shown(a3));
        let (b0, b1, b2, b3) = (shown(b0), shown(b1), shown(b2), shown(b3));
        let odd = usize::from(a1 | a3 | b1 | b3);
        let upper = usize::from(a2 | a3 | b2 | b3);
        select_unpredictable(b0 | b1 | b2 | b3, second, first).get(odd | upper << 1)
    }

    /// The two groups of places that the key can have; the second is empty where there is only one.
    #[inline]
    pub(crate) fn groups(self, entries: &[KeyedEntry]) -> [Group<'_>; 2] {
        let [first, second] = self.lines(entries.len());
        let group = |line| Group {
            own: Line::new(line, entries),
            other: Line::new(line ^ 1, entries),
        };
        if first == second {
            return [group(first), Group::default()];
        }
        [group(first), group(second)]
    }

    /// The numbers of the lines in which the key begins: of two groups, or one line twice where there is one group.
    #[inline]
    const fn lines(self, places: usize) -> [usize; 2] {
        // The whole table is in memory: no overflow.
        let count = places.wrapping_add(LINE - 1) / LINE;
        let first = scaled(self.hash >> 32, count);
        let second = scaled(self.hash & 0xFFFF_FFFF, count);
        // Seldom, where there are many groups.
        if first ^ second < 2 {
            let next = (first | 1) + 1;
            let around = if first < 2 { first } else { 0 };
            return [first, if next < count { next } else { around }];
        }
        [first, second]
    }
}

/// Places that lie side by side, in the order in which a key tries them: the line that is its own, where it mostly is, and the
/// other one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group<'a> {
    own: Line<'a>,
    other: Line<'a>,
}

impl<'a> Group<'a> {
    /// The places with their index in the table.
    #[inline]
    pub(crate) fn places(self) -> impl Iterator<Item = (usize, &'a KeyedEntry)> {
        let Self { own, other } = self;
        (own.start..)
            .zip(own.places)
            .chain((other.start..).zip(other.places))
    }
}

/// A line, as far as the table has it.
#[derive(Clone, Copy, Debug, Default)]
struct Line<'a> {
    start: usize,
    places: &'a [KeyedEntry],
}

impl<'a> Line<'a> {
    #[inline]
    fn new(number: usize, entries: &'a [KeyedEntry]) -> Self {
        let start = number * LINE;
        let end = entries.len().min(start + LINE);
        let places = entries.get(start..end).unwrap_or_default();
        Self { start, places }
    }
}

/// `hash` (32 bits) as a number below `count`; 0 where there is none.
#[inline]
const fn scaled(hash: u64, count: usize) -> usize {
    (hash.wrapping_mul(count as u64) >> 32) as usize
}
