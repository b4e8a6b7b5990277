//! Hedging around a service.

mod layer;
mod service;

pub use layer::HedgeLayer;
pub use service::Hedged;
