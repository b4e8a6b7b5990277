//! The read side as clients see it: orders out of the read model, and how old what they get is.

mod cursor;
mod guard;
mod routes;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fuseboard::{Coalesce, ConcurrencyLimit, LastGood, PipelineError, PolicyKind};
use uuid::Uuid;

use crate::projection::{Found, FoundOrder, LagMeter, OrderRow, ReadModel, ReadModelError};

pub use cursor::Cursor;
use guard::Guard;

/// The longest page of a list.
pub const MAX_PAGE: u32 = 100;

/// How the query service works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryOptions {
    /// How long one question to the read model may take. An answer takes at most twice that, with a second try.
    pub timeout: Duration,
    /// Questions at once; as many more wait in line.
    pub concurrency: u32,
    /// How long a read model that fails is left alone.
    pub open_timeout: Duration,
    /// How long a request waits for the position that it asks for.
    pub position_wait: Duration,
    /// So many requests wait for a position at once.
    pub max_waiting: u32,
    /// Answers that are kept for when there are no others.
    pub remembered: usize,
    /// How long they are kept.
    pub remembered_for: Duration,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            concurrency: 32,
            open_timeout: Duration::from_secs(1),
            position_wait: Duration::from_secs(2),
            max_waiting: 256,
            remembered: 10_000,
            remembered_for: Duration::from_secs(300),
        }
    }
}

/// What a query service has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuerySnapshot {
    /// Questions that the read model answered.
    pub answered: u64,
    /// Answers from memory, because there were no others.
    pub stale: u64,
    /// Requests that waited for a position.
    pub waited: u64,
    /// Requests for which it did not come in time, or that were one too many to wait.
    pub behind: u64,
    /// Questions without an answer.
    pub failed: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The read model has not come to the position that was asked for.
    #[error("the read side is at position {position}, not yet at {wanted}")]
    Behind {
        /// Where it is.
        position: u64,
        /// What was asked for.
        wanted: u64,
    },
    /// It does not answer, or is left alone because it did not.
    #[error("the read model does not answer")]
    Unavailable {
        /// Not before this.
        retry_after: Duration,
    },
    /// It took too long.
    #[error("the read model takes too long")]
    TimedOut,
    /// What it says makes no sense.
    #[error("the read model is damaged")]
    Damaged,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The position that it is true at.
    pub position: u64,
    /// Whether it comes from memory because the read model did not answer.
    pub is_stale: bool,
}

/// What can be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    Order(Uuid),
    Orders { user: Uuid, before: u64, limit: u32 },
}

#[derive(Debug, Clone)]
enum Remembered {
    Order(Found<Option<FoundOrder>>),
    Orders(Found<Vec<OrderRow>>),
}

/// Answers questions about orders from the read model, behind a time limit, a breaker, a limit of places and a retry; when that leads
/// nowhere, from memory, and says so.
pub struct QueryService {
    model: Arc<dyn ReadModel>,
    meter: Arc<LagMeter>,
    guard: Guard,
    waiting: ConcurrencyLimit,
    positions: Coalesce<(), Result<u64, QueryError>>,
    remembered: LastGood<Question, Remembered>,
    options: QueryOptions,
    counted: Mutex<QuerySnapshot>,
}

impl QueryService {
    /// On a read model, with somebody who measures how far it is behind.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(
        model: Arc<dyn ReadModel>,
        meter: Arc<LagMeter>,
        options: QueryOptions,
    ) -> Result<Self, PipelineError> {
        let setting = |error| PipelineError::Setting {
            policy: PolicyKind::Concurrency,
            error,
        };
        Ok(Self {
            guard: Guard::new(options)?,
            waiting: ConcurrencyLimit::try_new(options.max_waiting).map_err(setting)?,
            positions: Coalesce::new(),
            remembered: LastGood::new(options.remembered, options.remembered_for)
                .map_err(setting)?,
            model,
            meter,
            options,
            counted: Mutex::default(),
        })
    }

    /// What stands between it and the read model.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What it has done.
    pub fn snapshot(&self) -> QuerySnapshot {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An order, true at `min_position` or later. An answer from memory is given only to who asks for no position.
    pub async fn order(
        &self,
        order_id: Uuid,
        min_position: Option<u64>,
    ) -> Result<Answer<Option<FoundOrder>>, QueryError> {
        let question = Question::Order(order_id);
        let find = || self.model.find(order_id);
        let found = self.guard.ask(find).await;
        let found = match (found, min_position) {
            (Ok(found), Some(wanted)) if found.position < wanted => {
                self.reach(wanted, found.position).await?;
                self.guard.ask(find).await
            }
            (found, _) => found,
        };
        match found {
            Ok(Found { value, position }) => {
                self.count(|counted| counted.answered += 1);
                if value.is_some() {
                    let found = Found {
                        value: value.clone(),
                        position,
                    };
                    self.remembered.store(question, Remembered::Order(found));
                }
                Ok(Answer::fresh(value, position))
            }
            Err(error) => match self.remembered.last(&question) {
                Some(Remembered::Order(found))
                    if found.position >= min_position.unwrap_or_default() =>
                {
                    self.count(|counted| counted.stale += 1);
                    Ok(Answer::stale(found))
                }
                _ => Err(self.failed(error)),
            },
        }
    }

    /// A user's orders, the newest first, made before the position `before`; at most [`MAX_PAGE`].
    pub async fn orders_of(
        &self,
        user: Uuid,
        before: u64,
        limit: u32,
    ) -> Result<Answer<Vec<OrderRow>>, QueryError> {
        let limit = limit.min(MAX_PAGE + 1);
        let question = Question::Orders {
            user,
            before,
            limit,
        };
        match self
            .guard
            .ask(|| self.model.list(user, before, limit))
            .await
        {
            Ok(found) => {
                self.count(|counted| counted.answered += 1);
                let kept = Remembered::Orders(found.clone());
                self.remembered.store(question, kept);
                Ok(Answer::fresh(found.value, found.position))
            }
            Err(error) => match self.remembered.last(&question) {
                Some(Remembered::Orders(found)) => {
                    self.count(|counted| counted.stale += 1);
                    Ok(Answer::stale(found))
                }
                _ => Err(self.failed(error)),
            },
        }
    }

    /// Waits until the checkpoint has come to a position. All who wait ask together.
    async fn reach(&self, wanted: u64, position: u64) -> Result<(), QueryError> {
        let behind = |position| {
            self.count(|counted| counted.behind += 1);
            QueryError::Behind { position, wanted }
        };
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(behind(position));
        };
        self.count(|counted| counted.waited += 1);
        let end = tokio::time::Instant::now() + self.options.position_wait;
        loop {
            let active = async || {
                let active = self.guard.ask(|| self.model.active()).await?;
                Ok(active.position)
            };
            let position = self.positions.call((), active).await?;
            if position >= wanted {
                return Ok(());
            }
            if tokio::time::Instant::now() >= end {
                return Err(behind(position));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn failed(&self, error: QueryError) -> QueryError {
        self.count(|counted| counted.failed += 1);
        error
    }

    fn count(&self, change: impl FnOnce(&mut QuerySnapshot)) {
        change(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Between two looks at the checkpoint, while anybody waits.
const POLL: Duration = Duration::from_millis(10);

impl<T> Answer<T> {
    fn fresh(value: T, position: u64) -> Self {
        Self {
            value,
            position,
            is_stale: false,
        }
    }

    fn stale(found: Found<T>) -> Self {
        Self {
            value: found.value,
            position: found.position,
            is_stale: true,
        }
    }
}
