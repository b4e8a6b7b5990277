//! [`Database`]: the connections that the stores of one process share, and the tables in it.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqlitePool};

use super::event::StoreError;
use super::failure::store_error;

/// How long one waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that has lain idle for longer is asked whether it is there before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long a writer waits for another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database; a clone shares its connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// A server.
    Postgres(PgPool),
    /// A file. Writers take turns at one connection, readers never wait for them.
    Sqlite {
        /// The one that writes.
        writer: SqlitePool,
        /// Those that read.
        reader: SqlitePool,
    },
}

impl Database {
    /// Opens `postgres://…` or `sqlite:FILE` (made when it is not there), with at most so many connections. Nothing is connected yet:
    /// a server that is away is found out by the first who asks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the URL cannot be read.
    pub fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)
                .map_err(store_error)?
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                // What was answered is on the disk.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT);
            // A file does not go away as a server does.
            let pool = SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false);
            let writer = pool.clone().max_connections(1);
            let reader = pool.max_connections(connections.max(1));
            return Ok(Self::Sqlite {
                writer: writer.connect_lazy_with(options.clone()),
                reader: reader.connect_lazy_with(options),
            });
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(store_error)?
            .application_name("orders")
            .options([
                ("statement_timeout", "5s"),
                ("lock_timeout", "3s"),
                // An open transaction holds the horizon of every reader.
                ("idle_in_transaction_session_timeout", "5s"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    /// Makes the tables, or brings them up to date. Several processes may do it at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer, [`StoreError::Corrupt`] when its tables are not ours.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let migrated = match self {
            Self::Postgres(pool) => sqlx::migrate!("./migrations/postgres").run(pool).await,
            Self::Sqlite { writer, .. } => sqlx::migrate!("./migrations/sqlite").run(writer).await,
        };
        migrated.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => store_error(error),
            error => StoreError::Corrupt(error.to_string()),
        })
    }

    /// Ends all connections, after what they are doing.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { writer, reader } => {
                writer.close().await;
                reader.close().await;
            }
        }
    }
}
