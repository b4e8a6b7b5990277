//! A second read model beside the one that serves.

use std::sync::Arc;

use anyhow::Result;
use orders::projection::{Batch, ProjectionError, ROW_SCHEMA, ReadModel};
use uuid::Uuid;

use crate::world::{World, on_both};

on_both!(
    a_rebuild_equals_what_was_live_while_events_arrive,
    a_rebuild_that_was_dropped_goes_on,
    an_edition_that_is_behind_does_not_serve,
    rows_of_another_shape_are_made_anew_or_left_alone,
);

async fn a_rebuild_equals_what_was_live_while_events_arrive(world: World) -> Result<()> {
    let world = Arc::new(world);
    let projection = world.projection();
    let (bus, _relay) = world.bus(&projection);
    let running = Arc::clone(&projection);
    tokio::spawn(async move { running.run(&bus).await });
    let writing = Arc::clone(&world);
    let writer = tokio::spawn(async move {
        let mut ids = Vec::new();
        for number in 0..30 {
            let order_id = writing.create(Uuid::now_v7()).await?;
            writing.live(order_id, number).await?;
            ids.push(order_id);
        }
        anyhow::Ok(ids)
    });
    // Meanwhile who reads never sees the checkpoint go back, whichever read model it is of.
    let (watched, model) = (Arc::clone(&world), Arc::clone(&world.model));
    let reader = tokio::spawn(async move {
        let mut last = 0;
        loop {
            if let Ok(active) = model.active().await {
                assert!(active.position >= last, "{} after {last}", active.position);
                last = active.position;
                if let Ok(heads) = watched.store.heads().await
                    && last >= heads.head
                    && last >= 100
                {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    });
    let mut rebuilt = Vec::new();
    while !writer.is_finished() {
        rebuilt.push(projection.rebuild().await?.edition);
    }
    let ids = writer.await??;
    world.caught_up().await?;
    world.assert_true(&ids).await?;
    reader.await?;
    let live = rows(&world.model, &ids).await?;
    // Once more, now that nothing arrives.
    rebuilt.push(projection.rebuild().await?.edition);
    assert_eq!(rows(&world.model, &ids).await?, live);
    assert!(rebuilt.is_sorted_by(|a, b| a < b), "{rebuilt:?}");
    assert!(!world.model.delete_retired(1).await?, "something was left");
    assert_eq!(projection.snapshot().rebuilds, rebuilt.len() as u64);
    Ok(())
}

async fn a_rebuild_that_was_dropped_goes_on(world: World) -> Result<()> {
    let mut ids = Vec::new();
    for number in 0..25 {
        let order_id = world.create(Uuid::now_v7()).await?;
        world.live(order_id, number).await?;
        ids.push(order_id);
    }
    world.project(&world.projection()).await?;
    let old = world.model.active().await?;
    let mut dropped = 0;
    // Each gets a little further, or not; none does harm.
    for micros in (200..).step_by(700) {
        let projection = world.projection();
        let patience = std::time::Duration::from_micros(micros);
        if tokio::time::timeout(patience, projection.rebuild())
            .await
            .is_ok()
        {
            break;
        }
        dropped += 1;
        let active = world.model.active().await?;
        assert_eq!(active.position, old.position);
        world.assert_true(&ids).await?;
    }
    assert!(dropped > 0);
    assert!(world.model.active().await?.edition > old.edition);
    world.assert_true(&ids).await
}

async fn an_edition_that_is_behind_does_not_serve(world: World) -> Result<()> {
    world.create(Uuid::now_v7()).await?;
    let projection = world.projection();
    world.project(&projection).await?;
    let active = world.model.active().await?;
    let building = world.model.building(ROW_SCHEMA).await?;
    assert!(building.position < active.position);
    assert!(!world.model.activate(building.edition).await?);
    assert_eq!(world.model.active().await?.edition, active.edition);
    // The rebuild goes on with it.
    assert_eq!(projection.rebuild().await?.edition, building.edition);
    // The one it has replaced is no longer written to, whoever has read it before.
    let late = Batch {
        edition: active.edition,
        revision: active.revision,
        position: active.position + 1,
        rows: Vec::new(),
        parked: Vec::new(),
        unparked: Vec::new(),
    };
    assert!(!world.model.commit(&late).await?);
    assert!(!world.model.activate(active.edition).await?);
    Ok(())
}

async fn rows_of_another_shape_are_made_anew_or_left_alone(world: World) -> Result<()> {
    let order_id = world.create(Uuid::now_v7()).await?;
    world.settled().await?;
    let projection = world.projection();
    // Of a program that is newer: not ours to write.
    let newer = world.model.building(ROW_SCHEMA + 1).await?;
    world.model.active_or_new(ROW_SCHEMA).await?;
    assert!(world.model.activate(newer.edition).await?);
    let refused = projection.catch_up().await;
    assert!(
        matches!(refused, Err(ProjectionError::Schema { found }) if found == ROW_SCHEMA + 1),
        "{refused:?}"
    );
    assert_eq!(world.model.active().await?.position, 0);
    // Of one that is older: made anew by whoever follows the bus.
    let older = world.model.building(ROW_SCHEMA - 1).await?;
    assert!(world.model.activate(older.edition).await?);
    let (bus, _relay) = world.bus(&projection);
    let running = Arc::clone(&projection);
    tokio::spawn(async move { running.run(&bus).await });
    world.caught_up().await?;
    assert_eq!(world.model.active().await?.schema_version, ROW_SCHEMA);
    world.assert_true(&[order_id]).await
}

async fn rows(
    model: &Arc<dyn ReadModel>,
    ids: &[Uuid],
) -> Result<Vec<orders::projection::OrderRow>> {
    let active = model.active().await?.edition;
    let mut rows = model.rows(active, ids).await?;
    rows.sort_by_key(|row| row.order_id);
    Ok(rows)
}
