//! The read side: the projection, what is asked of it, and how far it is behind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use tokio::time::{Instant, sleep};

use super::parts::Parts;
use super::stores;
use crate::observe::{Observed, lane};
use crate::projection::{
    LagMeter, ProjectionOptions, ReadModel, ReadModelError, ReadModelOptions, ReadModelProjection,
    open_read_model,
};
use crate::query::{QueryOptions, QueryService};
use crate::settings::Places;
use crate::store::GuardedStore;

/// How often lag is measured.
const MEASURE: Duration = Duration::from_secs(1);

/// How long the read model's database may be away when the service starts.
const PATIENCE: Duration = Duration::from_secs(60);

/// The read model, with its tables up to date.
pub async fn open(places: &Places) -> anyhow::Result<Arc<dyn ReadModel>> {
    let url = stores::url(places, "read-model.db")?;
    let model = open_read_model(&url, ReadModelOptions::default())?;
    let begun = Instant::now();
    while let Err(error) = model.migrate().await {
        let may_come = matches!(error, ReadModelError::Unavailable(_)) && places.postgres.is_some();
        if !may_come || begun.elapsed() > PATIENCE {
            return Err(anyhow!(error).context("no read model"));
        }
        tracing::warn!(%error, "waiting for the read model");
        sleep(Duration::from_secs(1)).await;
    }
    Ok(model)
}

/// From the events to the read model.
pub fn projection(store: &Arc<GuardedStore>, model: &Arc<dyn ReadModel>) -> ReadModelProjection {
    ReadModelProjection::new(
        Arc::clone(store) as Arc<_>,
        Arc::clone(model),
        ProjectionOptions::default(),
    )
}

/// Routes for questions, and the projection in the background.
pub fn start(
    parts: &mut Parts,
    store: &Arc<GuardedStore>,
    model: Arc<dyn ReadModel>,
    projection: Arc<ReadModelProjection>,
    observed: &Observed,
) -> anyhow::Result<Router> {
    let meter = Arc::new(LagMeter::new(
        Arc::clone(store) as Arc<_>,
        Arc::clone(&model),
    ));
    let service = Arc::new(QueryService::new(
        model,
        Arc::clone(&meter),
        QueryOptions::default(),
    )?);
    let guard = service.guard();
    observed.registry.add_breaker(guard.breaker());
    observed
        .registry
        .add_concurrency_queue("read-model", guard.places());
    let (measured, projected, asked) = (
        Arc::clone(&meter),
        Arc::clone(&projection),
        Arc::clone(&service),
    );
    observed.lane.add(move || {
        let mut values = lane::projection(projected.snapshot(), measured.latest());
        values.extend(lane::queries(asked.snapshot()));
        values
    });
    let group = ProjectionOptions::default().group;
    parts.watch_group(group, &observed.lane);
    let bus = Arc::clone(&parts.bus);
    parts.spawn("projection", async move { projection.run(&*bus).await });
    parts.spawn("lag meter", async move { meter.run(MEASURE).await });
    Ok(service.routes())
}
