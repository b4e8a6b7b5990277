//! What happened to an order. Facts: an event is never rejected once it is stored.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::Money;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderItem {
    /// What is bought.
    pub sku: String,
    /// How many; at least one.
    pub quantity: u32,
    /// What one of them costs.
    pub unit_price: Money,
}

/// A fact about one order. What calls another service stands as two: that it was asked for, then how it ended; so a crash in between
/// is seen, and what was asked for is taken up again with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum OrderEvent {
    /// The first event of each order.
    OrderCreated {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
        /// At least one, all in one currency.
        items: Vec<OrderItem>,
        /// Their sum.
        total: Money,
    },
    /// The money is being asked for, under this id, which the provider recognises when it is asked again.
    PaymentRequested {
        /// Names the payment for ever.
        payment_id: Uuid,
        /// The order's total.
        amount: Money,
    },
    /// The money was taken.
    OrderPaid {
        /// The payment asked for.
        payment_id: Uuid,
        /// What was taken.
        amount: Money,
        /// The region of the provider that took it.
        region: String,
    },
    /// The money was refused, and nothing was taken.
    PaymentFailed {
        /// The payment asked for.
        payment_id: Uuid,
        /// The provider's word.
        reason: String,
    },
    /// The parcel is being asked for.
    ShipmentRequested {
        /// Names the shipment for ever.
        shipment_id: Uuid,
    },
    /// The parcel is on its way.
    OrderShipped {
        /// The shipment asked for.
        shipment_id: Uuid,
        /// The carrier's number.
        tracking_number: String,
    },
    /// The carrier will not take it.
    ShipmentFailed {
        /// The shipment asked for.
        shipment_id: Uuid,
        /// The carrier's word.
        reason: String,
    },
    /// The parcel arrived. An end.
    OrderDelivered {},
    /// Given up before any money was taken. An end.
    OrderCancelled {
        /// Why.
        reason: String,
    },
    /// The money is being given back.
    RefundRequested {
        /// Names the refund for ever.
        refund_id: Uuid,
        /// All that was taken.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// The money was given back. An end.
    OrderRefunded {
        /// The refund asked for.
        refund_id: Uuid,
        /// All that was taken.
        amount: Money,
    },
}

impl OrderEvent {
    /// The word by which it is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OrderCreated { .. } => "OrderCreated",
            Self::PaymentRequested { .. } => "PaymentRequested",
            Self::OrderPaid { .. } => "OrderPaid",
            Self::PaymentFailed { .. } => "PaymentFailed",
            Self::ShipmentRequested { .. } => "ShipmentRequested",
            Self::OrderShipped { .. } => "OrderShipped",
            Self::ShipmentFailed { .. } => "ShipmentFailed",
            Self::OrderDelivered {} => "OrderDelivered",
            Self::OrderCancelled { .. } => "OrderCancelled",
            Self::RefundRequested { .. } => "RefundRequested",
            Self::OrderRefunded { .. } => "OrderRefunded",
        }
    }
}
