//! Pages of a list that grows while it is read.

use anyhow::{Context, Result};
use axum::Extension;
use orders::auth::Scope;
use uuid::Uuid;

use crate::end_to_end::{get, identity, service};
use crate::world::{World, on_both};

on_both!(pages_show_each_order_once_while_others_are_made);

async fn pages_show_each_order_once_while_others_are_made(world: World) -> Result<()> {
    let projection = world.projection();
    let [user, other] = [Uuid::now_v7(), Uuid::now_v7()];
    let mut expected = Vec::new();
    for number in 0..23 {
        expected.push(world.create(user).await?);
        if number % 4 == 0 {
            world.create(other).await?;
        }
    }
    expected.reverse();
    world.project(&projection).await?;
    let (service, _) = service(&world)?;
    let asks = identity(Some(user), &[Scope::OrdersRead]);
    let routes = service.routes().layer(Extension(asks));
    let mut seen: Vec<Uuid> = Vec::new();
    let mut path = format!("/users/{user}/orders?limit=5");
    loop {
        let (status, _, body) = get(&routes, &path).await?;
        assert_eq!(status, 200, "{body}");
        let page = body["orders"].as_array().context("no orders")?;
        assert!(page.len() <= 5);
        for order in page {
            seen.push(order["order_id"].as_str().context("no id")?.parse()?);
        }
        // New orders, changed ones, and a whole new read model between two pages.
        let newer = world.create(user).await?;
        world.live(newer, 3).await?;
        world.live(expected[seen.len() % expected.len()], 1).await?;
        world.project(&projection).await?;
        projection.rebuild().await?;
        let Some(cursor) = body["next_cursor"].as_str() else {
            break;
        };
        path = format!("/users/{user}/orders?limit=5&cursor={cursor}");
    }
    assert_eq!(seen, expected);
    Ok(())
}
