//! What every bus promises, shown on the one in this process and on Redis.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use orders::bus::{
    BusOptions, Delivery, EventBus, InProcessBus, RedisBus, RedisBusOptions, Relay, RelayOptions,
    Round, Subscription,
};
use orders::engine::RedisEngine;
use orders::store::EventStore;
use uuid::Uuid;

use crate::world::{PATIENCE, World};

/// Short, so that a test need not wait.
const OPTIONS: BusOptions = BusOptions {
    reclaim_after: Duration::from_millis(200),
    max_attempts: 3,
    retained: 10_000,
};
const WAIT: Duration = Duration::from_millis(50);

pub fn redis_bus(engine: &RedisEngine, bus: BusOptions) -> Result<RedisBus> {
    let options = RedisBusOptions {
        bus,
        ..RedisBusOptions::default()
    };
    RedisBus::open(&engine.url(), &options)
}

/// The same test on both buses.
macro_rules! on_each_bus {
    ($($test:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                let bus = std::sync::Arc::new(super::InProcessBus::new(super::OPTIONS));
                super::$test(bus).await
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                let engine = super::RedisEngine::start().await?;
                let bus = super::redis_bus(&engine, super::OPTIONS)?;
                super::$test(std::sync::Arc::new(bus)).await
            })+
        }
    };
}

on_each_bus!(
    what_a_consumer_left_goes_to_another,
    what_nobody_finishes_is_parked_and_comes_back_when_asked_for,
    two_relays_publish_each_event_once_in_order,
    groups_know_nothing_of_each_other,
);

async fn published(bus: &Arc<impl EventBus>, orders: u64) -> Result<(World, Vec<u64>)> {
    let world = World::sqlite().await?;
    for number in 0..orders {
        let order_id = world.create(Uuid::now_v7()).await?;
        world.live(order_id, number).await?;
    }
    let events = world.store.read_all(0, 10_000).await?;
    bus.publish(0, &events).await?;
    let positions = events.iter().map(|event| event.position).collect();
    Ok((world, positions))
}

pub fn positions(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|one| one.event.position).collect()
}

/// Takes and acknowledges until so many different ones have come.
async fn drain(subscription: &mut dyn Subscription, count: usize) -> Result<BTreeSet<u64>> {
    let mut seen = BTreeSet::new();
    let draining = async {
        while seen.len() < count {
            let taken = positions(&subscription.next(7, WAIT).await?);
            subscription.acknowledge(&taken).await?;
            seen.extend(taken);
        }
        anyhow::Ok(())
    };
    let drained = tokio::time::timeout(PATIENCE, draining).await;
    drained.with_context(|| format!("they do not come: {seen:?}"))??;
    Ok(seen)
}

async fn what_a_consumer_left_goes_to_another(bus: Arc<impl EventBus>) -> Result<()> {
    let (_world, all) = published(&bus, 12).await?;
    let mut killed = bus.subscribe("group", "killed").await?;
    let mut other = bus.subscribe("group", "other").await?;
    let taken = killed.next(10, WAIT).await?;
    assert_eq!(positions(&taken), all[..10]);
    assert!(taken.iter().all(|one| one.attempt == 1));
    // It had come to the middle of its batch.
    killed.acknowledge(&all[..4]).await?;
    drop(killed);
    let mut again = Vec::new();
    let mut seen = BTreeSet::new();
    let rest: BTreeSet<u64> = all[4..].iter().copied().collect();
    let begin = tokio::time::Instant::now();
    while seen != rest {
        assert!(begin.elapsed() < PATIENCE, "{seen:?}");
        let batch = other.next(7, WAIT).await?;
        again.extend(batch.iter().filter(|one| one.attempt > 1).cloned());
        other.acknowledge(&positions(&batch)).await?;
        seen.extend(positions(&batch));
    }
    let mut again = positions(&again);
    again.sort_unstable();
    assert_eq!(again, all[4..10], "handed out again: what was not finished");
    assert_eq!(bus.lag("group").await?.pending, 0);
    assert!(other.next(7, WAIT).await?.is_empty());
    Ok(())
}

/// Nobody waits for the time after which a consumer counts as lost, when it is known to be gone.
#[tokio::test]
async fn what_a_dropped_subscription_held_is_handed_out_at_once() -> Result<()> {
    let options = BusOptions {
        reclaim_after: Duration::from_hours(1),
        ..BusOptions::default()
    };
    let bus = Arc::new(InProcessBus::new(options));
    let (_world, all) = published(&bus, 3).await?;
    let mut gone = bus.subscribe("group", "gone").await?;
    let mut busy = bus.subscribe("group", "busy").await?;
    let mut other = bus.subscribe("group", "other").await?;
    assert_eq!(positions(&gone.next(2, WAIT).await?), all[..2]);
    assert_eq!(positions(&busy.next(2, WAIT).await?), all[2..4]);
    drop(gone);
    let again = other.next(2, WAIT).await?;
    assert_eq!(positions(&again), all[..2]);
    assert!(again.iter().all(|one| one.attempt == 2));
    // The other one is at work still.
    assert_eq!(positions(&other.next(100, WAIT).await?), all[4..]);
    Ok(())
}

