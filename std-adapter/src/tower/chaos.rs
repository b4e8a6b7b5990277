//! Faults made on purpose, around a service.

mod layer;
mod service;

pub use layer::ChaosLayer;
pub use service::Chaotic;
