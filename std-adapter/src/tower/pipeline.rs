//! A pipeline around a service.

mod layer;
mod service;

pub use layer::PipelineLayer;
pub use service::Piped;