/// Redis hands an event to the connection that waits for it, also when nobody reads from that any more.
#[tokio::test]
async fn what_was_handed_to_a_read_that_was_given_up_comes_with_the_next() -> Result<()> {
    let engine = RedisEngine::start().await?;
    let options = BusOptions {
        reclaim_after: Duration::from_hours(1),
        ..BusOptions::default()
    };
    let bus = Arc::new(redis_bus(&engine, options)?);
    let mut subscription = bus.subscribe("group", "one").await?;
    let given_up = tokio::time::timeout(WAIT * 4, subscription.next(10, PATIENCE)).await;
    assert!(given_up.is_err());
    let (_world, all) = published(&bus, 1).await?;
    let begin = tokio::time::Instant::now();
    while bus.lag("group").await?.pending == 0 {
        assert!(begin.elapsed() < PATIENCE, "nobody waited");
        tokio::time::sleep(WAIT / 10).await;
    }
    let seen = drain(&mut *subscription, all.len()).await?;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    Ok(())
}

async fn what_nobody_finishes_is_parked_and_comes_back_when_asked_for(
    bus: Arc<impl EventBus>,
) -> Result<()> {
    let (_world, all) = published(&bus, 3).await?;
    let poison = all[2];
    let mut consumer = bus.subscribe("group", "one").await?;
    let mut attempts = Vec::new();
    let begin = tokio::time::Instant::now();
    while bus.lag("group").await?.parked == 0 {
        assert!(begin.elapsed() < PATIENCE, "{attempts:?}");
        let batch = consumer.next(10, WAIT).await?;
        for one in &batch {
            if one.event.position == poison {
                // Whoever has it dies before it is acknowledged.
                attempts.push(one.attempt);
            } else {
                consumer.acknowledge(&[one.event.position]).await?;
            }
        }
    }
    assert_eq!(attempts, [1, 2, 3]);
    let parked = bus.parked("group").await?;
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (parked[0].event.position, parked[0].previous),
        (poison, all[1])
    );
    assert!(parked[0].reason.contains("never finished"), "{parked:?}");
    assert_eq!(bus.lag("group").await?.pending, 0);
    // Asked for, it comes again, as if for the first time; this time it is refused with a reason.
    assert!(bus.unpark("group", poison).await?);
    assert!(
        !bus.unpark("group", poison).await?,
        "it is not parked twice"
    );
    let back = consumer.next(10, WAIT).await?;
    assert_eq!((positions(&back), back[0].attempt), (vec![poison], 1));
    assert_eq!(bus.lag("group").await?.pending, 1);
    consumer.park(&back[0], "not by us").await?;
    let parked = bus.parked("group").await?;
    assert_eq!(parked[0].reason, "not by us");
    // And once more, to be handled.
    assert!(bus.unpark("group", poison).await?);
    assert_eq!(drain(&mut *consumer, 1).await?, BTreeSet::from([poison]));
    let lag = bus.lag("group").await?;
    assert_eq!((lag.pending, lag.parked), (0, 0));
    tokio::time::sleep(OPTIONS.reclaim_after * 2).await;
    assert!(consumer.next(10, WAIT).await?.is_empty());
    Ok(())
}

async fn two_relays_publish_each_event_once_in_order(bus: Arc<impl EventBus>) -> Result<()> {
    let world = Arc::new(World::sqlite().await?);
    let options = RelayOptions {
        batch: 3,
        poll: Duration::from_millis(1),
        ..RelayOptions::default()
    };
    let mut relays = Vec::new();
    for _ in 0..2 {
        let store: Arc<dyn EventStore> = Arc::clone(&world.store);
        let bus: Arc<dyn EventBus> = bus.clone();
        let relay = Relay::new(store, bus, Vec::new(), options);
        relays.push(tokio::spawn(async move { relay.run().await }));
    }
    for number in 0..20 {
        let order_id = world.create(Uuid::now_v7()).await?;
        world.live(order_id, number).await?;
    }
    let expected = world.deliveries().await?;
    let mut consumer = bus.subscribe("group", "one").await?;
    let mut seen = Vec::new();
    let begin = tokio::time::Instant::now();
    while seen.len() < expected.len() {
        assert!(
            begin.elapsed() < PATIENCE,
            "{} of {}",
            seen.len(),
            expected.len()
        );
        let batch = consumer.next(100, WAIT).await?;
        consumer.acknowledge(&positions(&batch)).await?;
        seen.extend(batch);
    }
    assert_eq!(
        seen, expected,
        "each once, in order, each after its predecessor"
    );
    for relay in relays {
        relay.abort();
    }
    assert!(consumer.next(100, WAIT).await?.is_empty());
    Ok(())
}

