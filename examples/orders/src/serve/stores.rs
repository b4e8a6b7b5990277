//! The databases of the process, open and migrated.

use std::time::Duration;

use anyhow::{Context, anyhow};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

use crate::settings::Places;
use crate::store::{
    Database, GuardedStore, PostgresEventStore, SqliteEventStore, StoreError, StoreGuard,
};

/// Connections for commands, fulfilment and relay.
const CONNECTIONS: u32 = 16;

/// How long a database may be away when the service starts; a container's may start later than we do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The address of the database, for drivers, which may hold a password; without a server that of `file` in the data folder.
pub fn url(places: &Places, file: &str) -> anyhow::Result<String> {
    if let Some(postgres) = &places.postgres {
        return Ok(postgres.reveal().to_owned());
    }
    let folder = &places.data;
    std::fs::create_dir_all(folder).with_context(|| {
        format!(
            "cannot make the folder {}; choose another with --data",
            folder.display()
        )
    })?;
    let file = folder.join(file);
    let text = file.to_str().filter(|text| !text.contains(['?', '#', '%']));
    let text = text.ok_or_else(|| {
        anyhow!(
            "{}: a folder without ?, # and % in its name is needed; choose one with --data",
            file.display()
        )
    })?;
    Ok(format!("sqlite:{text}"))
}

/// Where that is, for people.
pub fn shown(places: &Places) -> String {
    match &places.postgres {
        Some(postgres) => postgres.to_string(),
        None => places.data.join("orders.db").display().to_string(),
    }
}

/// The event store, with its tables up to date.
pub async fn event_store(places: &Places) -> anyhow::Result<(Database, Arc<GuardedStore>)> {
    let database = Database::open(&url(places, "orders.db")?, CONNECTIONS)?;
    let begun = Instant::now();
    while let Err(error) = database.migrate().await {
        let may_come = matches!(error, StoreError::Unavailable(_)) && places.postgres.is_some();
        if !may_come || begun.elapsed() > PATIENCE {
            return Err(anyhow!(error).context(format!("no event store at {}", shown(places))));
        }
        tracing::warn!(%error, database = %shown(places), "waiting for the event store");
        sleep(Duration::from_secs(1)).await;
    }
    let guard = StoreGuard::default();
    let store = match &database {
        Database::Postgres(pool) => {
            GuardedStore::new(Arc::new(PostgresEventStore::new(pool.clone())), guard)
        }
        Database::Sqlite { writer, reader } => {
            let store = SqliteEventStore::new(writer.clone(), reader.clone());
            GuardedStore::new(Arc::new(store), guard)
        }
    };
    Ok((database, Arc::new(store?)))
}
