//! Puts a limit of places, and its line, around a service.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::ConcurrencyLayer;
pub use service::Concurrency;
