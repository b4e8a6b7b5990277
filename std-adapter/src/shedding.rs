//! Giving some calls up so that the rest is done in time: by priority, and by how long a queue has been standing.

mod codel;
mod priority;

pub use codel::CoDel;
#[cfg(feature = "concurrency")]
pub(crate) use codel::SHED;
pub use priority::{LoadShedding, SheddingPermit};
