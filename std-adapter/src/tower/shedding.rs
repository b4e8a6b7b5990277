//! Load shedding around a service.

mod layer;
mod service;

pub use layer::SheddingLayer;
pub use service::Shed;
