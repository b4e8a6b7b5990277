//! [`PostgresReadModel`] and [`SqliteReadModel`]: two databases, brought up to date.

mod statements;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::model::{ReadModel, ReadModelError};

/// How long the database may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadModelOptions {
    /// At most so many connections.
    pub max_connections: u32,
    /// For a connection of the pool.
    pub acquire_timeout: Duration,
    /// For a statement, and for a lock of another's.
    pub statement_timeout: Duration,
}

impl Default for ReadModelOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(2),
        }
    }
}

/// The read model in PostgreSQL, in the schema `read_model`.
#[derive(Debug, Clone)]
pub struct PostgresReadModel {
    pool: PgPool,
}

/// The read model in a file.
#[derive(Debug, Clone)]
pub struct SqliteReadModel {
    pool: SqlitePool,
}

/// The tables at `postgres://…` or `sqlite:FILE` (made when it is not there). Nothing is connected yet: a server that is away is found out
/// by the first who asks, so begin with [`ReadModel::migrate`].
///
/// # Errors
/// [`ReadModelError::Unavailable`]: the URL cannot be read.
pub fn open_read_model(
    url: &str,
    options: ReadModelOptions,
) -> Result<Arc<dyn ReadModel>, ReadModelError> {
    if url.starts_with("sqlite:") {
        Ok(Arc::new(SqliteReadModel::open(url, options)?))
    } else {
        Ok(Arc::new(PostgresReadModel::open(url, options)?))
    }
}

impl PostgresReadModel {
    /// The tables at `postgres://…`.
    ///
    /// # Errors
    /// [`ReadModelError::Unavailable`]: the URL cannot be read.
    pub fn open(url: &str, options: ReadModelOptions) -> Result<Self, ReadModelError> {
        let millis = options.statement_timeout.as_millis().to_string();
        let connect = PgConnectOptions::from_str(url)
            .map_err(failed)?
            .application_name("orders-read-model")
            .options([
                ("search_path", "read_model"),
                ("statement_timeout", &millis),
                ("lock_timeout", &millis),
                ("idle_in_transaction_session_timeout", &millis),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connect);
        Ok(Self { pool })
    }

    async fn migrated(&self) -> Result<(), ReadModelError> {
        let created = sqlx::query("CREATE SCHEMA IF NOT EXISTS read_model")
            .execute(&self.pool)
            .await;
        // Two that start at once may both find none; the loser is told that it is there, and that is as good.
        if let Err(error) = created
            && !error
                .as_database_error()
                .is_some_and(DatabaseError::is_unique_violation)
        {
            return Err(failed(error));
        }
        let migrator = sqlx::migrate!("./migrations/read_model_postgres");
        migrator.run(&self.pool).await.map_err(not_migrated)
    }
}

impl SqliteReadModel {
    /// The tables in `sqlite:FILE`.
    ///
    /// # Errors
    /// [`ReadModelError::Unavailable`]: the URL cannot be read.
    pub fn open(url: &str, options: ReadModelOptions) -> Result<Self, ReadModelError> {
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(failed)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may take the last transactions, whole ones: they are made again from the events.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(options.statement_timeout);
        let pool = SqlitePoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connect);
        Ok(Self { pool })
    }

    async fn migrated(&self) -> Result<(), ReadModelError> {
        let migrator = sqlx::migrate!("./migrations/read_model_sqlite");
        migrator.run(&self.pool).await.map_err(not_migrated)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failed(error: sqlx::Error) -> ReadModelError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            ReadModelError::Corrupt(error.to_string())
        }
        _ => ReadModelError::Unavailable(error.to_string()),
    }
}

fn not_migrated(error: sqlx::migrate::MigrateError) -> ReadModelError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => failed(error),
        _ => ReadModelError::Corrupt(error.to_string()),
    }
}
