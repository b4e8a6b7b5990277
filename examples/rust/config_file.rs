//! Breakers and limits from a file, which is changed while they run.
//!
//! A service polls `watch` from a timer, or calls `watch.reload()` when it gets SIGHUP.

use fuseboard::config::{Config, Policies, Watch};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/shop.toml");
    let file = std::env::temp_dir().join(format!("shop-{}.toml", std::process::id()));
    std::fs::copy(&shop, &file)?;

    let config = Config::from_path(&file)?;
    for warning in config.warnings() {
        println!("{warning}");
    }
    let policies = Policies::from_config(&config)?;
    let mut watch = Watch::new(&file, &policies);

    let cache = policies.breaker("cache").ok_or("the file has no cache")?;
    while let Ok(permit) = cache.try_acquire() {
        permit.failure();
    }
    println!("the cache fails: {:?}", cache.state());

    // Somebody edits the file.
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("rate = \"100/s\"", "rate = \"200/s\""))?;
    if let Some(reloaded) = watch.poll() {
        println!("reloaded: {}", reloaded?);
    }
    println!("and the cache is still {:?}", cache.state());

    // And makes a mistake: the old settings stay.
    std::fs::write(&file, "[breakers.cache]\nopen_timout = \"5s\"\n")?;
    if let Some(Err(error)) = watch.poll() {
        let shown = error.to_string();
        println!(
            "refused: {}",
            shown.replace(&*file.to_string_lossy(), "shop.toml")
        );
    }
    std::fs::remove_file(&file)?;
    Ok(())
}
