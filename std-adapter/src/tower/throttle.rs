//! A client throttle around a service.

mod layer;
mod service;

pub use layer::ThrottleLayer;
pub use service::Throttled;
