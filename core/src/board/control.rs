//! [`Control`] and [`Roll`]: one value of a slot's word, and of the word that publishes slots, as plain bits.
//!
//! ```text
//! control  63            32 31        16 15         2 1    0
//!         +----------------+------------+------------+------+
//!         |   generation   |   owner    |      0     | phase|
//!         +----------------+------------+------------+------+
//! roll     63            32 31        16 15             0
//!         +----------------+------------+----------------+
//!         |   generation   | index + 1  |        0       |
//!         +----------------+------------+----------------+
//! ```
//! A slot goes Free → Draft → Live → Free, and its generation rises whenever it becomes free. **Wrap-around.** A claim that is kept while its
//! slot is given to 2^32 other names would be taken for a current one.

/// What a slot is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody's.
    Free,
    /// Being filled by the owner; nobody else reads it.
    Draft,
    /// Its name is taken.
    Live,
}

/// One value of a slot's word. Every bit pattern is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control(u64);

impl Control {
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn phase(self) -> Phase {
        match self.0 & 3 {
            1 => Phase::Draft,
            2 => Phase::Live,
            // 3 is never written.
            _ => Phase::Free,
        }
    }

    pub(crate) const fn owner(self) -> u16 {
        (self.0 >> 16) as u16
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    const fn with(generation: u32, owner: u16, phase: u64) -> Self {
        Self((generation as u64) << 32 | (owner as u64) << 16 | phase)
    }

    /// The same generation, being filled by `owner`.
    pub(crate) const fn drafted(self, owner: u16) -> Self {
        Self::with(self.generation(), owner, 1)
    }

    /// The same generation, published.
    pub(crate) const fn live(self) -> Self {
        Self::with(self.generation(), self.owner(), 2)
    }

    /// The next generation, nobody's.
    pub(crate) const fn freed(self) -> Self {
        Self::with(self.generation().wrapping_add(1), 0, 0)
    }
}

/// Which slot was published last. Zero: none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roll(u64);

impl Roll {
    pub(crate) const fn new(index: u16, generation: u32) -> Self {
        Self((generation as u64) << 32 | (index as u64 + 1) << 16)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The slot, and the generation that was published.
    pub(crate) fn published(self) -> Option<(usize, u32)> {
        let index = usize::from((self.0 >> 16) as u16).checked_sub(1)?;
        Some((index, (self.0 >> 32) as u32))
    }
}
