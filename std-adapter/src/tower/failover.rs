//! Endpoints that stand in for each other, behind one service.

mod layer;
mod service;

pub use layer::FailoverLayer;
pub use service::FailedOver;
