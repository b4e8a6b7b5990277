//! One order's saga: what is asked for, and what takes it back.
//!
//! | step | made by | undone by |
//! |---|---|---|
//! | payment | taking the money | giving it back |
//! | shipment | handing the parcel over | the carrier's own word that there is none |
//!
//! A provider that does not answer fails its step, and the undo of that step fails too, because nobody knows what there is to undo: so the
//! saga stops there, and is taken up again later at the same step. Only a final no goes back further, to the money.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use fuseboard::{Saga, SagaError};
use uuid::Uuid;

use super::Shared;
use crate::command::{CommandContext, CommandError, CommandService};
use crate::context::RequestContext;
use crate::order::{Order, OrderCommand, OrderStatus, Rejected};
use crate::payment::{PaymentError, Payments};
use crate::shipping::{Shipping, ShippingError};
use crate::store::{StoreError, StoredEvent};

/// The first step.
pub(super) const PAYMENT: usize = 0;
/// The second.
pub(super) const SHIPMENT: usize = 1;

/// When to come back where nobody said it.
const LATER: Duration = Duration::from_secs(1);

/// Why a step is not made, or not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// The provider's final word.
    Refused(String),
    /// Nobody knows: not before this.
    Later(Duration),
}

/// One order, and what is needed to work on it.
pub(super) struct Work {
    order_id: Uuid,
    service: CommandService,
    payments: Arc<dyn Payments>,
    shipping: Arc<dyn Shipping>,
    context: CommandContext,
    /// The longest time that anybody asked for.
    pause: Mutex<Duration>,
}

/// The steps.
pub(super) fn saga() -> Saga<Arc<Work>, Hindrance> {
    Saga::new()
        .step(
            "payment",
            async |work: Arc<Work>| work.charge().await,
            async |work: Arc<Work>| work.refund().await,
        )
        .step(
            "shipment",
            async |work: Arc<Work>| work.ship().await,
            async |work: Arc<Work>| work.unship().await,
        )
}

/// What keeps an order from its end; none when it is there, which being undone is too.
pub(super) fn hindrance(error: SagaError<Hindrance>) -> Option<Hindrance> {
    match error {
        SagaError::Undone { .. } | SagaError::UndoneLater => None,
        SagaError::UndoFailed { error, .. } => Some(error),
        SagaError::NoSuchStep { .. } => Some(Hindrance::Later(LATER)),
    }
}

impl Work {
    pub(super) fn new(shared: &Shared, event: &StoredEvent) -> Self {
        Self {
            order_id: event.stream,
            service: shared.service.clone(),
            payments: Arc::clone(&shared.payments),
            shipping: Arc::clone(&shared.shipping),
            context: CommandContext {
                correlation_id: event.metadata.correlation_id,
                causation_id: event.event_id,
                actor: shared.options.group.clone(),
                traceparent: event.metadata.traceparent.clone(),
            },
            pause: Mutex::default(),
        }
    }

    /// The order as it stands now.
    pub(super) async fn order(&self) -> Result<Order, Hindrance> {
        match self.service.load(self.order_id).await {
            Ok(Some(order)) => Ok(order),
            // Its event was seen, so it is there.
            Ok(None) => Err(self.later(LATER)),
            Err(error) => Err(self.not_stored(&error)),
        }
    }

    async fn charge(&self) -> Result<(), Hindrance> {
        let order = self.order().await?;
        let (OrderStatus::PaymentRequested, Some(payment)) = (order.status, order.payment) else {
            return Ok(());
        };
        let payment_id = payment.payment_id;
        let charging = self
            .payments
            .charge(payment_id, self.order_id, payment.amount);
        match self.traced(charging).await {
            Ok(charged) => {
                let region = charged.region;
                self.record(OrderCommand::ConfirmPayment { payment_id, region })
                    .await
            }
            Err(PaymentError::Declined(reason)) => {
                let refused = Hindrance::Refused(reason.clone());
                self.record(OrderCommand::FailPayment { payment_id, reason })
                    .await?;
                Err(refused)
            }
            Err(PaymentError::Unavailable { retry_after }) => Err(self.later(retry_after)),
        }
    }

    async fn refund(&self) -> Result<(), Hindrance> {
        let order = self.order().await?;
        match (order.status, order.payment, order.refund_id) {
            (OrderStatus::RefundRequested, Some(payment), Some(refund_id)) => {
                let refunding = self
                    .payments
                    .refund(refund_id, payment.payment_id, payment.amount);
                match self.traced(refunding).await {
                    Ok(()) => self.record(OrderCommand::ConfirmRefund { refund_id }).await,
                    Err(PaymentError::Declined(reason)) => Err(Hindrance::Refused(reason)),
                    Err(PaymentError::Unavailable { retry_after }) => Err(self.later(retry_after)),
                }
            }
            // Nobody knows whether it was taken.
            (OrderStatus::PaymentRequested, ..) => Err(self.later(LATER)),
            _ => Ok(()),
        }
    }

    async fn ship(&self) -> Result<(), Hindrance> {
        let order = self.order().await?;
        let (OrderStatus::ShipmentRequested, Some(shipment_id)) = (order.status, order.shipment_id)
        else {
            return Ok(());
        };
        match self
            .traced(self.shipping.ship(shipment_id, self.order_id))
            .await
        {
            Ok(tracking_number) => {
                self.record(OrderCommand::ConfirmShipment {
                    shipment_id,
                    tracking_number,
                })
                .await
            }
            Err(ShippingError::Refused(reason)) => {
                let refused = Hindrance::Refused(reason.clone());
                let refund_id = Uuid::now_v7();
                self.record(OrderCommand::FailShipment {
                    shipment_id,
                    reason,
                    refund_id,
                })
                .await?;
                Err(refused)
            }
            Err(ShippingError::Unavailable { retry_after }) => Err(self.later(retry_after)),
        }
    }

    /// There is nothing to take back once the carrier has said no; before that nobody knows.
    async fn unship(&self) -> Result<(), Hindrance> {
        match self.order().await?.status {
            OrderStatus::ShipmentRequested => Err(self.later(LATER)),
            _ => Ok(()),
        }
    }

    /// Whoever records it first has recorded it.
    async fn record(&self, command: OrderCommand) -> Result<(), Hindrance> {
        let executed = self
            .service
            .execute(self.order_id, &command, &self.context, None);
        match executed.await {
            Ok(_) | Err(CommandError::Rejected(Rejected::WrongStatus { .. })) => Ok(()),
            Err(error) => Err(self.not_stored(&error)),
        }
    }

    /// The request that it all began with goes along.
    async fn traced<F: Future>(&self, asking: F) -> F::Output {
        let context = RequestContext {
            traceparent: self.context.traceparent.clone(),
            request_id: Some(self.context.correlation_id.to_string()),
            deadline: None,
        };
        context.scope(asking).await
    }

    fn not_stored(&self, error: &CommandError) -> Hindrance {
        tracing::warn!(order_id = %self.order_id, %error, "the fulfilment cannot go on");
        self.later(match error {
            CommandError::Store(StoreError::Rejected { retry_after }) => *retry_after,
            _ => LATER,
        })
    }

    /// Not before the longest time that anybody asked for.
    fn later(&self, pause: Duration) -> Hindrance {
        let mut longest = self.pause();
        *longest = pause.max(*longest);
        Hindrance::Later(*longest)
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
