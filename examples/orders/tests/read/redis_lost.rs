//! Redis goes away, comes back with its data or without, or answers nobody.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use fuseboard::CircuitState;
use orders::bus::{
    BusOptions, Checkpoint, EventBus, RedisBus, RedisBusOptions, Relay, RelayOptions,
};
use orders::engine::RedisEngine;
use orders::projection::ReadModelProjection;
use orders::store::StoreError;
use uuid::Uuid;

use crate::bus::positions;
use crate::world::{PATIENCE, World};

/// A relay, a projection and another group's consumer, all on Redis.
struct Following {
    world: World,
    bus: RedisBus,
    relay: Arc<Relay>,
    projection: Arc<ReadModelProjection>,
    seen: Arc<Seen>,
}

/// What the other group has had.
#[derive(Default)]
struct Seen(Mutex<BTreeSet<u64>>);

impl Seen {
    fn get(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Checkpoint for Seen {
    async fn position(&self) -> Result<u64, StoreError> {
        // Nothing is rolled back in these tests: positions have no gaps.
        let seen = self.get();
        let unbroken = (1..).zip(seen.iter()).take_while(|(a, b)| a == *b);
        Ok(unbroken.count() as u64)
    }
}

impl Following {
    async fn start(engine: &RedisEngine) -> Result<Self> {
        let world = World::sqlite().await?;
        let options = BusOptions {
            reclaim_after: Duration::from_millis(300),
            ..BusOptions::default()
        };
        let options = RedisBusOptions {
            bus: options,
            timeout: Duration::from_millis(300),
            open_timeout: Duration::from_millis(100),
            ..RedisBusOptions::default()
        };
        let bus = RedisBus::open(&engine.url(), &options)?;
        let projection = world.projection();
        let seen = Arc::new(Seen::default());
        let relay = Arc::new(Relay::new(
            Arc::clone(&world.store),
            Arc::new(bus.clone()),
            vec![Arc::clone(&projection) as Arc<dyn Checkpoint>, seen.clone()],
            RelayOptions {
                poll: Duration::from_millis(10),
                max_pause: Duration::from_millis(200),
                ..RelayOptions::default()
            },
        ));
        let working = Arc::clone(&relay);
        tokio::spawn(async move { working.run().await });
        let (following, on) = (Arc::clone(&projection), bus.clone());
        tokio::spawn(async move { following.run(&on).await });
        tokio::spawn(other_group(bus.clone(), Arc::clone(&seen)));
        Ok(Self {
            world,
            bus,
            relay,
            projection,
            seen,
        })
    }

    async fn orders(&self, count: u64) -> Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        for number in 0..count {
            let order_id = self.world.create(Uuid::now_v7()).await?;
            self.world.live(order_id, number).await?;
            ids.push(order_id);
        }
        Ok(ids)
    }

    /// Waits until the other group has had all these.
    async fn seen_by_the_other(&self, from: u64) -> Result<()> {
        let events = self.world.store.read_all(from, 10_000).await?;
        let begin = tokio::time::Instant::now();
        loop {
            let seen = self.seen.get().clone();
            let missing: Vec<u64> = events
                .iter()
                .map(|event| event.position)
                .filter(|position| !seen.contains(position))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            assert!(begin.elapsed() < PATIENCE, "never handed out: {missing:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn other_group(bus: RedisBus, seen: Arc<Seen>) {
    loop {
        let following = async {
            let mut consumer = bus.subscribe("other", "one").await?;
            loop {
                let batch = consumer.next(16, Duration::from_millis(100)).await?;
                let taken = positions(&batch);
                seen.get().extend(&taken);
                consumer.acknowledge(&taken).await?;
            }
        };
        let ended: Result<std::convert::Infallible> = following.await;
        drop(ended);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_back_with_its_data_loses_nothing() -> Result<()> {
    let mut engine = RedisEngine::start().await?;
    let following = Following::start(&engine).await?;
    let mut ids = following.orders(10).await?;
    engine.kill()?;
    ids.extend(following.orders(10).await?);
    // The reads go on meanwhile, from the store.
    following.world.caught_up().await?;
    following.world.assert_true(&ids).await?;
    engine.restart().await?;
    ids.extend(following.orders(10).await?);
    following.world.caught_up().await?;
    following.world.assert_true(&ids).await?;
    following.seen_by_the_other(0).await?;
    assert!(following.relay.snapshot().failures > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_back_without_its_data_is_filled_from_the_checkpoint() -> Result<()> {
    let mut engine = RedisEngine::start().await?;
    let following = Following::start(&engine).await?;
    let mut ids = following.orders(10).await?;
    following.world.caught_up().await?;
    following.seen_by_the_other(0).await?;
    let had = following.world.model.active().await?.position;
    let client = redis::Client::open(engine.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
    engine.kill()?;
    engine.restart().await?;
    ids.extend(following.orders(10).await?);
    following.world.caught_up().await?;
    following.world.assert_true(&ids).await?;
    following.seen_by_the_other(had).await?;
    let relayed = following.relay.snapshot();
    assert!(relayed.losses > 0, "{relayed:?}");
    let head = following.world.store.heads().await?.head;
    assert_eq!(following.bus.last_published().await?, head);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_hangs_is_left_alone_and_the_reads_go_on() -> Result<()> {
    let engine = RedisEngine::start().await?;
    let following = Following::start(&engine).await?;
    let mut ids = following.orders(5).await?;
    following.world.caught_up().await?;
    engine.pause()?;
    ids.extend(following.orders(5).await?);
    following.world.caught_up().await?;
    following.world.assert_true(&ids).await?;
    let begin = tokio::time::Instant::now();
    while following.bus.breaker().state() == CircuitState::Closed {
        assert!(begin.elapsed() < PATIENCE, "the breaker stays closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    engine.resume()?;
    ids.extend(following.orders(5).await?);
    following.world.caught_up().await?;
    following.world.assert_true(&ids).await?;
    following.seen_by_the_other(0).await?;
    assert!(following.projection.snapshot().failures > 0);
    Ok(())
}
