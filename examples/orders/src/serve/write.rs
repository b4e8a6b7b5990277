//! The write side: commands, the providers behind them, and the relay that hands on what happened.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::Method;
use tokio::sync::Notify;

use super::parts::Parts;
use crate::bus::{Relay, RelayOptions};
use crate::command::{CommandHandler, CommandService, ResultRetention, routes};
use crate::edge::Endpoint;
use crate::fulfilment::{Fulfilment, FulfilmentOptions};
use crate::observe::{Observed, lane};
use crate::payment::{PaymentEdge, PaymentSettings};
use crate::projection::ReadModelProjection;
use crate::settings::Region;
use crate::shipping::{ShippingEdge, ShippingSettings};
use crate::store::GuardedStore;

/// How long a command's client waits: longer than a payment with its retries may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the providers are.
pub struct Providers {
    /// Regions of the payment provider, in the order in which they are asked.
    pub payments: Vec<Region>,
    /// The carrier.
    pub shipping: String,
}

/// Routes for commands, and the relay in the background.
pub fn start(
    parts: &mut Parts,
    store: &Arc<GuardedStore>,
    providers: &Providers,
    checkpoint: Arc<ReadModelProjection>,
    idempotency_retention: Duration,
    observed: &Observed,
) -> anyhow::Result<Router> {
    let regions = providers
        .payments
        .iter()
        .map(|region| Endpoint::new(format!("payments-{}", region.name), region.url.as_str()))
        .collect();
    let payments = Arc::new(PaymentEdge::new(PaymentSettings::new(regions))?);
    let carriers = vec![Endpoint::new("carrier", &providers.shipping)];
    let shipping = Arc::new(ShippingEdge::new(&ShippingSettings::new(carriers))?);
    for breaker in payments.breakers().chain(shipping.breakers()) {
        observed.registry.add_breaker(breaker);
    }
    let service =
        CommandService::with_snapshots(Arc::clone(store) as Arc<_>, Arc::clone(store) as Arc<_>);
    let relay = Arc::new(Relay::new(
        Arc::clone(store) as Arc<_>,
        Arc::clone(&parts.bus),
        vec![checkpoint],
        RelayOptions::default(),
    ));
    let retention = Arc::new(ResultRetention::new(
        Arc::clone(store) as Arc<_>,
        idempotency_retention,
    )?);
    let forgetting = Arc::clone(&retention);
    let (counted, charged, shipped, relayed) = (
        service.clone(),
        Arc::clone(&payments),
        Arc::clone(&shipping),
        Arc::clone(&relay),
    );
    observed.lane.add(move || {
        let mut values = lane::commands(counted.snapshot());
        values.push(lane::forgotten_results(forgetting.forgotten()));
        values.extend(lane::payments(&charged.snapshot()));
        values.extend(lane::shipments(&shipped.snapshot()));
        values.extend(lane::relay(&relayed.snapshot()));
        values
    });
    let hint = relay.hint();
    parts.spawn("retention", async move { retention.run().await });
    parts.spawn("relay", async move { relay.run().await });
    let options = FulfilmentOptions::default();
    parts.watch_group(options.group.clone(), &observed.lane);
    let fulfilment = Fulfilment::new(
        service.clone(),
        Arc::clone(store) as Arc<_>,
        Some(Arc::clone(&parts.bus)),
        Arc::clone(&payments) as Arc<_>,
        Arc::clone(&shipping) as Arc<_>,
        options,
    );
    let taken_up = fulfilment.clone();
    observed
        .lane
        .add(move || lane::fulfilment(taken_up.snapshot()));
    parts.spawn_ending(|stop| async move { fulfilment.run(stop.stopped()).await });
    let snapshots = service.clone();
    parts.at_end(async move { snapshots.settle().await });
    let handler = CommandHandler::new(service, payments, shipping, PATIENCE);
    Ok(routes(handler).layer(from_fn_with_state(hint, hinting)))
}

/// What was just stored need not wait until the relay looks by itself.
async fn hinting(State(hint): State<Arc<Notify>>, request: Request, next: Next) -> Response {
    let is_command = request.method() == Method::POST;
    let response = next.run(request).await;
    if is_command && response.status().is_success() {
        hint.notify_one();
    }
    response
}
