//! [`SlotName`]: what a slot of a board is called.

use crate::board::error::ClaimError;
use crate::fault::fault;
use core::fmt;

/// Bytes of the longest name. A word for a model checker: there each is a state.
pub(crate) const NAME_MAX: usize = if cfg!(any(fuseboard_loom, fuseboard_shuttle)) {
    8
} else {
    64
};
/// The words that hold a name.
pub(crate) const NAME_WORDS: usize = NAME_MAX / size_of::<u64>();

/// The name of a slot: 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotName(heapless::String<NAME_MAX>);

impl SlotName {
    /// A checked name.
    ///
    /// # Errors
    /// [`ClaimError::Name`]: it is empty, too long, or has control characters.
    pub fn new(name: &str) -> Result<Self, ClaimError> {
        let is_bad = name.is_empty() || name.chars().any(char::is_control);
        if is_bad && !fault!("slot_name_unchecked") {
            return Err(ClaimError::Name { bytes: name.len() });
        }
        heapless::String::try_from(name)
            .map(Self)
            .map_err(|_| ClaimError::Name { bytes: name.len() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes in order, in words of this machine; what is left is zero.
    pub(crate) fn to_words(&self) -> [u64; NAME_WORDS] {
        let mut words = [0; NAME_WORDS];
        for (word, bytes) in words.iter_mut().zip(self.0.as_bytes().chunks(8)) {
            let mut filled = [0; 8];
            for (to, from) in filled.iter_mut().zip(bytes) {
                *to = *from;
            }
            *word = u64::from_ne_bytes(filled);
        }
        words
    }

    /// The name that `words` stand for; words that no name has give `None`.
    pub(crate) fn from_words(words: [u64; NAME_WORDS]) -> Option<Self> {
        let mut bytes = heapless::Vec::<u8, NAME_MAX>::new();
        for byte in words.into_iter().flat_map(u64::to_ne_bytes) {
            // 64 bytes at most: all of them fit.
            let _ = bytes.push(byte);
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        bytes.truncate(end.unwrap_or(NAME_MAX));
        let name = core::str::from_utf8(&bytes).ok()?;
        let name = Self::new(name).ok()?;
        // What follows the end is zero, so that one name is one row of words.
        (name.to_words() == words).then_some(name)
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_only_the_words_of_a_name_are_one() {
        for name in ["a", "payments", "Größe", &"x".repeat(64)] {
            let words = SlotName::new(name).unwrap().to_words();
            assert_eq!(SlotName::from_words(words).unwrap().as_str(), name);
        }
        let foreign = [
            0xFFFF_FFFF_FFFF_FFFF,
            u64::from_ne_bytes(*b"a\nb\0\0\0\0\0"),
            0,
        ];
        for word in foreign {
            let mut words = [0; NAME_WORDS];
            words[0] = word;
            assert_eq!(SlotName::from_words(words), None);
        }
        let mut behind_the_end = SlotName::new("a").unwrap().to_words();
        behind_the_end[3] = 7;
        assert_eq!(SlotName::from_words(behind_the_end), None);
    }

    #[test]
    fn r6_names_have_a_range() {
        for bad in ["", "a\0b", "line\n", &"x".repeat(65)] {
            assert!(SlotName::new(bad).is_err(), "{bad:?}");
        }
    }
}
