//! A circuit breaker around a service.

mod layer;
mod service;

pub use layer::BreakerLayer;
pub use service::Guarded;
