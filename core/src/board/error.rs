//! [`ClaimError`] and [`LayoutError`]: why a slot, or a whole board, cannot be used.

use crate::error::ConfigError;
use core::fmt;

/// Why no slot was given for a name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClaimError {
    /// The name has so many bytes; 1 to 64 are allowed, without control characters.
    Name {
        /// Its length.
        bytes: usize,
    },
    /// The configuration can never work, or cannot be taken over by a policy that runs.
    Config(ConfigError),
    /// The policy of this name runs with another configuration.
    Differs,
    /// No slot of this kind is free.
    Full {
        /// How many there are.
        slots: usize,
    },
}

impl From<ConfigError> for ClaimError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { bytes } => write!(
                f,
                "name has {bytes} bytes; allowed: 1 to 64 bytes of UTF-8 without control characters"
            ),
            Self::Config(error) => error.fmt(f),
            Self::Differs => f.write_str(
                "config differs from the one that this name runs with; allowed: the same, or ask to update it",
            ),
            Self::Full { slots } => write!(
                f,
                "all {slots} slots of this kind are taken; remove a name that nobody uses any more"
            ),
        }
    }
}

impl core::error::Error for ClaimError {}

/// Why memory is not a board that this program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// It does not begin as a board does, or was not finished.
    Magic {
        /// Its first word.
        found: u64,
    },
    /// It was laid out by another version.
    Version {
        /// Its layout version.
        found: u64,
        /// The version of this program.
        expected: u64,
    },
    /// Its size or its numbers of slots and owners are others.
    Shape {
        /// Size in bytes; slots above, owners below.
        found: [u64; 2],
        /// Those of this program.
        expected: [u64; 2],
    },
    /// It is of another boot of the machine: its times mean nothing now.
    Boot,
    /// It is of another time namespace: its clock is not ours.
    TimeNamespace {
        /// The namespace that it names.
        found: u64,
        /// Our own.
        expected: u64,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(
                f,
                "magic is {found:#x}; allowed: that of a board; choose another file"
            ),
            Self::Version { found, expected } => write!(
                f,
                "layout version is {found}; allowed: {expected}; run the same version everywhere, or choose another file"
            ),
            Self::Shape { found, expected } => write!(
                f,
                "size and shape are {found:x?}; allowed: {expected:x?}; run the same version everywhere, or choose another file"
            ),
            Self::Boot => {
                f.write_str("boot id is that of an earlier boot; remove the file and start again")
            }
            Self::TimeNamespace { found, expected } => write!(
                f,
                "time namespace is {found}; allowed: {expected}, that of this process; use one board for each"
            ),
        }
    }
}

impl core::error::Error for LayoutError {}
