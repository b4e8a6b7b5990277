//! The statements of the read model, the same for both databases. Their types differ, so the text is written once and compiled twice.

use async_trait::async_trait;
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{PostgresReadModel, SqliteReadModel, failed};
use crate::projection::model::{
    Batch, Edition, EditionState, Found, FoundOrder, OrderRow, ParkedEvent, ReadModel,
    ReadModelError,
};

/// Both databases keep 64 bits with a sign; positions and versions stay far below that.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

const EDITION: &str =
    "edition, state, schema_version, position, revision, heartbeat_at FROM editions";

macro_rules! read_model {
    ($model:ident, $database:ident, $row:path) => {
        impl $model {
            fn edition_of(row: &$row) -> Result<Edition, sqlx::Error> {
                let state: String = row.try_get("state")?;
                Ok(Edition {
                    edition: read(row.try_get("edition")?),
                    state: match state.as_str() {
                        "active" => EditionState::Active,
                        "building" => EditionState::Building,
                        _ => EditionState::Retired,
                    },
                    schema_version: row.try_get::<i64, _>("schema_version")? as u32,
                    position: read(row.try_get("position")?),
                    revision: read(row.try_get("revision")?),
                    heartbeat_at: row.try_get("heartbeat_at")?,
                })
            }

            fn order_of(row: &$row) -> Result<OrderRow, sqlx::Error> {
                let Json(body) = row.try_get("body")?;
                Ok(OrderRow {
                    order_id: row.try_get("order_id")?,
                    user_id: row.try_get("user_id")?,
                    version: read(row.try_get("version")?),
                    body,
                    created_position: read(row.try_get("created_position")?),
                    created_at: row.try_get("created_at")?,
                    last_position: read(row.try_get("last_position")?),
                    updated_at: row.try_get("updated_at")?,
                })
            }

            fn parked_event_of(row: &$row) -> Result<ParkedEvent, sqlx::Error> {
                Ok(ParkedEvent {
                    position: read(row.try_get("position")?),
                    order_id: row.try_get("order_id")?,
                    version: read(row.try_get("version")?),
                    kind: row.try_get("kind")?,
                    reason: row.try_get("reason")?,
                    parked_at: row.try_get("parked_at")?,
                })
            }

            /// The one edition in a state that only one can have.
            async fn in_state(&self, state: &str) -> Result<Option<Edition>, ReadModelError> {
                let mut query = QueryBuilder::<sqlx::$database>::new("SELECT ");
                query.push(EDITION).push(" WHERE state = ").push_bind(state);
                let row = query.build().fetch_optional(&self.pool).await.map_err(failed)?;
                row.as_ref().map(Self::edition_of).transpose().map_err(failed)
            }

            async fn insert(&self, state: &str, schema: u32) -> Result<(), ReadModelError> {
                sqlx::query(
                    "INSERT INTO editions (state, schema_version, heartbeat_at)
                     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                )
                .bind(state)
                .bind(i64::from(schema))
                .bind(OffsetDateTime::now_utc())
                .execute(&self.pool)
                .await
                .map_err(failed)?;
                Ok(())
            }
        }

        #[async_trait]
        impl ReadModel for $model {
            async fn migrate(&self) -> Result<(), ReadModelError> {
                self.migrated().await
            }

            async fn active_or_new(&self, schema: u32) -> Result<Edition, ReadModelError> {
                if self.in_state("active").await?.is_none() {
                    self.insert("active", schema).await?;
                }
                self.active().await
            }

            async fn active(&self) -> Result<Edition, ReadModelError> {
                self.in_state("active").await?.ok_or(ReadModelError::Missing)
            }

            async fn edition(&self, number: u64) -> Result<Option<Edition>, ReadModelError> {
                let mut query = QueryBuilder::<sqlx::$database>::new("SELECT ");
                query.push(EDITION).push(" WHERE edition = ");
                query.push_bind(stored(number));
                let row = query.build().fetch_optional(&self.pool).await.map_err(failed)?;
                row.as_ref().map(Self::edition_of).transpose().map_err(failed)
            }

            async fn building(&self, schema: u32) -> Result<Edition, ReadModelError> {
                sqlx::query(
                    "UPDATE editions SET state = 'retired', revision = revision + 1
                     WHERE state = 'building' AND schema_version <> $1",
                )
                .bind(i64::from(schema))
                .execute(&self.pool)
                .await
                .map_err(failed)?;
                self.insert("building", schema).await?;
                let building = self.in_state("building").await?;
                building.ok_or_else(|| {
                    ReadModelError::Unavailable("another rebuild has just ended".to_owned())
                })
            }

            async fn activate(&self, number: u64) -> Result<bool, ReadModelError> {
                let mut transaction = self.pool.begin().await.map_err(failed)?;
                // Locks the row that commits to the active one need, so that it cannot pass the new one any more.
                let retired = sqlx::query(
                    "UPDATE editions SET state = 'retired', revision = revision + 1
                     WHERE state = 'active' AND position <=
                     (SELECT position FROM editions WHERE edition = $1 AND state = 'building')",
                )
                .bind(stored(number))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
                let activated = sqlx::query(
                    "UPDATE editions SET state = 'active', revision = revision + 1
                     WHERE edition = $1 AND state = 'building'
                     AND NOT EXISTS (SELECT 1 FROM editions WHERE state = 'active')",
                )
                .bind(stored(number))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
                if (retired.rows_affected(), activated.rows_affected()) != (1, 1) {
                    transaction.rollback().await.map_err(failed)?;
                    return Ok(false);
                }
                transaction.commit().await.map_err(failed)?;
                Ok(true)
            }

            async fn delete_retired(&self, max_rows: u32) -> Result<bool, ReadModelError> {
                let retired: Option<i64> = sqlx::query_scalar(
                    "SELECT edition FROM editions WHERE state = 'retired' LIMIT 1",
                )
                .fetch_optional(&self.pool)
                .await
                .map_err(failed)?;
                let Some(retired) = retired else {
                    return Ok(false);
                };
                let deleted = sqlx::query(
                    "DELETE FROM orders WHERE edition = $1 AND order_id IN
                     (SELECT order_id FROM orders WHERE edition = $1 LIMIT $2)",
                )
                .bind(retired)
                .bind(i64::from(max_rows))
                .execute(&self.pool)
                .await
                .map_err(failed)?;
                if deleted.rows_affected() == 0 {
                    for last in [
                        "DELETE FROM parked WHERE edition = $1",
                        "DELETE FROM editions WHERE edition = $1",
                    ] {
                        let last = sqlx::query(last).bind(retired).execute(&self.pool);
                        last.await.map_err(failed)?;
                    }
                }
                Ok(true)
            }

            async fn rows(&self, number: u64, ids: &[Uuid]) -> Result<Vec<OrderRow>, ReadModelError> {
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                let mut query = QueryBuilder::<sqlx::$database>::new(
                    "SELECT * FROM orders WHERE edition = ",
                );
                query.push_bind(stored(number)).push(" AND order_id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                query.push(")");
                let rows = query.build().persistent(false).fetch_all(&self.pool).await;
                let rows = rows.map_err(failed)?;
                rows.iter().map(Self::order_of).collect::<Result<_, _>>().map_err(failed)
            }

            async fn commit(&self, batch: &Batch) -> Result<bool, ReadModelError> {
                let mut transaction = self.pool.begin().await.map_err(failed)?;
                let moved = sqlx::query(
                    "UPDATE editions SET position = $1, revision = revision + 1, heartbeat_at = $2
                     WHERE edition = $3 AND revision = $4 AND position <= $1 AND state <> 'retired'",
                )
                .bind(stored(batch.position))
                .bind(OffsetDateTime::now_utc())
                .bind(stored(batch.edition))
                .bind(stored(batch.revision))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
                if moved.rows_affected() != 1 {
                    transaction.rollback().await.map_err(failed)?;
                    return Ok(false);
                }
                let edition = stored(batch.edition);
                if !batch.rows.is_empty() {
                    let mut query = QueryBuilder::<sqlx::$database>::new(
                        "INSERT INTO orders (edition, order_id, user_id, version, body,
                         created_position, created_at, last_position, updated_at) ",
                    );
                    query.push_values(&batch.rows, |mut values, row| {
                        values.push_bind(edition).push_bind(row.order_id).push_bind(row.user_id);
                        values.push_bind(stored(row.version)).push_bind(Json(&row.body));
                        values.push_bind(stored(row.created_position)).push_bind(row.created_at);
                        values.push_bind(stored(row.last_position)).push_bind(row.updated_at);
                    });
                    query.push(
                        " ON CONFLICT (edition, order_id) DO UPDATE SET version = EXCLUDED.version,
                         body = EXCLUDED.body, last_position = EXCLUDED.last_position,
                         updated_at = EXCLUDED.updated_at",
                    );
                    let written = query.build().persistent(false).execute(&mut *transaction);
                    written.await.map_err(failed)?;
                }
                for position in &batch.unparked {
                    sqlx::query("DELETE FROM parked WHERE edition = $1 AND position = $2")
                        .bind(edition)
                        .bind(stored(*position))
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed)?;
                }
                for parked in &batch.parked {
                    sqlx::query(
                        "INSERT INTO parked (edition, position, order_id, version, kind, reason, parked_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(edition)
                    .bind(stored(parked.position))
                    .bind(parked.order_id)
                    .bind(stored(parked.version))
                    .bind(parked.kind.as_str())
                    .bind(parked.reason.as_str())
                    .bind(parked.parked_at)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
                }
                transaction.commit().await.map_err(failed)?;
                Ok(true)
            }

            async fn beat(&self, number: u64) -> Result<(), ReadModelError> {
                sqlx::query("UPDATE editions SET heartbeat_at = $1 WHERE edition = $2")
                    .bind(OffsetDateTime::now_utc())
                    .bind(stored(number))
                    .execute(&self.pool)
                    .await
                    .map_err(failed)?;
                Ok(())
            }

            async fn parked(&self, limit: u32) -> Result<(u64, Vec<ParkedEvent>), ReadModelError> {
                let active = stored(self.active().await?.edition);
                let count = sqlx::query_scalar("SELECT count(*) FROM parked WHERE edition = $1")
                    .bind(active)
                    .fetch_one(&self.pool)
                    .await
                    .map_err(failed)?;
                let rows = sqlx::query(
                    "SELECT * FROM parked WHERE edition = $1 ORDER BY position LIMIT $2",
                )
                .bind(active)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await
                .map_err(failed)?;
                let rows = rows.iter().map(Self::parked_event_of).collect::<Result<_, _>>();
                Ok((read(count), rows.map_err(failed)?))
            }

            async fn parked_of(
                &self,
                number: u64,
                ids: &[Uuid],
            ) -> Result<Vec<ParkedEvent>, ReadModelError> {
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                let mut query = QueryBuilder::<sqlx::$database>::new(
                    "SELECT * FROM parked WHERE edition = ",
                );
                query.push_bind(stored(number)).push(" AND order_id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                query.push(") ORDER BY position");
                let rows = query.build().persistent(false).fetch_all(&self.pool).await;
                let rows = rows.map_err(failed)?;
                rows.iter().map(Self::parked_event_of).collect::<Result<_, _>>().map_err(failed)
            }

            async fn find(&self, order_id: Uuid) -> Result<Found<Option<FoundOrder>>, ReadModelError> {
                // One statement, so that the order and the checkpoint are of one moment and one edition.
                let row = sqlx::query(
                    "SELECT o.*, o.order_id IS NOT NULL AS is_there, g.position AS checkpoint,
                     EXISTS (SELECT 1 FROM parked p
                             WHERE p.edition = g.edition AND p.order_id = $1) AS is_held
                     FROM editions g
                     LEFT JOIN orders o ON o.edition = g.edition AND o.order_id = $1
                     WHERE g.state = 'active'",
                )
                .bind(order_id)
                .fetch_optional(&self.pool)
                .await
                .map_err(failed)?
                .ok_or(ReadModelError::Missing)?;
                let found = || {
                    let value = if row.try_get("is_there")? {
                        let is_held = row.try_get("is_held")?;
                        Some(FoundOrder { row: Self::order_of(&row)?, is_held })
                    } else {
                        None
                    };
                    let position = read(row.try_get("checkpoint")?);
                    Ok(Found { value, position })
                };
                found().map_err(failed)
            }

            async fn list(
                &self,
                user_id: Uuid,
                before: u64,
                limit: u32,
            ) -> Result<Found<Vec<OrderRow>>, ReadModelError> {
                // Read first: a checkpoint never goes back, so the list is true at this one or a later one.
                let position = self.active().await?.position;
                let rows = sqlx::query(
                    "SELECT * FROM orders
                     WHERE edition = (SELECT edition FROM editions WHERE state = 'active')
                     AND user_id = $1 AND created_position < $2
                     ORDER BY created_position DESC LIMIT $3",
                )
                .bind(user_id)
                .bind(stored(before))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await
                .map_err(failed)?;
                let rows = rows.iter().map(Self::order_of).collect::<Result<_, _>>();
                Ok(Found { value: rows.map_err(failed)?, position })
            }

            async fn ping(&self) -> Result<(), ReadModelError> {
                sqlx::query("SELECT 1").execute(&self.pool).await.map_err(failed)?;
                Ok(())
            }
        }
    };
}

read_model!(PostgresReadModel, Postgres, sqlx::postgres::PgRow);
read_model!(SqliteReadModel, Sqlite, sqlx::sqlite::SqliteRow);
