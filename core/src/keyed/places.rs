//! Which places of a table a key can have.

use crate::fault::fault;
use crate::keyed::entry::{KeyedEntry, Tag};
use core::hint::select_unpredictable;

/// Places on one cache line.
const LINE: usize = 4;
/// Places side by side: two cache lines.
pub(crate) const GROUP: usize = 2 * LINE;

/// A key, mixed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    product: u64,
    hash: u64,
}

impl Key {
    /// Mixes the bits, so that numbers in a row are as good as hashes: multiply, fold, multiply, the rounds of `SplitMix64` (G. Steele, D. Lea,
    /// C. Flood, "Fast splittable pseudorandom number generators", 2014) without what only its last bits need. One to one: no two keys get the same hash.
    #[inline]
    pub(crate) const fn new(key: u64) -> Self {
        // Another key than 0 gets the product 0, whose tag is never seen at a glance.
        let product = (key ^ 0x1E37_79B9).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let hash = (product ^ (product >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self { product, hash }
    }

    /// Of the first product: keys with one tag differ below it, and so are in different groups all the same.
    #[inline]
    pub(crate) const fn tag(self) -> Tag {
        Tag::new(self.product)
    }

    /// Its own place, where it is in its own line, as most keys are; else any other one there. None where the table is shorter than a line.
    ///
    /// A large table waits for memory, and the processor works on the requests that follow as long as it has guessed right. So no
    /// branch depends on what the places hold; and the line where the key is if it is not here is asked for already.
    #[inline]
    pub(crate) fn at_home(self, entries: &[KeyedEntry]) -> Option<(Tag, &KeyedEntry)> {
        let (whole, _) = entries.as_chunks::<LINE>();
        let home = whole.get(scaled(self.hash >> 32, whole.len()))?;
        let [next, ..] = whole.get(scaled(self.hash & 0xFFFF_FFFF, whole.len()))?;
        next.ask_for();
        Some(self.shown(home))
    }

    /// The same of the line where it is if it is not in its own.
    #[inline]
    pub(crate) fn next_door(self, entries: &[KeyedEntry]) -> Option<(Tag, &KeyedEntry)> {
        let (whole, _) = entries.as_chunks::<LINE>();
        let [_, second] = self.lines(entries.len());
        Some(self.shown(whole.get(second)?))
    }

    /// The place of a line that shows the key's tag, or any other one.
    #[inline]
    fn shown(self, line: &[KeyedEntry; LINE]) -> (Tag, &KeyedEntry) {
        let tag = Tag::glance(self.product);
        let [zero, one, two, three] = line;
        let place = select_unpredictable(one.may_be(tag), one, zero);
        let place = select_unpredictable(two.may_be(tag), two, place);
        let place = select_unpredictable(three.may_be(tag), three, place);
        (tag, place)
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
        let count = lines(places);
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

/// How many lines so many places are: the last one has what is left over too.
#[inline]
const fn lines(places: usize) -> usize {
    if places < LINE { 1 } else { places / LINE }
}

/// Places that lie side by side, in the order in which a key tries them: the line that is its own, where it mostly is, and the
/// other one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group<'a> {
    own: Line<'a>,
    other: Line<'a>,
}

impl<'a> Group<'a> {
    /// Whether `index` is in the key's own line.
    #[inline]
    pub(crate) fn is_own(self, index: usize) -> bool {
        index.wrapping_sub(self.own.start) < self.own.places.len()
    }

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
        let (start, count) = (number * LINE, lines(entries.len()));
        let places = if number + 1 < count || number + 1 == count && fault!("keyed_last_line_cut") {
            entries.get(start..start + LINE)
        } else if number < count {
            entries.get(start..)
        } else {
            None
        };
        Self {
            start,
            places: places.unwrap_or_default(),
        }
    }
}

/// `hash` (32 bits) as a number below `count`; 0 where there is none.
#[inline]
const fn scaled(hash: u64, count: usize) -> usize {
    (hash.wrapping_mul(count as u64) >> 32) as usize
}
