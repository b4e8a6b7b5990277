//! [`Bytes`]: a fuzzer's bytes as numbers and choices; past their end everything is zero.

use arbitrary::{Arbitrary, Unstructured};
use fuseboard_core::Outcome;

/// One second, nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// The input that is left.
pub struct Bytes<'a>(Unstructured<'a>);

impl<'a> Bytes<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Any value of the type.
    pub fn any<T: Arbitrary<'a> + Default>(&mut self) -> T {
        self.0.arbitrary().unwrap_or_default()
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        self.0.int_in_range(least..=most).unwrap_or(least)
    }

    /// One of them.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0, choices.len() as u64 - 1) as usize]
    }

    /// A setting: mostly from `least` to `most`, sometimes beyond.
    pub fn setting(&mut self, least: u64, most: u64) -> u64 {
        match self.any::<u8>() {
            0..=3 => self.extreme(),
            _ => self.within(least, most),
        }
    }

    /// A number where arithmetic breaks.
    pub fn extreme(&mut self) -> u64 {
        match self.any::<u8>() % 4 {
            0 => self.any(),
            1 => u64::MAX - u64::from(self.any::<u8>()),
            2 => (1 << (self.any::<u8>() % 64)) - 1,
            _ => 1 << (self.any::<u8>() % 64),
        }
    }

    /// A time span around `scale`: parts and multiples of it, and their neighbours.
    pub fn span(&mut self, scale: u64) -> u64 {
        match self.any::<u8>() % 8 {
            0..=2 => self.within(0, scale.saturating_mul(2)),
            3 => scale.saturating_sub(1),
            4 => scale,
            5 => scale.saturating_add(1),
            6 => scale.saturating_mul(u64::from(self.any::<u8>())) / 4,
            _ => self.extreme(),
        }
    }

    pub fn outcome(&mut self) -> Outcome {
        self.one_of(&[
            Outcome::Failure,
            Outcome::Success,
            Outcome::Failure,
            Outcome::Success,
            Outcome::Ignored,
        ])
    }
}

/// The clock of a history: it jumps back and ahead.
#[derive(Clone, Copy, Default)]
pub struct Clock {
    pub now: u64,
}

impl Clock {
    pub fn ahead(&mut self, span: u64, end: u64) {
        self.now = self.now.saturating_add(span).min(end);
    }

    pub fn back(&mut self, span: u64) {
        self.now = self.now.saturating_sub(span);
    }
}
