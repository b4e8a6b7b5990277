//! From an append to an answer over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, to_bytes};
use axum::{Extension, Router};
use http::{HeaderMap, Request, StatusCode};
use orders::auth::{Identity, Scope};
use orders::order::OrderCommand;
use orders::projection::LagMeter;
use orders::query::{QueryOptions, QueryService};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use crate::world::{PATIENCE, World, on_both};

pub fn service(world: &World) -> Result<(Arc<QueryService>, Arc<LagMeter>)> {
    let meter = Arc::new(LagMeter::new(
        Arc::clone(&world.store),
        Arc::clone(&world.model),
    ));
    // A machine that is busy with other things is no fault.
    let options = QueryOptions {
        timeout: PATIENCE,
        position_wait: PATIENCE,
        ..QueryOptions::default()
    };
    let service = QueryService::new(Arc::clone(&world.model), Arc::clone(&meter), options)?;
    Ok((Arc::new(service), meter))
}

pub fn identity(user_id: Option<Uuid>, scopes: &[Scope]) -> Identity {
    Identity {
        subject: "somebody".to_owned(),
        user_id,
        scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
    }
}

pub async fn get(routes: &Router, path: &str) -> Result<(StatusCode, HeaderMap, Value)> {
    let request = Request::get(path).body(Body::empty())?;
    let (parts, body) = routes.clone().oneshot(request).await?.into_parts();
    let body = to_bytes(body, 1 << 20).await?;
    Ok((parts.status, parts.headers, serde_json::from_slice(&body)?))
}

on_both!(
    who_writes_reads_it_at_once,
    only_the_owner_and_who_reads_all_see_an_order
);

async fn who_writes_reads_it_at_once(world: World) -> Result<()> {
    let projection = world.projection();
    let (bus, relay) = world.bus(&projection);
    let running = Arc::clone(&projection);
    tokio::spawn(async move { running.run(&bus).await });
    let (service, meter) = service(&world)?;
    let user = Uuid::now_v7();
    let asks = identity(Some(user), &[Scope::OrdersRead]);
    let routes = service.clone().routes().layer(Extension(asks));
    let mut last = 0;
    for _ in 0..5 {
        let order_id = world.create(user).await?;
        let payment_id = Uuid::now_v7();
        let position = world
            .command(order_id, &OrderCommand::PayOrder { payment_id })
            .await?;
        relay.hint().notify_one();
        let path = format!("/orders/{order_id}?min_position={position}");
        let (status, headers, body) = get(&routes, &path).await?;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["order"]["status"], "payment_requested");
        assert_eq!(body["order"]["total"]["amount_minor"], 2_500);
        assert_eq!(body["stale"], false);
        let at: u64 = headers["orders-position"].to_str()?.parse()?;
        assert!(at >= position, "{at} is before {position}");
        last = position;
    }
    let lag = meter.measure().await?;
    assert_eq!((lag.events, lag.parked), (0, 0));
    let (_, headers, body) = get(&routes, &format!("/users/{user}/orders")).await?;
    assert_eq!(body["orders"].as_array().map(Vec::len), Some(5));
    assert_eq!(headers["orders-lag-events"], "0");
    // It counts when it has published, and by then it may have been read. What the projection took from the store before there was a
    // bus is left out.
    let counted = async {
        while relay.snapshot().position < last {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await?;
    assert_eq!(relay.snapshot().lag_events, 0);
    assert_eq!(projection.snapshot().applied, 10);
    Ok(())
}

async fn only_the_owner_and_who_reads_all_see_an_order(world: World) -> Result<()> {
    let user = Uuid::now_v7();
    let order_id = world.create(user).await?;
    world.project(&world.projection()).await?;
    let (service, _) = service(&world)?;
    let routes = service.clone().routes();
    let order = format!("/orders/{order_id}");
    let orders = format!("/users/{user}/orders");
    let other = Some(Uuid::now_v7());
    let cases = [
        (Some(user), &[Scope::OrdersRead][..], StatusCode::OK),
        (None, &[Scope::OrdersReadAll], StatusCode::OK),
        (other, &[Scope::OrdersReadAll], StatusCode::OK),
        (other, &[Scope::OrdersRead], StatusCode::FORBIDDEN),
        (None, &[Scope::OrdersRead], StatusCode::FORBIDDEN),
        (Some(user), &[Scope::OrdersWrite], StatusCode::FORBIDDEN),
        (Some(user), &[], StatusCode::FORBIDDEN),
    ];
    for (who, scopes, expected) in cases {
        let routes = routes.clone().layer(Extension(identity(who, scopes)));
        for path in [&order, &orders] {
            let (status, _, body) = get(&routes, path).await?;
            assert_eq!(status, expected, "{who:?} {scopes:?} {path}: {body}");
        }
    }
    for path in [&order, &orders] {
        assert_eq!(get(&routes, path).await?.0, StatusCode::UNAUTHORIZED);
    }
    let asks = identity(Some(user), &[Scope::OrdersRead]);
    let routes = routes.layer(Extension(asks));
    for (path, expected) in [
        ("/orders/7".to_owned(), 400),
        (format!("{order}?min_position=x"), 400),
        (format!("/orders/{}", Uuid::now_v7()), 404),
        (format!("{orders}?limit=0"), 400),
        (format!("{orders}?limit=-1"), 400),
        (format!("{orders}?cursor=00"), 400),
        (format!("{orders}?page=2"), 400),
        (format!("{orders}?limit=1000"), 200),
    ] {
        let (status, headers, body) = get(&routes, &path).await?;
        assert_eq!(status, expected, "{path}: {body}");
        if expected >= 400 {
            assert_eq!(headers["content-type"], "application/problem+json");
            body["detail"].as_str().context("no detail")?;
        }
    }
    Ok(())
}
