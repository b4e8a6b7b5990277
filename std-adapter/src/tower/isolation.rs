//! Tasks of their own for a service.

mod layer;
mod service;

pub use layer::IsolationLayer;
pub use service::Isolated;
