//! [`ProjectionError`].

use super::{ROW_SCHEMA, ReadModelError};
use crate::bus::BusError;
use crate::store::StoreError;

/// Why it could not go on; it tries again.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The bus's reason.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The store's reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The read model's reason.
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
    /// The bus hands out what the store does not have.
    #[error(
        "the bus hands out position {delivered}, and the store has nothing after {position}: is it an older copy?"
    )]
    Unknown {
        /// The position handed out.
        delivered: u64,
        /// The checkpoint.
        position: u64,
    },
    /// The rows that serve have another shape: this program makes them anew if they are older, and leaves them alone if they are newer.
    #[error(
        "the read model has schema {found}, and this program writes {ROW_SCHEMA}: a newer program has taken over"
    )]
    Schema {
        /// The shape of the rows.
        found: u32,
    },
    /// An event that is still not readable.
    #[error("position {position} cannot be applied: {reason}")]
    Poison {
        /// Its position.
        position: u64,
        /// Why.
        reason: String,
    },
}
