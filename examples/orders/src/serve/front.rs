//! The gateway, before services of this process or of others.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use fuseboard::redis::Engine;

use super::Services;
use crate::auth::Tokens;
use crate::edge::Endpoint;
use crate::gateway::{Gateway, GatewaySettings};
use crate::observe::{self, Observed, lane};
use crate::settings::Settings;

/// Its routes.
pub fn start(
    settings: &Settings,
    services: &Services,
    tokens: &Arc<Tokens>,
    observed: &Observed,
) -> anyhow::Result<Router> {
    let redis = settings.places.redis.as_ref();
    let engine = redis.map(|url| Engine::new(url.reveal())).transpose();
    let engine = engine.context("the engine of the shared limits")?;
    let command = Endpoint::new("command-service", services.command.as_str());
    let query = Endpoint::new("query-service", services.query.as_str());
    let gateway = Gateway::new(
        &GatewaySettings::new(command, query),
        Arc::clone(tokens),
        engine.as_ref(),
    )?;
    for breaker in gateway.breakers() {
        observed.registry.add_breaker(breaker);
    }
    let counted = gateway.clone();
    observed
        .lane
        .add(move || lane::gateway(&counted.snapshot()));
    let layer = from_fn_with_state(Arc::clone(&observed.lane), observe::trace::traced);
    Ok(gateway.routes().layer(layer))
}
