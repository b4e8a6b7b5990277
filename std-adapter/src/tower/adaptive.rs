//! An adaptive limit around a service.

mod layer;
mod service;

pub use layer::AdaptiveLayer;
pub use service::Adaptive;
