//! A second read model beside the one that serves.

use std::sync::Arc;

use anyhow::Result;
use orders::projection::ReadModel;
use uuid::Uuid;

use crate::world::{World, on_both};

on_both!(
    a_rebuild_equals_what_was_live_while_events_arrive,
    a_rebuild_that_was_dropped_goes_on,
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

async fn rows(
    model: &Arc<dyn ReadModel>,
    ids: &[Uuid],
) -> Result<Vec<orders::projection::OrderRow>> {
    let active = model.active().await?.edition;
    let mut rows = model.rows(active, ids).await?;
    rows.sort_by_key(|row| row.order_id);
    Ok(rows)
}
