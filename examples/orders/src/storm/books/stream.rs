//! What is on the bus: every event's position, once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use redis::AsyncCommands;
use redis::streams::StreamRangeReply;
use tokio::time::timeout;

use super::Line;
use super::events::Events;
use crate::bus::RedisBusOptions;

/// Entries read at once.
const PAGE: usize = 1_000;
/// How long Redis may take for a page.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn check(events: &Events, url: &str) -> anyhow::Result<Line> {
    let connecting = redis::Client::open(url)?;
    let connecting = connecting.get_multiplexed_async_connection();
    let mut connection = timeout(PATIENCE, connecting).await.context("Redis")??;
    let stream = RedisBusOptions::default().prefix;
    let (mut published, mut wrong) = (BTreeSet::new(), Vec::new());
    let (mut start, mut last) = ("-".to_owned(), 0);
    loop {
        let asked = connection.xrange_count(&stream, &start, "+", PAGE);
        let page: StreamRangeReply = timeout(PATIENCE, asked).await.context("Redis")??;
        let Some(end) = page.ids.last() else {
            break;
        };
        start = format!("({}", end.id);
        for entry in &page.ids {
            let position = entry
                .id
                .strip_suffix("-0")
                .and_then(|number| number.parse::<u64>().ok());
            match position {
                None => wrong.push(format!("entry {} has no position for an id", entry.id)),
                Some(position) if position <= last || !published.insert(position) => {
                    wrong.push(format!(
                        "position {position} is there twice or out of order"
                    ));
                }
                Some(position) => last = position,
            }
        }
    }
    // A stream that lost its beginning was begun again behind what everybody had.
    let first = published.first().copied().unwrap_or(u64::MAX);
    let stored: BTreeSet<u64> = events.positions.iter().copied().collect();
    for missing in stored.range(first..).filter(|one| !published.contains(one)) {
        wrong.push(format!(
            "position {missing} is stored and was never published"
        ));
    }
    for unknown in published.difference(&stored) {
        wrong.push(format!(
            "position {unknown} was published and is not stored"
        ));
    }
    if published.is_empty() && !stored.is_empty() {
        wrong.push("nothing was published".to_owned());
    }
    Ok(Line {
        name: "bus",
        found: format!("{} positions, each published once", published.len()),
        wrong,
    })
}
