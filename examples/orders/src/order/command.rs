//! What may be asked of an order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::OrderItem;

/// A new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateOrder {
    /// Chosen by the one who asks, so that asking twice makes one order.
    pub order_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// At least one, all in one currency.
    pub items: Vec<OrderItem>,
}

/// A wish. [`super::decide`] says what comes of it. Those that a client may utter are routes of the command service; the outcomes of
/// payments, shipments and refunds are uttered by the edges that asked for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    /// Make it.
    CreateOrder(CreateOrder),
    /// Ask for the money, under this id.
    PayOrder {
        /// A new one.
        payment_id: Uuid,
    },
    /// The money was taken.
    ConfirmPayment {
        /// The one asked for.
        payment_id: Uuid,
        /// Where.
        region: String,
    },
    /// The money was refused.
    FailPayment {
        /// The one asked for.
        payment_id: Uuid,
        /// The provider's word.
        reason: String,
    },
    /// Ask for a parcel, under this id.
    ShipOrder {
        /// A new one.
        shipment_id: Uuid,
    },
    /// The carrier took it.
    ConfirmShipment {
        /// The one asked for.
        shipment_id: Uuid,
        /// The carrier's number.
        tracking_number: String,
    },
    /// The carrier will not take it: what was paid is to be given back, under this id.
    FailShipment {
        /// The one asked for.
        shipment_id: Uuid,
        /// The carrier's word.
        reason: String,
        /// A new one.
        refund_id: Uuid,
    },
    /// It arrived.
    DeliverOrder,
    /// Give it up: without payment it ends, with one it is refunded, under this id.
    CancelOrder {
        /// Why.
        reason: String,
        /// A new one, used when there is something to give back.
        refund_id: Uuid,
    },
    /// Give the money back, under this id.
    RefundOrder {
        /// Why.
        reason: String,
        /// A new one.
        refund_id: Uuid,
    },
    /// The money was given back.
    ConfirmRefund {
        /// The one asked for.
        refund_id: Uuid,
    },
}

impl OrderCommand {
    /// The word for messages, logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateOrder(_) => "create",
            Self::PayOrder { .. } => "pay",
            Self::ConfirmPayment { .. } => "confirm payment",
            Self::FailPayment { .. } => "fail payment",
            Self::ShipOrder { .. } => "ship",
            Self::ConfirmShipment { .. } => "confirm shipment",
            Self::FailShipment { .. } => "fail shipment",
            Self::DeliverOrder => "deliver",
            Self::CancelOrder { .. } => "cancel",
            Self::RefundOrder { .. } => "refund",
            Self::ConfirmRefund { .. } => "confirm refund",
        }
    }
}
