//! The edge to the shipping provider.

mod edge;

pub use edge::{ShippingEdge, ShippingSettings, ShippingSnapshot};

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

/// Why a parcel is not on its way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShippingError {
    /// The carrier's final word.
    #[error("the carrier refused: {0}")]
    Refused(String),
    /// Nobody knows whether it was taken: ask again, with the same id.
    #[error("the shipping provider does not answer")]
    Unavailable {
        /// Not before this.
        retry_after: Duration,
    },
}

/// Hands parcels to a carrier. Asking twice with one id makes one parcel.
#[async_trait]
pub trait Shipping: Send + Sync + 'static {
    /// The carrier's number for an order's parcel.
    async fn ship(&self, shipment_id: Uuid, order_id: Uuid) -> Result<String, ShippingError>;
}
