//! The database goes away, comes back, or answers nobody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::{Extension, Router};
use fuseboard::CircuitState;
use orders::auth::Scope;
use orders::bus::{BusOptions, EventBus};
use orders::engine::PostgresEngine;
use orders::projection::{LagMeter, ReadModelOptions, open_read_model};
use orders::query::{QueryOptions, QueryService};
use serde_json::Value;
use uuid::Uuid;

use crate::end_to_end::{get, identity};
use crate::world::{PATIENCE, World, on_both, projection, reached};

on_both!(
    who_asks_for_a_position_waits_for_it_or_is_refused,
    a_projection_that_stands_still_does_not_look_well,
    tables_are_made_once_by_many,
);

fn service(world: &World, options: QueryOptions) -> Result<Arc<QueryService>> {
    let meter = LagMeter::new(Arc::clone(&world.store), Arc::clone(&world.model));
    let model = Arc::clone(&world.model);
    Ok(Arc::new(QueryService::new(
        model,
        Arc::new(meter),
        options,
    )?))
}

fn asked_by(service: &Arc<QueryService>, user: Uuid) -> Router {
    let asks = identity(Some(user), &[Scope::OrdersRead]);
    Arc::clone(service).routes().layer(Extension(asks))
}

/// Asks until the answer is as it should be.
async fn until(routes: &Router, path: &str, is_so: impl Fn(u16, &Value) -> bool) -> Result<Value> {
    let asking = async {
        loop {
            let (status, _, body) = get(routes, path).await?;
            if is_so(status.as_u16(), &body) {
                return anyhow::Ok(body);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.with_context(|| format!("{path} stays as it is"))?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_query_side_answers_what_it_answered_last() -> Result<()> {
    let mut engine = PostgresEngine::start().await?;
    let world = World::on(&engine.url()).await?;
    let projection = world.projection();
    let (bus, _relay) = world.bus(&projection);
    let running = Arc::clone(&projection);
    tokio::spawn(async move { running.run(&bus).await });
    let user = Uuid::now_v7();
    let [known, unknown] = [world.create(user).await?, world.create(user).await?];
    world.caught_up().await?;
    let service = service(
        &world,
        QueryOptions {
            timeout: Duration::from_millis(600),
            open_timeout: Duration::from_millis(200),
            ..QueryOptions::default()
        },
    )?;
    let routes = asked_by(&service, user);
    let order = format!("/orders/{known}");
    let list = format!("/users/{user}/orders");
    let mut position = 0;
    for path in [&order, &list] {
        let (status, headers, body) = get(&routes, path).await?;
        assert_eq!(
            (status.as_u16(), &body["stale"]),
            (200, &Value::Bool(false))
        );
        assert!(!headers.contains_key("orders-stale"));
        position = body["position"].as_u64().context("no position")?;
    }

    engine.pause()?;
    for path in [&order, &list, &format!("{order}?min_position={position}")] {
        let (status, headers, body) = get(&routes, path).await?;
        assert_eq!((status.as_u16(), &body["stale"]), (200, &Value::Bool(true)));
        assert_eq!(headers["orders-stale"], "true");
        assert_eq!(headers["orders-position"], position.to_string());
    }
    // What is from memory is no answer to who wants a later one, nor to anybody else.
    let later = format!("{order}?min_position={}", position + 1);
    let other = asked_by(&service, Uuid::now_v7());
    let cases = [
        (get(&routes, &later).await?, [503, 504]),
        (
            get(&routes, &format!("/orders/{unknown}")).await?,
            [503, 504],
        ),
        (get(&other, &order).await?, [403, 403]),
    ];
    for ((status, _, body), expected) in cases {
        assert!(expected.contains(&status.as_u16()), "{status} {body}");
    }
    let many = (0..40).map(|_| get(&routes, &later));
    futures_util::future::try_join_all(many).await?;
    let begin = tokio::time::Instant::now();
    while service.guard().breaker().state() == CircuitState::Closed {
        assert!(begin.elapsed() < PATIENCE, "the breaker stays closed");
        let many = (0..10).map(|_| get(&routes, &later));
        futures_util::future::try_join_all(many).await?;
    }
    let (status, headers, body) = get(&routes, &later).await?;
    assert_eq!(status.as_u16(), 503, "{body}");
    let wait: u64 = headers["retry-after"].to_str()?.parse()?;
    assert!((1..=5).contains(&wait), "{wait}");
    let text = body.to_string();
    assert!(
        !text.contains("postgres") && !text.contains("127.0.0.1"),
        "{text}"
    );
    engine.resume()?;
    let fresh = |status: u16, body: &Value| status == 200 && body["stale"] == false;
    until(&routes, &order, fresh).await?;

    // Killed, and there again; the projection goes on.
    engine.kill()?;
    let (status, _, body) = get(&routes, &order).await?;
    assert_eq!((status.as_u16(), &body["stale"]), (200, &Value::Bool(true)));
    engine.restart().await?;
    until(&routes, &order, fresh).await?;
    // Writers find out by asking that connections are broken; here they all ask at once.
    let ask = || futures_util::future::try_join_all((0..16).map(|_| world.store.ping()));
    while ask().await.is_err() {}
    let newer = world.create(user).await?;
    world.live(newer, 4).await?;
    world.caught_up().await?;
    world.assert_true(&[known, unknown, newer]).await?;
    let counted = service.snapshot();
    assert!(counted.stale >= 4 && counted.failed >= 40, "{counted:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_the_read_model_is_away_says_nothing_against_an_event() -> Result<()> {
    let mut engine = PostgresEngine::start().await?;
    let world = World::sqlite().await?;
    let options = ReadModelOptions {
        acquire_timeout: Duration::from_millis(50),
        ..ReadModelOptions::default()
    };
    let model = open_read_model(&engine.url(), options)?;
    // The first connection takes longer than a test wants to wait for one that will not come.
    while model.migrate().await.is_err() {}
    let projection = projection(&world.store, &model);
    let (bus, _relay) = world.bus(&projection);
    let (running, on) = (Arc::clone(&projection), bus.clone());
    tokio::spawn(async move { running.run(&on).await });
    world.create(Uuid::now_v7()).await?;
    reached(&model, 1).await?;
    engine.kill()?;
    let order_id = world.create(Uuid::now_v7()).await?;
    world.live(order_id, 4).await?;
    let begin = tokio::time::Instant::now();
    // More often than a bus hands out what nobody finishes.
    while projection.snapshot().failures < u64::from(BusOptions::default().max_attempts) + 3 {
        assert!(begin.elapsed() < PATIENCE, "{:?}", projection.snapshot());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    engine.restart().await?;
    reached(&model, world.store.heads().await?.head).await?;
    assert_eq!(bus.parked("read-model").await?, []);
    Ok(())
}

async fn who_asks_for_a_position_waits_for_it_or_is_refused(world: World) -> Result<()> {
    let user = Uuid::now_v7();
    let waiting = |position_wait| QueryOptions {
        position_wait,
        max_waiting: 1,
        ..QueryOptions::default()
    };
    let hasty = asked_by(&service(&world, waiting(Duration::from_millis(100)))?, user);
    let patient = service(&world, waiting(PATIENCE))?;
    let routes = asked_by(&patient, user);
    let projection = world.projection();
    world.create(user).await?;
    world.project(&projection).await?;
    let order_id = world.create(user).await?;
    let position = world.store.heads().await?.head;
    let path = format!("/orders/{order_id}?min_position={position}");
    let (status, headers, body) = get(&hasty, &path).await?;
    assert_eq!(status.as_u16(), 503, "{body}");
    assert_eq!(body["type"], "/problems/behind");
    assert!(headers.contains_key("retry-after"));
    // Of two that wait, one is too many: it is refused at once, the other has its answer when it is there.
    let (first, second) = tokio::join!(get(&routes, &path), async {
        while patient.snapshot().waited == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = get(&routes, &path).await?;
        world.project(&projection).await?;
        anyhow::Ok(refused)
    });
    assert_eq!((first?.0.as_u16(), second?.0.as_u16()), (200, 503));
    let counted = patient.snapshot();
    assert_eq!((counted.waited, counted.behind), (1, 1));
    // A position that was never given out is not waited for for ever.
    let never = format!("/orders/{order_id}?min_position={}", u64::MAX);
    assert_eq!(get(&hasty, &never).await?.0.as_u16(), 503);
    Ok(())
}

async fn a_projection_that_stands_still_does_not_look_well(world: World) -> Result<()> {
    let projection = world.projection();
    let meter = LagMeter::new(Arc::clone(&world.store), Arc::clone(&world.model));
    assert_eq!(meter.latest(), None);
    world.create(Uuid::now_v7()).await?;
    world.project(&projection).await?;
    let well = meter.measure().await?;
    assert_eq!((well.events, well.time), (0, Duration::ZERO));
    assert_eq!(well.position, well.head);
    // It has stopped, and nobody tells the meter.
    let order_id = world.create(Uuid::now_v7()).await?;
    world.settled().await?;
    let first = meter.measure().await?;
    world.live(order_id, 3).await?;
    let second = meter.measure().await?;
    assert_eq!(first.position, well.position);
    assert!(first.events >= 1, "{first:?}");
    assert!(second.events > first.events, "{second:?}");
    assert!(second.time > first.time, "{second:?}");
    assert!(second.heartbeat_age > well.heartbeat_age, "{second:?}");
    assert_eq!(meter.latest(), Some(second));
    world.project(&projection).await?;
    assert_eq!(meter.measure().await?.events, 0);
    Ok(())
}

async fn tables_are_made_once_by_many(world: World) -> Result<()> {
    let many = (0..4).map(|_| world.model.migrate());
    futures_util::future::try_join_all(many).await?;
    world.model.ping().await?;
    Ok(())
}
