//! [`CoDel`] and [`PriorityShedding`]: giving some work up so that the rest is done in time.

mod codel;
mod priority;

pub use crate::shedding::codel::CoDel;
pub use crate::shedding::priority::PriorityShedding;
