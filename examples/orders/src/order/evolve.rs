//! The state of an order: the fold of its events.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{OrderEvent, OrderItem};
use crate::money::Money;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Made, or refused by the payment provider: it can be paid, or cancelled.
    Pending,
    /// The provider was asked for the money.
    PaymentRequested,
    /// The money is here.
    Paid,
    /// The carrier was asked.
    ShipmentRequested,
    /// On its way.
    Shipped,
    /// Arrived. An end.
    Delivered,
    /// Given up before it was paid. An end.
    Cancelled,
    /// The provider was asked to give the money back.
    RefundRequested,
    /// The money was given back. An end.
    Refunded,
}

impl OrderStatus {
    /// Nothing can happen any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Delivered | Self::Cancelled | Self::Refunded)
    }

    /// The word as it is stored and sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::PaymentRequested => "payment_requested",
            Self::Paid => "paid",
            Self::ShipmentRequested => "shipment_requested",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::RefundRequested => "refund_requested",
            Self::Refunded => "refunded",
        }
    }
}

/// A payment that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its id.
    pub payment_id: Uuid,
    /// How much.
    pub amount: Money,
}

/// An order as its events left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What is bought.
    pub items: Vec<OrderItem>,
    /// What it costs.
    pub total: Money,
    /// Where it stands.
    pub status: OrderStatus,
    /// The last payment asked for.
    pub payment: Option<Payment>,
    /// The last shipment asked for.
    pub shipment_id: Option<Uuid>,
    /// The carrier's number.
    pub tracking_number: Option<String>,
    /// The refund asked for.
    pub refund_id: Option<Uuid>,
    /// How many events made it what it is.
    pub version: u64,
}

/// Events that no [`super::decide`] makes in this order: what is stored was damaged or is not an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} cannot follow at version {version}: the stored events of this order are damaged")]
pub struct Corrupt {
    /// The event that does not fit.
    pub kind: &'static str,
    /// How many events there were before it.
    pub version: u64,
}

/// The order after one more event.
pub fn evolve(order: Option<Order>, event: &OrderEvent) -> Result<Order, Corrupt> {
    let corrupt = |version| Corrupt {
        kind: event.kind(),
        version,
    };
    let mut order = match (order, event) {
        (
            None,
            OrderEvent::OrderCreated {
                order_id,
                user_id,
                items,
                total,
            },
        ) => {
            return Ok(Order {
                order_id: *order_id,
                user_id: *user_id,
                items: items.clone(),
                total: *total,
                status: OrderStatus::Pending,
                payment: None,
                shipment_id: None,
                tracking_number: None,
                refund_id: None,
                version: 1,
            });
        }
        (None, _) => return Err(corrupt(0)),
        (Some(order), _) => order,
    };
    order.status = match event {
        OrderEvent::OrderCreated { .. } => return Err(corrupt(order.version)),
        OrderEvent::PaymentRequested { payment_id, amount } => {
            order.payment = Some(Payment {
                payment_id: *payment_id,
                amount: *amount,
            });
            OrderStatus::PaymentRequested
        }
        OrderEvent::OrderPaid { .. } => OrderStatus::Paid,
        OrderEvent::PaymentFailed { .. } => {
            order.payment = None;
            OrderStatus::Pending
        }
        OrderEvent::ShipmentRequested { shipment_id } => {
            order.shipment_id = Some(*shipment_id);
            OrderStatus::ShipmentRequested
        }
        OrderEvent::OrderShipped {
            tracking_number, ..
        } => {
            order.tracking_number = Some(tracking_number.clone());
            OrderStatus::Shipped
        }
        OrderEvent::ShipmentFailed { .. } => {
            order.shipment_id = None;
            OrderStatus::Paid
        }
        OrderEvent::OrderDelivered {} => OrderStatus::Delivered,
        OrderEvent::OrderCancelled { .. } => OrderStatus::Cancelled,
        OrderEvent::RefundRequested { refund_id, .. } => {
            order.refund_id = Some(*refund_id);
            OrderStatus::RefundRequested
        }
        OrderEvent::OrderRefunded { .. } => OrderStatus::Refunded,
    };
    order.version += 1;
    Ok(order)
}

/// The order after all these events.
pub fn fold<'a>(
    order: Option<Order>,
    events: impl IntoIterator<Item = &'a OrderEvent>,
) -> Result<Option<Order>, Corrupt> {
    events
        .into_iter()
        .try_fold(order, |order, event| evolve(order, event).map(Some))
}
