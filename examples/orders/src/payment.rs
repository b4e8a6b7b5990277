//! The edge to the payment provider.

mod edge;

pub use edge::{PaymentEdge, PaymentSettings, PaymentSnapshot};

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::money::Money;

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// By which region.
    pub region: String,
}

/// Why a payment or refund is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The provider's final word: nothing was taken.
    #[error("the payment was declined: {0}")]
    Declined(String),
    /// Nobody knows whether it was done: ask again, with the same id.
    #[error("the payment provider does not answer")]
    Unavailable {
        /// Not before this.
        retry_after: Duration,
    },
}

/// Takes money and gives it back. Asking twice with one id takes it once.
#[async_trait]
pub trait Payments: Send + Sync + 'static {
    /// Takes the money for an order.
    async fn charge(
        &self,
        payment_id: Uuid,
        order_id: Uuid,
        amount: Money,
    ) -> Result<Charged, PaymentError>;

    /// Gives back what a payment took.
    async fn refund(
        &self,
        refund_id: Uuid,
        payment_id: Uuid,
        amount: Money,
    ) -> Result<(), PaymentError>;
}
