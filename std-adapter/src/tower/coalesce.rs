//! Equal requests to a service, made once.

mod layer;
mod service;
mod shared;

pub use layer::CoalesceLayer;
pub use service::Coalesced;
pub use shared::SharedError;
