//! Appends that come at the same time are stored in one transaction: they wait for the disk together, not one after the other. What happens
//! to one of them is nothing to the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{OwnedMutexGuard, oneshot};
use uuid::Uuid;

use super::super::event::{CommandResult, NewEvent, StoreError};
use super::super::failure::{Violated, store_error, violated};
use super::super::number::to_sql;

/// Appends in one transaction: who comes while it is under way waits for the next.
const AT_ONCE: usize = 64;

/// First the stream is moved on, if it is where it should be, and only then are there events: one way to the thread that writes, and back. Each
/// statement uses all parameters up to its last: what they are bound by cannot leave one out.
macro_rules! append {
    ($moved:literal, $then:literal) => {
        concat!(
            "SAVEPOINT append; ",
            $moved,
            "; INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata, recorded_at)
             SELECT ?1, ?2 + 1 + new.key, new.value ->> 'event_id', new.value ->> 'kind', new.value ->> 'schema_version',
                 new.value -> 'payload', new.value -> 'metadata', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             FROM json_each(?3) AS new WHERE changes() > 0 ORDER BY new.key RETURNING position",
            $then
        )
    };
    ($then:literal) => {
        [
            append!(
                "INSERT INTO streams (stream, version) SELECT ?1, json_array_length(?3) WHERE ?2 = 0 ON CONFLICT DO NOTHING",
                $then
            ),
            append!(
                "UPDATE streams SET version = ?2 + json_array_length(?3) WHERE stream = ?1 AND version = ?2",
                $then
            ),
        ]
    };
}

/// The first, and any other.
const APPEND: [&str; 2] = append!("; RELEASE append");
const APPEND_BEFORE_ANSWER: [&str; 2] = append!("");
const ANSWER: &str =
    "INSERT INTO command_results (key, request_sha256, status, body, position, recorded_at)
     VALUES (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')); RELEASE append";

/// What came of an append.
#[derive(Debug)]
pub enum Outcome {
    /// The position of its last event.
    Stored(i64),
    /// Another one was first, at this stream or with this key.
    Late,
}

/// Those that wait, and whose turn it is. A clone shares them.
#[derive(Debug, Clone)]
pub struct Appends {
    writer: SqlitePool,
    waiting: Arc<Mutex<Vec<Append>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Append {
    stream: String,
    expected_version: u64,
    /// JSON.
    events: String,
    result: Option<CommandResult>,
    done: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Appends {
    /// Through the connection that writes.
    pub fn new(writer: SqlitePool) -> Self {
        Self {
            writer,
            waiting: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Stores it together with what else comes now. Dropped before it is begun, it is not done.
    pub async fn store(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Outcome, StoreError> {
        let events: Value = events
            .iter()
            .map(|new| {
                json!({
                    "event_id": new.event_id,
                    "kind": new.kind,
                    "schema_version": new.schema_version,
                    "payload": new.payload,
                    "metadata": new.metadata,
                })
            })
            .collect();
        let (done, outcome) = oneshot::channel();
        self.waiting().push(Append {
            stream: stream.to_string(),
            expected_version,
            events: events.to_string(),
            result: result.cloned(),
            done,
        });
        // Whoever has the turn looks once more after it.
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            tokio::spawn(self.clone().serve(turn));
        }
        let ended = || StoreError::Unavailable("the store was closed".to_owned());
        outcome.await.map_err(|_| ended())?
    }

    async fn serve(self, mut turn: OwnedMutexGuard<()>) {
        loop {
            while let Some(group) = self.next_group() {
                self.store_group(group).await;
            }
            drop(turn);
            if self.waiting().is_empty() {
                return;
            }
            match Arc::clone(&self.turn).try_lock_owned() {
                Ok(next) => turn = next,
                Err(_) => return,
            }
        }
    }

    fn next_group(&self) -> Option<Vec<Append>> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(AT_ONCE);
        (count > 0).then(|| waiting.drain(..count).collect())
    }

    async fn store_group(&self, group: Vec<Append>) {
        match self.try_store(&group).await.map_err(store_error) {
            Ok(outcomes) => {
                for (append, outcome) in group.into_iter().zip(outcomes) {
                    append.tell(outcome);
                }
            }
            Err(error) => {
                for append in group {
                    append.tell(Err(match &error {
                        StoreError::Corrupt(reason) => StoreError::Corrupt(reason.clone()),
                        // Nothing is known about any of them.
                        error => StoreError::Unavailable(error.to_string()),
                    }));
                }
            }
        }
    }

    /// What came of each, which is true when all is committed.
    async fn try_store(
        &self,
        group: &[Append],
    ) -> Result<Vec<Result<Outcome, StoreError>>, sqlx::Error> {
        // The file's lock is taken here: what is looked at below cannot change any more.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut outcomes = Vec::with_capacity(group.len());
        for append in group {
            outcomes.push(if append.done.is_closed() {
                // Nobody waits for it any more.
                Ok(Outcome::Late)
            } else {
                append.try_store(&mut transaction).await?
            });
        }
        transaction.commit().await?;
        Ok(outcomes)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Append>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Append {
    fn tell(self, outcome: Result<Outcome, StoreError>) {
        // An error: nobody waits for it any more.
        let _ = self.done.send(outcome);
    }

    /// As a part of the transaction. The outer error is the whole transaction's.
    async fn try_store(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Result<Outcome, StoreError>, sqlx::Error> {
        let error = match self.store(transaction).await {
            Ok(outcome) => return Ok(Ok(outcome)),
            Err(error) => error,
        };
        // It fails when the whole transaction is gone, as with a full disk.
        sqlx::raw_sql("ROLLBACK TO append; RELEASE append")
            .execute(&mut **transaction)
            .await?;
        Ok(match violated(&error) {
            Some(Violated::Version | Violated::Key) => Ok(Outcome::Late),
            None => Err(store_error(error)),
        })
    }

    async fn store(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Outcome, sqlx::Error> {
        let statements = match self.result {
            Some(_) => APPEND_BEFORE_ANSWER,
            None => APPEND,
        };
        let statement = statements[usize::from(self.expected_version > 0)];
        let positions: Vec<i64> = sqlx::query_scalar(statement)
            .bind(&self.stream)
            .bind(to_sql(self.expected_version))
            .bind(&self.events)
            .fetch_all(&mut **transaction)
            .await?;
        let last = positions.into_iter().max();
        match (&self.result, last) {
            (Some(result), Some(position)) => {
                sqlx::query(ANSWER)
                    .bind(&result.key)
                    .bind(&result.request_sha256[..])
                    .bind(result.status)
                    .bind(&result.body)
                    .bind(position)
                    .execute(&mut **transaction)
                    .await?;
            }
            (Some(_), None) => {
                sqlx::raw_sql("RELEASE append")
                    .execute(&mut **transaction)
                    .await?;
            }
            (None, _) => {}
        }
        Ok(last.map_or(Outcome::Late, Outcome::Stored))
    }
}
