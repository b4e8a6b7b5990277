//! What is shown, beside a rebuild of it.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::Line;
use super::events::Events;
use crate::projection::{ReadModel, ReadModelProjection};

/// Orders asked for at once.
const PAGE: usize = 500;

/// One order as it is shown.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    version: u64,
    user_id: Uuid,
    body: Value,
    created_position: u64,
    last_position: u64,
}

pub(super) async fn check(
    events: &Events,
    model: &dyn ReadModel,
    projection: &ReadModelProjection,
) -> anyhow::Result<Line> {
    let served = model.active().await?;
    let before = rows(events, model, served.edition).await?;
    let (parked, _) = model.parked(1).await?;
    let rebuilt = projection.rebuild().await?;
    let after = rows(events, model, rebuilt.edition).await?;
    let mut wrong = Vec::new();
    if parked > 0 {
        wrong.push(format!("{parked} events are put aside"));
    }
    for (id, told) in &events.orders {
        let Some(order) = &told.order else {
            continue;
        };
        let stored = Shown {
            version: told.version,
            user_id: order.user_id,
            body: serde_json::to_value(order)?,
            created_position: told.first_position,
            last_position: told.last_position,
        };
        for (what, rows) in [("shown", &before), ("rebuilt", &after)] {
            match rows.get(id) {
                None => wrong.push(format!("order {id} is stored and not {what}")),
                Some(row) if *row != stored => wrong.push(format!(
                    "order {id} is {what} as {} at version {}, stored as {} at version {}",
                    row.body["status"],
                    row.version,
                    order.status.word(),
                    told.version
                )),
                Some(_) => {}
            }
        }
    }
    Ok(Line {
        name: "read model",
        found: format!(
            "{} orders, as a rebuild makes them and as the events say",
            before.len()
        ),
        wrong,
    })
}

async fn rows(
    events: &Events,
    model: &dyn ReadModel,
    edition: u64,
) -> anyhow::Result<BTreeMap<Uuid, Shown>> {
    let ids: Vec<Uuid> = events.orders.keys().copied().collect();
    let mut found = BTreeMap::new();
    for page in ids.chunks(PAGE) {
        for row in model.rows(edition, page).await? {
            let shown = Shown {
                version: row.version,
                user_id: row.user_id,
                body: row.body,
                created_position: row.created_position,
                last_position: row.last_position,
            };
            found.insert(row.order_id, shown);
        }
    }
    Ok(found)
}
