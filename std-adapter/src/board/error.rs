//! [`BoardError`]: why a board cannot be used.

use fuseboard_core::{ClaimError, LayoutError};
use std::io;
use std::path::PathBuf;

/// Why a board, or a name on it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The operating system refused something.
    #[error("board: cannot {action}: {source}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// Why it was not.
        source: io::Error,
    },
    /// The file is not one that may be trusted.
    #[error("board {path:?}: {field} is {found}; allowed: {allowed}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What of it.
        field: &'static str,
        /// How it is.
        found: String,
        /// How it has to be, and what to do.
        allowed: &'static str,
    },
    /// It is no board of this version, size, boot or clock.
    #[error("board: {0}")]
    Layout(#[from] LayoutError),
    /// The name has no slot.
    #[error("board: {0}")]
    Claim(#[from] ClaimError),
    /// As many processes are attached as can be.
    #[error("board: all {owners} owners are attached processes; use another board for more")]
    NoOwner {
        /// How many there can be.
        owners: usize,
    },
}

impl BoardError {
    /// For `map_err`: what could not be done.
    pub(super) fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            action,
            source: source.into(),
        }
    }
}