async fn groups_know_nothing_of_each_other(bus: Arc<impl EventBus>) -> Result<()> {
    let (world, all) = published(&bus, 6).await?;
    let expected: BTreeSet<u64> = all.iter().copied().collect();
    for group in ["first", "second"] {
        let mut consumer = bus.subscribe(group, "one").await?;
        assert_eq!(drain(&mut *consumer, all.len()).await?, expected);
    }
    // What is published again changes nothing, for a group that has had it and for one that comes later.
    let events = world.store.read_all(0, 10_000).await?;
    bus.publish(0, &events).await?;
    assert_eq!(bus.last_published().await?, all[all.len() - 1]);
    let mut first = bus.subscribe("first", "one").await?;
    assert!(first.next(10, WAIT).await?.is_empty());
    let mut third = bus.subscribe("third", "one").await?;
    assert_eq!(positions(&third.next(1_000, WAIT).await?), all);
    Ok(())
}

#[tokio::test]
async fn consumers_that_are_gone_are_forgotten_unless_they_left_something() -> Result<()> {
    let engine = RedisEngine::start().await?;
    let options = RedisBusOptions {
        bus: OPTIONS,
        forget_after: Duration::from_millis(100),
        ..RedisBusOptions::default()
    };
    let bus = Arc::new(RedisBus::open(&engine.url(), &options)?);
    let mut done = bus.subscribe("group", "done").await?;
    let mut unfinished = bus.subscribe("group", "unfinished").await?;
    let (_world, all) = published(&bus, 2).await?;
    let taken = positions(&done.next(1, WAIT).await?);
    done.acknowledge(&taken).await?;
    unfinished.next(1, WAIT).await?;
    tokio::time::sleep(options.forget_after * 2).await;
    let mut newest = bus.subscribe("group", "newest").await?;
    let client = ::redis::Client::open(engine.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let known: ::redis::streams::StreamInfoConsumersReply =
        ::redis::AsyncCommands::xinfo_consumers(&mut connection, &options.prefix, "group").await?;
    let mut names: Vec<String> = known.consumers.into_iter().map(|one| one.name).collect();
    names.sort();
    assert!(!names.contains(&"done".to_owned()), "{names:?}");
    assert!(names.contains(&"unfinished".to_owned()), "{names:?}");
    // What it left is still handed out.
    let rest = drain(&mut *newest, all.len() - 1).await?;
    assert_eq!(rest, all[1..].iter().copied().collect());
    Ok(())
}

/// A projection that comes late finds that the bus has kept only the newest events.
async fn holes_are_filled(bus: Arc<impl EventBus>) -> Result<()> {
    let (world, all) = published(&bus, 90).await?;
    let projection = world.projection();
    let mut consumer = bus.subscribe("group", "one").await?;
    let first = consumer.next(10, WAIT).await?;
    assert!(
        first[0].previous > 0,
        "nothing was trimmed of {}",
        all.len()
    );
    projection.take(&first).await?;
    assert!(projection.snapshot().filled > 0);
    let orders = world.store.read_all(0, 10_000).await?;
    let last = first[first.len() - 1].event.position;
    let unfinished = orders.iter().filter(|event| event.position > last);
    let unfinished: BTreeSet<Uuid> = unfinished.map(|event| event.stream).collect();
    let done = orders.iter().map(|event| event.stream);
    let done: BTreeSet<Uuid> = done.filter(|id| !unfinished.contains(id)).collect();
    assert!(done.len() > 30);
    world
        .assert_true(&done.into_iter().collect::<Vec<_>>())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bus_no_longer_has_comes_from_the_store() -> Result<()> {
    let few = BusOptions {
        retained: 20,
        ..OPTIONS
    };
    holes_are_filled(Arc::new(InProcessBus::new(few))).await?;
    let engine = RedisEngine::start().await?;
    holes_are_filled(Arc::new(redis_bus(&engine, few)?)).await
}

#[tokio::test]
async fn a_relay_starts_where_the_consumers_are_when_the_bus_is_empty() -> Result<()> {
    let world = World::sqlite().await?;
    let user = Uuid::now_v7();
    world.create(user).await?;
    let projection = world.projection();
    projection.catch_up().await?;
    let done = world.store.heads().await?.head;
    let newer = world.create(user).await?;
    let bus = InProcessBus::new(OPTIONS);
    let relay = Relay::new(
        Arc::clone(&world.store),
        Arc::new(bus.clone()),
        vec![projection],
        RelayOptions::default(),
    );
    assert_eq!(relay.round().await?, Round::Done);
    let mut consumer = bus.subscribe("group", "one").await?;
    let handed = consumer.next(10, WAIT).await?;
    assert_eq!(handed.len(), 1);
    assert_eq!((handed[0].event.stream, handed[0].previous), (newer, done));
    Ok(())
}
