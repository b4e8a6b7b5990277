//! What an operator does with the read side and the bus while the service runs: make the read model anew, and look after what was parked.

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{read, stores};
use crate::bus::{EventBus, RedisBus, RedisBusOptions};
use crate::settings::Places;

/// Parked events shown at once.
const SHOWN: u32 = 100;

/// Where, and what.
#[derive(Args)]
pub struct Operation {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    places: Places,
}

#[derive(Subcommand)]
enum What {
    /// Makes the read model anew beside the one that serves, which it then replaces.
    Rebuild,
    /// Shows the events that were put aside, each with the reason; of the read model, or of a group on the bus.
    Parked {
        /// A consumer group on the bus; needs --redis.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
    },
    /// Tries parked events again: all of an order of the read model, or one of a group on the bus.
    Unpark {
        /// The order whose events the read model has parked.
        #[arg(
            value_name = "ORDER",
            required_unless_present = "group",
            conflicts_with = "group"
        )]
        order_id: Option<Uuid>,
        /// A consumer group on the bus; needs --redis.
        #[arg(long, value_name = "NAME", requires = "position")]
        group: Option<String>,
        /// The position of the event on the bus.
        #[arg(long, requires = "group")]
        position: Option<u64>,
    },
}

/// Does it, and prints what came of it.
///
/// # Errors
/// A database or Redis is not there, or what was asked for cannot be done.
pub async fn operate(operation: Operation) -> anyhow::Result<()> {
    let places = &operation.places;
    match operation.what {
        What::Rebuild => {
            let (_database, store) = stores::event_store(places).await?;
            let model = read::open(places).await?;
            let edition = read::projection(&store, &model).rebuild().await?;
            let (number, position) = (edition.edition, edition.position);
            println!("edition {number} serves, at position {position}");
        }
        What::Parked { group: None } => {
            let model = read::open(places).await?;
            let (count, parked) = model.parked(SHOWN).await?;
            println!("{count} parked by the read model");
            for event in parked {
                println!(
                    "position {}  order {}  version {}  {}  since {}\n  {}",
                    event.position,
                    event.order_id,
                    event.version,
                    event.kind,
                    event.parked_at,
                    event.reason
                );
            }
        }
        What::Parked { group: Some(group) } => {
            let parked = bus(places)?.parked(&group).await?;
            println!("{} parked by the group {group}", parked.len());
            for parked in parked.iter().take(SHOWN as usize) {
                println!(
                    "position {}  order {}  {}  handed out {} times  since {}\n  {}",
                    parked.event.position,
                    parked.event.stream,
                    parked.event.kind,
                    parked.attempts,
                    parked.parked_at,
                    parked.reason
                );
            }
        }
        What::Unpark {
            order_id: Some(order_id),
            ..
        } => {
            let (_database, store) = stores::event_store(places).await?;
            let model = read::open(places).await?;
            if !read::projection(&store, &model).unpark(order_id).await? {
                bail!("no events of the order {order_id} are parked: see `parked`");
            }
            println!("the order {order_id} is up to date");
        }
        What::Unpark {
            group, position, ..
        } => {
            let (group, position) = (group.unwrap_or_default(), position.unwrap_or_default());
            if !bus(places)?.unpark(&group, position).await? {
                bail!(
                    "the group {group} has parked nothing at position {position}: see `parked --group {group}`"
                );
            }
            println!("position {position} is handed to the group {group} again");
        }
    }
    Ok(())
}

fn bus(places: &Places) -> anyhow::Result<Arc<dyn EventBus>> {
    let redis = places.redis.as_ref();
    let url = redis.context("the bus of another process is reached by --redis only")?;
    Ok(Arc::new(RedisBus::open(
        url.reveal(),
        &RedisBusOptions::default(),
    )?))
}
