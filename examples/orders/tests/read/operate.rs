//! What an operator sees and does: `orders operate`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use orders::bus::{BusOptions, EventBus};
use orders::engine::RedisEngine;
use orders::order::SCHEMA_VERSION;
use serde_json::json;
use uuid::Uuid;

use crate::bus::redis_bus;
use crate::world::{World, new_event};

/// Whether it went well, and what it said.
fn operate(data: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_orders"))
        .args(["operate", "--data"])
        .arg(data)
        .args(arguments)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(said)?))
}

#[tokio::test]
async fn an_operator_sees_what_is_parked_and_makes_the_read_model_anew() -> Result<()> {
    let world = World::sqlite().await?;
    let data = world.folder.as_ref().context("no folder")?.path();
    let order_id = world.create(Uuid::now_v7()).await?;
    let strange = new_event("OrderVanished", SCHEMA_VERSION + 1, json!({}));
    world.store.append(order_id, 1, &[strange], None).await?;
    world.project(&world.projection()).await?;

    let (is_well, said) = operate(data, &["parked"])?;
    assert!(is_well, "{said}");
    for part in [
        "1 parked by the read model",
        "position 2",
        &order_id.to_string(),
        "OrderVanished",
        "versions 1 to 2 are known",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    // It cannot be read yet, and stays.
    let (is_well, said) = operate(data, &["unpark", &order_id.to_string()])?;
    assert!(
        !is_well && said.contains("position 2 cannot be applied"),
        "{said}"
    );
    let nobody = Uuid::now_v7().to_string();
    let (is_well, said) = operate(data, &["unpark", &nobody])?;
    assert!(
        !is_well && said.contains("no events of the order"),
        "{said}"
    );

    let before = world.model.active().await?.edition;
    let (is_well, said) = operate(data, &["rebuild"])?;
    let active = world.model.active().await?;
    let expected = format!("edition {} serves, at position 2\n", active.edition);
    assert_eq!((is_well, said.as_str()), (true, expected.as_str()));
    assert!(active.edition > before);
    Ok(())
}

#[tokio::test]
async fn an_operator_hands_a_parked_event_to_its_group_again() -> Result<()> {
    let world = World::sqlite().await?;
    let data = world.folder.as_ref().context("no folder")?.path();
    world.create(Uuid::now_v7()).await?;
    let engine = RedisEngine::start().await?;
    let bus = redis_bus(&engine, BusOptions::default())?;
    bus.publish(0, &world.store.read_all(0, 10).await?).await?;
    let mut consumer = bus.subscribe("mail", "one").await?;
    let wait = Duration::from_millis(100);
    let handed = consumer.next(1, wait).await?;
    consumer.park(&handed[0], "no such address").await?;

    let url = engine.url();
    let on_redis = |arguments: &[&str]| operate(data, &[&["--redis", &url], arguments].concat());
    let (is_well, said) = on_redis(&["parked", "--group", "mail"])?;
    assert!(
        is_well && said.contains("position 1 ") && said.contains("no such address"),
        "{said}"
    );
    let unpark = ["unpark", "--group", "mail", "--position", "1"];
    let (is_well, said) = on_redis(&unpark)?;
    assert!(is_well, "{said}");
    assert_eq!(consumer.next(1, wait).await?.len(), 1);
    let (is_well, said) = on_redis(&unpark)?;
    assert!(!is_well && said.contains("has parked nothing"), "{said}");
    let (is_well, said) = operate(data, &unpark)?;
    assert!(!is_well && said.contains("--redis"), "{said}");
    Ok(())
}
