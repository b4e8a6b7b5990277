//! A relay's process, killed at each step.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use orders::bus::{
    BusError, BusOptions, EventBus, GroupLag, Parked, RedisBus, Relay, RelayOptions, Round,
    Subscription,
};
use orders::engine::{PostgresEngine, RedisEngine};
use orders::store::StoredEvent;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::bus::redis_bus;
use crate::world::{World, on_postgres};

const TEST: &str = "a_relay_killed_at_each_step_leaves_out_nothing_and_repeats_nothing";
/// What the process is told.
const TOLD: &str = "ORDERS_TEST_RELAY";

/// Where a relay's process dies.
const STEPS: [&str; 4] = [
    "asked where the bus is",
    "about to publish",
    "half published",
    "published",
];

/// A bus that ends the process at a step.
struct Deadly {
    bus: RedisBus,
    step: String,
}

impl Deadly {
    fn at(&self, step: &str) {
        if self.step == step {
            // No destructor, no flush: as `kill -9` does it.
            std::process::abort();
        }
    }
}

#[async_trait]
impl EventBus for Deadly {
    async fn publish(&self, after: u64, events: &[StoredEvent]) -> Result<(), BusError> {
        self.at(STEPS[1]);
        let (first, second) = events.split_at(events.len() / 2);
        self.bus.publish(after, first).await?;
        self.at(STEPS[2]);
        let after = first.last().map_or(after, |event| event.position);
        self.bus.publish(after, second).await?;
        self.at(STEPS[3]);
        Ok(())
    }

    async fn last_published(&self) -> Result<u64, BusError> {
        let last = self.bus.last_published().await;
        self.at(STEPS[0]);
        last
    }

    async fn subscribe(
        &self,
        group: &str,
        consumer: &str,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.bus.subscribe(group, consumer).await
    }

    async fn lag(&self, group: &str) -> Result<GroupLag, BusError> {
        self.bus.lag(group).await
    }

    async fn parked(&self, group: &str) -> Result<Vec<Parked>, BusError> {
        self.bus.parked(group).await
    }

    async fn unpark(&self, group: &str, position: u64) -> Result<bool, BusError> {
        self.bus.unpark(group, position).await
    }
}

fn options() -> RelayOptions {
    RelayOptions {
        batch: 6,
        poll: Duration::from_millis(1),
        ..RelayOptions::default()
    }
}

fn relay_process(postgres: &str, redis: &str, step: &str) -> Command {
    let this = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(this);
    command
        .args(["--exact", &format!("killed::{TEST}")])
        .env(TOLD, format!("{postgres} {redis} {step}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The process that the test kills: the test itself, started again.
async fn relay_of_its_own(told: &str) -> Result<()> {
    let mut told = told.splitn(3, ' ');
    let mut next = || told.next().map(str::to_owned).unwrap_or_default();
    let (store, _) = on_postgres(&next()).await?;
    let options_of_bus = orders::bus::RedisBusOptions::default();
    let bus = RedisBus::open(&next(), &options_of_bus)?;
    let bus: Arc<dyn EventBus> = Arc::new(Deadly { bus, step: next() });
    Relay::new(store, bus, Vec::new(), options()).run().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_each_step_leaves_out_nothing_and_repeats_nothing() -> Result<()> {
    if let Ok(told) = std::env::var(TOLD) {
        return relay_of_its_own(&told).await;
    }
    let engine = PostgresEngine::shared().await?;
    let url = engine.fresh_database().await?;
    let world = World::on(&url).await?;
    let redis = RedisEngine::start().await?;
    let bus = redis_bus(&redis, BusOptions::default())?;
    for (number, step) in (0..).zip(STEPS) {
        for more in 0..3 {
            let order_id = world.create(Uuid::now_v7()).await?;
            world.live(order_id, number + more).await?;
        }
        world.settled().await?;
        let ended = relay_process(&url, &redis.url(), step).status()?;
        assert!(ended.code().is_none(), "{step}: it did not abort: {ended}");
    }
    let mut random = StdRng::seed_from_u64(7);
    for number in 0..4 {
        let mut child = relay_process(&url, &redis.url(), "never").spawn()?;
        let patience = random.random_range(20..150);
        let end = tokio::time::Instant::now() + Duration::from_millis(patience);
        while tokio::time::Instant::now() < end {
            let order_id = world.create(Uuid::now_v7()).await?;
            world.live(order_id, number).await?;
        }
        child.kill()?;
        child.wait()?;
    }
    // One that is not killed does the rest.
    world.settled().await?;
    let relay = Relay::new(
        Arc::clone(&world.store),
        Arc::new(bus.clone()),
        Vec::new(),
        options(),
    );
    while relay.round().await? != Round::Done {}
    let expected = world.deliveries().await?;
    let mut consumer = bus.subscribe("group", "one").await?;
    let all = consumer.next(100_000, Duration::from_millis(100)).await?;
    assert_eq!(all, expected);
    Ok(())
}
