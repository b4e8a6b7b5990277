//! What comes of a command: events, or a reason why not.

use uuid::Uuid;

use super::command::{CreateOrder, OrderCommand};
use super::event::OrderEvent;
use super::evolve::{Order, OrderStatus};
use crate::money::{Money, MoneyError};

/// The most lines an order may have.
pub const MAX_ITEMS: usize = 1_000;

/// Why nothing comes of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// There is one of that id.
    #[error("an order with this id exists")]
    Exists,
    /// What was sent makes no order.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what is allowed.
        problem: String,
    },
    /// It does not stand where that would be possible.
    #[error("cannot {command} an order that is {}", status.word())]
    WrongStatus {
        /// What was asked for.
        command: &'static str,
        /// Where it stands.
        status: OrderStatus,
    },
}

/// The events that a command leads to; none when what it says is known already.
#[expect(clippy::too_many_lines, reason = "one table: commands by status")]
pub fn decide(order: Option<&Order>, command: &OrderCommand) -> Result<Vec<OrderEvent>, Rejected> {
    let Some(order) = order else {
        return match command {
            OrderCommand::CreateOrder(create) => created(create),
            _ => Err(Rejected::NotFound),
        };
    };
    let wrong_status = || Rejected::WrongStatus {
        command: command.name(),
        status: order.status,
    };
    let payment = |payment_id: Uuid| {
        order
            .payment
            .as_ref()
            .filter(|known| known.payment_id == payment_id)
    };
    let event = match (command, order.status) {
        (OrderCommand::CreateOrder(_), _) => return Err(Rejected::Exists),
        (OrderCommand::PayOrder { payment_id }, OrderStatus::Pending) => {
            OrderEvent::PaymentRequested {
                payment_id: *payment_id,
                amount: order.total,
            }
        }
        (OrderCommand::ConfirmPayment { payment_id, region }, status) => {
            match (payment(*payment_id), status) {
                (Some(asked), OrderStatus::PaymentRequested) => OrderEvent::OrderPaid {
                    payment_id: *payment_id,
                    amount: asked.amount,
                    region: region.clone(),
                },
                (Some(_), _) => return Ok(Vec::new()),
                (None, _) => return Err(wrong_status()),
            }
        }
        (OrderCommand::FailPayment { payment_id, reason }, OrderStatus::PaymentRequested)
            if payment(*payment_id).is_some() =>
        {
            OrderEvent::PaymentFailed {
                payment_id: *payment_id,
                reason: reason.clone(),
            }
        }
        (OrderCommand::ShipOrder { shipment_id }, OrderStatus::Paid) => {
            OrderEvent::ShipmentRequested {
                shipment_id: *shipment_id,
            }
        }
        (
            OrderCommand::ConfirmShipment {
                shipment_id,
                tracking_number,
            },
            status,
        ) if order.shipment_id == Some(*shipment_id) => match status {
            OrderStatus::ShipmentRequested => OrderEvent::OrderShipped {
                shipment_id: *shipment_id,
                tracking_number: tracking_number.clone(),
            },
            _ => return Ok(Vec::new()),
        },
        (
            OrderCommand::FailShipment {
                shipment_id,
                reason,
                refund_id,
            },
            OrderStatus::ShipmentRequested,
        ) if order.shipment_id == Some(*shipment_id) => {
            return Ok(vec![
                OrderEvent::ShipmentFailed {
                    shipment_id: *shipment_id,
                    reason: reason.clone(),
                },
                OrderEvent::RefundRequested {
                    refund_id: *refund_id,
                    amount: taken(order),
                    reason: reason.clone(),
                },
            ]);
        }
        (OrderCommand::DeliverOrder, OrderStatus::Shipped) => OrderEvent::OrderDelivered {},
        (OrderCommand::CancelOrder { reason, .. }, OrderStatus::Pending) => {
            OrderEvent::OrderCancelled {
                reason: reason.clone(),
            }
        }
        (
            OrderCommand::CancelOrder { reason, refund_id }
            | OrderCommand::RefundOrder { reason, refund_id },
            OrderStatus::Paid,
        ) => OrderEvent::RefundRequested {
            refund_id: *refund_id,
            amount: taken(order),
            reason: reason.clone(),
        },
        (OrderCommand::ConfirmRefund { refund_id }, status)
            if order.refund_id == Some(*refund_id) =>
        {
            match status {
                OrderStatus::RefundRequested => OrderEvent::OrderRefunded {
                    refund_id: *refund_id,
                    amount: taken(order),
                },
                _ => return Ok(Vec::new()),
            }
        }
        _ => return Err(wrong_status()),
    };
    Ok(vec![event])
}

/// What the provider has of ours.
fn taken(order: &Order) -> Money {
    order
        .payment
        .as_ref()
        .map_or(Money::zero(order.total.currency), |payment| payment.amount)
}

fn created(create: &CreateOrder) -> Result<Vec<OrderEvent>, Rejected> {
    let invalid = |field, problem: String| Rejected::Invalid { field, problem };
    let Some(first) = create.items.first() else {
        return Err(invalid(
            "items",
            "an order needs at least one item".to_owned(),
        ));
    };
    if create.items.len() > MAX_ITEMS {
        let problem = format!(
            "{} items: at most {MAX_ITEMS} are allowed",
            create.items.len()
        );
        return Err(invalid("items", problem));
    }
    let mut total = Money::zero(first.unit_price.currency);
    for item in &create.items {
        if item.sku.is_empty() || item.sku.len() > 64 {
            let problem = format!("{} bytes: 1 to 64 are allowed", item.sku.len());
            return Err(invalid("items.sku", problem));
        }
        if item.sku.contains(char::is_control) {
            let problem = "control characters are not allowed".to_owned();
            return Err(invalid("items.sku", problem));
        }
        if item.quantity == 0 {
            return Err(invalid(
                "items.quantity",
                "0: at least 1 is allowed".to_owned(),
            ));
        }
        if item.unit_price.amount_minor < 0 {
            let problem = format!("{}: 0 or more is allowed", item.unit_price.amount_minor);
            return Err(invalid("items.unit_price.amount_minor", problem));
        }
        total = item
            .unit_price
            .checked_mul(item.quantity)
            .and_then(|line| total.checked_add(line))
            .map_err(|error: MoneyError| invalid("items.unit_price", error.to_string()))?;
    }
    Ok(vec![OrderEvent::OrderCreated {
        order_id: create.order_id,
        user_id: create.user_id,
        items: create.items.clone(),
        total,
    }])
}
