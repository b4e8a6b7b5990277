//! `orders storm`: everything as real processes, orders led through their lives by clients who ask until they are answered, while
//! one thing after another is killed, slowed and restarted; and at the end the [`books`].

mod act;
pub mod books;
mod client;
mod life;
mod program;
mod progress;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::engine::{PostgresEngine, RedisEngine};
use crate::projection::{ReadModelOptions, open_read_model};
use crate::settings::{Places, SecretUrl};
use crate::store::{Database, EventStore, PostgresEventStore, SqliteEventStore};
use books::{Books, Sources};
use client::Client;
use life::{Plan, live};
use progress::Progress;
use world::World;

/// What the storm is told.
#[derive(Debug, Clone, clap::Args)]
pub struct StormArguments {
    /// Where all draws begin; the same seed does the same things in the same order [default: a new one, shown]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Orders, 1 to 100,000.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub orders: u64,
    /// How long things go wrong, 1 to 3,600 s; orders come in over the same time.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// On a file and a bus in the process, where no PostgreSQL and Redis are installed.
    #[arg(long)]
    pub embedded: bool,
    /// An empty folder for data and logs, which are kept; else they are gone with the storm when the books balance.
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
}

/// Which books to read.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::doc_markdown, reason = "these are the help text")]
pub struct BooksArguments {
    /// Where the service's data are.
    #[command(flatten)]
    pub places: Places,
    /// The payment provider's book [default: payments.db in the data folder]
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// Reads the books of a service that nobody uses, and prints them. Whether they balance.
///
/// # Errors
/// Something is not there, or cannot be read.
pub async fn read_books(arguments: &BooksArguments) -> anyhow::Result<bool> {
    let places = &arguments.places;
    let reveal = |url: &Option<SecretUrl>| url.as_ref().map(|url| url.reveal().to_owned());
    let ledger = arguments.ledger.clone();
    let ledger = ledger.unwrap_or_else(|| places.data.join("payments.db"));
    let (postgres, redis) = (reveal(&places.postgres), reveal(&places.redis));
    let (database, sources) = open(postgres, redis, &places.data, &ledger).await?;
    let books = Books::read(&sources, None).await?;
    println!("{books}");
    database.close().await;
    Ok(books.balance())
}

/// How long the service may take to come to rest when all is well again.
const REST: Duration = Duration::from_secs(60);

/// Runs the storm. Whether the books balance.
///
/// # Errors
/// Something could not be started, an order did not come to its end, or the books could not be read.
pub async fn run(arguments: StormArguments) -> anyhow::Result<bool> {
    let kept = tempfile::TempDir::with_prefix("orders-storm-")?;
    let folder = arguments
        .keep
        .clone()
        .unwrap_or_else(|| kept.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    if std::fs::read_dir(&folder)?.next().is_some() {
        bail!(
            "{} is not empty; --keep wants an empty folder",
            folder.display()
        );
    }
    let balanced = storm(&arguments, &folder).await;
    if !matches!(balanced, Ok(true)) {
        let left = kept.keep();
        let logs = arguments.keep.unwrap_or(left);
        eprintln!("data and logs are in {}", logs.display());
    }
    balanced
}

async fn storm(arguments: &StormArguments, folder: &Path) -> anyhow::Result<bool> {
    let seed = arguments
        .seed
        .unwrap_or_else(|| rand::random_range(0..1_000_000));
    let time = Duration::from_secs(arguments.seconds);
    let engines = if arguments.embedded {
        "SQLite and a bus in the process"
    } else {
        "PostgreSQL and Redis"
    };
    println!(
        "storm: seed {seed}, {} orders in {} s, on {engines}",
        arguments.orders, arguments.seconds
    );
    let mut world = World::start(folder, arguments.embedded).await?;
    let client = Arc::new(Client::new(
        world.http.clone(),
        world.base.clone(),
        world.customers.clone(),
        world.clerk.clone(),
    ));
    let progress = Arc::new(Progress::new(arguments.orders));
    progress.say("everything is up");
    let mut random = StdRng::seed_from_u64(seed);
    let mut lives = begin_lives(arguments.orders, time, &mut random, &client, &progress);

    let mut accepted = BTreeMap::new();
    {
        let following = progress.follow(&client.answers);
        let raging = act::rage(&mut world, &mut random, time, &progress);
        let ending = async {
            while let Some(lived) = lives.join_next().await {
                let lived = lived.context("a client")??;
                accepted.insert(lived.order_id, lived.status);
            }
            anyhow::Ok(())
        };
        tokio::select! {
            () = following => {}
            done = async { tokio::try_join!(raging, ending) } => { done?; }
        }
    }
    progress.say("all orders have ended; waiting for the service to come to rest");
    let (database, sources) = sources(&world, folder).await?;
    rest(&sources).await?;
    world.service.end().await?;
    progress.close();
    let books = Books::read(&sources, Some(&accepted)).await?;
    println!("\n{books}");
    database.close().await;
    Ok(books.balance())
}

/// Orders, evenly over the time.
fn begin_lives(
    orders: u64,
    time: Duration,
    random: &mut StdRng,
    client: &Arc<Client>,
    progress: &Arc<Progress>,
) -> JoinSet<anyhow::Result<life::Lived>> {
    let mut lives = JoinSet::new();
    let begin = Instant::now();
    for number in 0..orders {
        let at = begin + time.mul_f64(number as f64 / orders as f64);
        let (plan, price) = (Plan::draw(random), random.random_range(1..100_000));
        let order_id = Uuid::from_u128(random.random());
        let order_id = uuid::Builder::from_u128(order_id.as_u128())
            .with_version(uuid::Version::Random)
            .into_uuid();
        let (client, progress) = (Arc::clone(client), Arc::clone(progress));
        lives.spawn(async move {
            sleep_until(at).await;
            let user = usize::try_from(number).unwrap_or_default();
            let lived = live(&client, user, plan, order_id, price).await;
            progress.ended();
            lived
        });
    }
    lives
}

async fn sources(world: &World, folder: &Path) -> anyhow::Result<(Database, Sources)> {
    let postgres = world.postgres.as_ref().map(PostgresEngine::url);
    let redis = world.redis.as_ref().map(RedisEngine::url);
    open(postgres, redis, folder, &world::ledger(folder)).await
}

/// Where the books are read: in a server, or in the files of `folder`.
///
/// # Errors
/// Something is not there.
pub async fn open(
    postgres: Option<String>,
    redis: Option<String>,
    folder: &Path,
    ledger: &Path,
) -> anyhow::Result<(Database, Sources)> {
    let file = |name: &str| -> anyhow::Result<String> {
        let file = folder.join(name);
        if !file.is_file() {
            bail!(
                "{} is not there; --data names the folder of a service",
                file.display()
            );
        }
        Ok(format!("sqlite:{}", file.display()))
    };
    let (events, model) = match postgres {
        Some(url) => (url.clone(), url),
        None => (file("orders.db")?, file("read-model.db")?),
    };
    let database = Database::open(&events, 4)?;
    let store: Arc<dyn EventStore> = match &database {
        Database::Postgres(pool) => Arc::new(PostgresEventStore::new(pool.clone())),
        Database::Sqlite { writer, reader } => {
            Arc::new(SqliteEventStore::new(writer.clone(), reader.clone()))
        }
    };
    let read_model = open_read_model(&model, ReadModelOptions::default())?;
    read_model.migrate().await?;
    let ledger = books::ledger(ledger).await?;
    let sources = Sources {
        store,
        read_model,
        ledger,
        redis,
    };
    Ok((database, sources))
}

/// Waits until everything that is stored is final and in the read model.
async fn rest(sources: &Sources) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let heads = sources.store.heads().await?;
        let position = sources.read_model.active().await?.position;
        let next = sources.store.read_all(position, 1).await?;
        if heads.safe >= heads.head && next.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > REST {
            bail!(
                "the read model is at {position} of {} after {REST:?} without a fault",
                heads.head
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}
