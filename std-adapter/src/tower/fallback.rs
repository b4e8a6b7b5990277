//! What stands in for a service.

mod layer;
mod service;

pub use layer::FallbackLayer;
pub use service::FallingBack;
