//! [`CommandHandler`]: a command with all that it leads to while the client waits: what an order asks of a provider is asked for, and how that
//! ended becomes the next event. What is not known in time is taken up by the fulfilment, with the same id.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{CommandContext, CommandError, CommandKey, CommandService, Executed};
use crate::context::RequestContext;
use crate::order::{Order, OrderCommand, OrderEvent, OrderStatus, decode, evolve};
use crate::payment::{PaymentError, Payments};
use crate::problem::Problem;
use crate::shipping::{Shipping, ShippingError};
use crate::store::StoredEvent;

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 201 for a new order, 202 while a provider's answer is not known, else 200.
    pub status: StatusCode,
    /// The order as the command left it.
    pub order: Order,
    /// The position of its last event, to wait for on the read side.
    pub position: Option<u64>,
    /// When to look again, with 202.
    pub retry_after: Option<Duration>,
    /// The command was executed before, under the same key.
    pub is_replay: bool,
}

/// One who asks, and for what.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Only the orders of this user.
    pub owner: Option<Uuid>,
    /// Which.
    pub order_id: Uuid,
    /// What for.
    pub command: OrderCommand,
    /// Where it comes from.
    pub context: CommandContext,
    /// By which it is recognised when it comes again.
    pub key: Option<CommandKey>,
}

/// Commands with the providers behind them. A clone is another handle.
#[derive(Clone)]
pub struct CommandHandler {
    service: CommandService,
    payments: Arc<dyn Payments>,
    shipping: Arc<dyn Shipping>,
    patience: Duration,
}

/// When to look again at what a provider has not answered.
const LATER: Duration = Duration::from_secs(1);

impl CommandHandler {
    /// Commands are answered within `patience`, or within what is left of the request's own time when that is less; of it the
    /// providers have at most three quarters.
    pub fn new(
        service: CommandService,
        payments: Arc<dyn Payments>,
        shipping: Arc<dyn Shipping>,
        patience: Duration,
    ) -> Self {
        Self {
            service,
            payments,
            shipping,
            patience,
        }
    }

    /// The commands without the providers.
    pub fn service(&self) -> &CommandService {
        &self.service
    }

    pub(super) async fn handle(&self, wanted: Wanted) -> Result<Answer, Problem> {
        let patience = RequestContext::current().remaining(self.patience);
        if patience.is_zero() {
            return Err(too_late());
        }
        let deadline = Instant::now() + patience;
        let Wanted {
            owner,
            order_id,
            command,
            mut context,
            key,
        } = wanted;
        let executing = self
            .service
            .execute_for(owner, order_id, &command, &context, key.as_ref());
        let answer = match timeout_at(deadline, executing).await {
            Err(_) => return Err(too_late()),
            Ok(Ok(Executed {
                order,
                position,
                event_id,
            })) => {
                // What follows is caused by what was just recorded.
                context.causation_id = event_id.unwrap_or(context.causation_id);
                Answer {
                    status: status(super::status(&order)),
                    order,
                    position,
                    retry_after: None,
                    is_replay: false,
                }
            }
            Ok(Err(CommandError::Answered(result))) => Answer {
                status: status(result.status),
                position: Some(result.position),
                order: serde_json::from_value(result.body).map_err(|error| {
                    Problem::from(CommandError::Store(crate::store::StoreError::Corrupt(
                        error.to_string(),
                    )))
                })?,
                retry_after: None,
                is_replay: true,
            },
            Ok(Err(error)) => return Err(error.into()),
        };
        if answer.status == StatusCode::ACCEPTED {
            // The rest of the time is for the store.
            let until = deadline - patience / 4;
            self.follow(answer, &context, until, deadline).await
        } else {
            Ok(answer)
        }
    }

    /// Asks the provider for what the order asks for, records how it ended, and answers with that. Whoever records it, all who follow the
    /// same request give the same answer: the event after it.
    async fn follow(
        &self,
        asked: Answer,
        context: &CommandContext,
        until: Instant,
        deadline: Instant,
    ) -> Result<Answer, Problem> {
        if asked.is_replay
            && let Some(answer) = self.ended(&asked, deadline).await
        {
            return answer;
        }
        let order_id = asked.order.order_id;
        let outcome = match self.ask(&asked.order, until).await {
            Ok(outcome) => outcome,
            Err(retry_after) => {
                return Ok(Answer {
                    retry_after: Some(retry_after),
                    ..asked
                });
            }
        };
        let recording = self.service.execute(order_id, &outcome, context, None);
        match timeout_at(deadline, recording).await {
            Ok(Ok(_)) => {}
            // Somebody else has recorded it, or the fulfilment will.
            Ok(Err(error)) => tracing::info!(%order_id, %error, "an outcome was not recorded"),
            Err(_) => tracing::info!(%order_id, "an outcome was not recorded in time"),
        }
        match self.ended(&asked, deadline).await {
            Some(answer) => answer,
            None => Ok(Answer {
                retry_after: Some(LATER),
                ..asked
            }),
        }
    }

