//! Retries around a service.

mod layer;
mod service;

pub use layer::RetryLayer;
pub use service::Retried;
