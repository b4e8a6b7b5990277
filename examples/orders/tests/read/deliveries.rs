//! A bus hands out at least once, in any order, to several at once.

use std::sync::Arc;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::world::{World, on_both};

on_both!(
    twice_and_shuffled_is_as_good_as_once,
    several_at_once_apply_each_event_once,
);

async fn filled(world: &World, orders: u64) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for number in 0..orders {
        let order_id = world.create(Uuid::now_v7()).await?;
        ids.push(order_id);
        world.live(order_id, number).await?;
    }
    Ok(ids)
}

async fn twice_and_shuffled_is_as_good_as_once(world: World) -> Result<()> {
    let ids = filled(&world, 12).await?;
    let all = world.deliveries().await?;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut handed: Vec<_> = all.iter().chain(&all).cloned().collect();
        handed.shuffle(&mut random);
        let projection = world.projection();
        let mut rest = &handed[..];
        while !rest.is_empty() {
            let (batch, left) = rest.split_at(random.random_range(1..=rest.len().min(9)));
            projection.take(batch).await?;
            // And a batch that is handed out again at once.
            projection.take(batch).await?;
            rest = left;
        }
        world.assert_true(&ids).await?;
        let counted = projection.snapshot();
        if seed == 0 {
            assert_eq!(counted.applied, all.len() as u64);
            assert!(counted.filled > 0, "shuffled, there must have been holes");
        } else {
            assert_eq!(counted.applied, 0, "applied again");
        }
    }
    Ok(())
}

async fn several_at_once_apply_each_event_once(world: World) -> Result<()> {
    let ids = filled(&world, 20).await?;
    let all = world.deliveries().await?;
    let projections = [(); 3].map(|()| world.projection());
    let mut at_work = Vec::new();
    for (index, projection) in projections.iter().enumerate() {
        let (all, projection) = (all.clone(), Arc::clone(projection));
        at_work.push(tokio::spawn(async move {
            // Each is handed a part, as the consumers of a group are; they need each other's.
            for batch in all.chunks(4).skip(index).step_by(3) {
                projection.take(batch).await?;
            }
            anyhow::Ok(())
        }));
    }
    for one in at_work {
        one.await??;
    }
    world.assert_true(&ids).await?;
    let applied: u64 = projections.iter().map(|one| one.snapshot().applied).sum();
    assert_eq!(applied, all.len() as u64, "each event once, by one of them");
    Ok(())
}