    /// What came of what the order asks for, or when to ask again.
    async fn ask(&self, order: &Order, until: Instant) -> Result<OrderCommand, Duration> {
        let payment = order.payment.as_ref();
        match (order.status, payment, order.shipment_id, order.refund_id) {
            (OrderStatus::PaymentRequested, Some(payment), _, _) => {
                let payment_id = payment.payment_id;
                let charging = self
                    .payments
                    .charge(payment_id, order.order_id, payment.amount);
                match timeout_at(until, charging).await {
                    Ok(Ok(charged)) => Ok(OrderCommand::ConfirmPayment {
                        payment_id,
                        region: charged.region,
                    }),
                    Ok(Err(PaymentError::Declined(reason))) => {
                        Ok(OrderCommand::FailPayment { payment_id, reason })
                    }
                    Ok(Err(PaymentError::Unavailable { retry_after })) => Err(retry_after),
                    Err(_) => Err(LATER),
                }
            }
            (OrderStatus::ShipmentRequested, _, Some(shipment_id), _) => {
                let shipping = self.shipping.ship(shipment_id, order.order_id);
                match timeout_at(until, shipping).await {
                    Ok(Ok(tracking_number)) => Ok(OrderCommand::ConfirmShipment {
                        shipment_id,
                        tracking_number,
                    }),
                    Ok(Err(ShippingError::Refused(reason))) => Ok(OrderCommand::FailShipment {
                        shipment_id,
                        reason,
                        refund_id: Uuid::now_v7(),
                    }),
                    Ok(Err(ShippingError::Unavailable { retry_after })) => Err(retry_after),
                    Err(_) => Err(LATER),
                }
            }
            (OrderStatus::RefundRequested, Some(payment), _, Some(refund_id)) => {
                let refunding = self
                    .payments
                    .refund(refund_id, payment.payment_id, payment.amount);
                match timeout_at(until, refunding).await {
                    Ok(Ok(())) => Ok(OrderCommand::ConfirmRefund { refund_id }),
                    Ok(Err(PaymentError::Declined(reason))) => {
                        tracing::error!(order_id = %order.order_id, reason, "a refund was declined");
                        Err(LATER)
                    }
                    Ok(Err(PaymentError::Unavailable { retry_after })) => Err(retry_after),
                    Err(_) => Err(LATER),
                }
            }
            _ => Err(LATER),
        }
    }

    /// How that ended which the order asked for; none while it is not recorded, or cannot be seen.
    async fn ended(&self, asked: &Answer, deadline: Instant) -> Option<Result<Answer, Problem>> {
        let Order {
            order_id, version, ..
        } = asked.order;
        let store = &self.service.shared.store;
        let next = timeout_at(deadline, store.load(order_id, version, 1)).await;
        let stored = next.ok()?.ok()?.pop()?;
        Some(answer_after(asked, &stored))
    }
}

fn answer_after(asked: &Answer, stored: &StoredEvent) -> Result<Answer, Problem> {
    let event =
        decode(&stored.kind, stored.schema_version, &stored.payload).map_err(CommandError::from)?;
    let order = evolve(Some(asked.order.clone()), &event).map_err(CommandError::from)?;
    match event {
        OrderEvent::PaymentFailed { reason, .. } => Err(Problem::new(
            StatusCode::PAYMENT_REQUIRED,
            "payment-declined",
            format!("the payment was declined: {reason}"),
        )),
        OrderEvent::ShipmentFailed { reason, .. } => Err(Problem::new(
            StatusCode::CONFLICT,
            "shipment-refused",
            format!("the carrier refused: {reason}; the money is given back"),
        )),
        _ => Ok(Answer {
            status: StatusCode::OK,
            order,
            position: Some(stored.position),
            retry_after: None,
            is_replay: asked.is_replay,
        }),
    }
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::OK)
}

fn too_late() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "too-late",
        "it is not known whether this was done: send it again, with the same Idempotency-Key",
    )
}
