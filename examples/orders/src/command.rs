//! The write side: one command in, its events in the store, the order as it is then.

use std::sync::Arc;

use uuid::Uuid;

use crate::order::{Corrupt, Order, OrderCommand, Rejected, decide, encode, fold};
use crate::order::{SCHEMA_VERSION, UnknownEvent, decode};
use crate::store::{Appended, CommandResult, EventStore, Metadata, NewEvent, StoreError};

/// Where a command comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandContext {
    /// The same for all that one request leads to.
    pub correlation_id: Uuid,
    /// The request, or the event that led to the command.
    pub causation_id: Uuid,
    /// Who asks.
    pub actor: String,
    /// The W3C trace context.
    pub traceparent: Option<String>,
}

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The order now.
    pub order: Order,
    /// The position of its last event, to wait for on the read side; none when nothing new happened.
    pub position: Option<u64>,
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not possible.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The store's reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Unknown(#[from] UnknownEvent),
    /// The stored events make no order.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Executes commands.
#[derive(Clone)]
pub struct CommandService {
    store: Arc<dyn EventStore>,
}

impl CommandService {
    /// On a store.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store }
    }

    /// The order as it is stored.
    pub async fn load(&self, order_id: Uuid) -> Result<Option<Order>, CommandError> {
        let stored = self.store.load(order_id, 0, u32::MAX).await?;
        let events = stored
            .iter()
            .map(|event| decode(&event.kind, event.schema_version, &event.payload))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(fold(None, &events)?)
    }

    /// Decides and appends. `result` is kept with the events, for a repeated request.
    pub async fn execute(
        &self,
        order_id: Uuid,
        command: &OrderCommand,
        context: &CommandContext,
        result: Option<&CommandResult>,
    ) -> Result<Executed, CommandError> {
        let before = self.load(order_id).await?;
        let events = decide(before.as_ref(), command)?;
        let expected = before.as_ref().map_or(0, |order| order.version);
        let Some(order) = fold(before, &events)? else {
            return Err(Rejected::NotFound.into());
        };
        if events.is_empty() {
            return Ok(Executed {
                order,
                position: None,
            });
        }
        let new: Vec<NewEvent> = events
            .iter()
            .map(|event| NewEvent {
                event_id: Uuid::now_v7(),
                kind: event.kind(),
                schema_version: SCHEMA_VERSION,
                payload: encode(event),
                metadata: Metadata {
                    correlation_id: context.correlation_id,
                    causation_id: context.causation_id,
                    actor: context.actor.clone(),
                    traceparent: context.traceparent.clone(),
                },
            })
            .collect();
        let Appended { position, .. } = self.store.append(order_id, expected, &new, result).await?;
        Ok(Executed {
            order,
            position: Some(position),
        })
    }
}
