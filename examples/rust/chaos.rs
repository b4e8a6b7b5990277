//! Every fifth call fails on purpose, the same ones in each run: do retries hide it?

use fuseboard::{Backoff, Chaos, ChaosConfig, Pipeline, RetryConfig};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chaos = Chaos::new(ChaosConfig {
        faults: 0.2,
        seed: Some(7),
        ..Default::default()
    })?;
    let retry = RetryConfig {
        max_attempts: 6,
        backoff: Backoff::constant(Duration::from_nanos(1)),
        ..Default::default()
    };
    let bare = Pipeline::builder().chaos(chaos.clone()).build()?;
    let retried = Pipeline::builder()
        .retry(retry)
        .chaos(chaos.clone())
        .build()?;
    chaos.switch(true);
    for (what, pipeline) in [("bare", bare), ("with retries", retried)] {
        let mut failed = 0;
        for _ in 0..100 {
            let call = pipeline.call(async || Ok::<_, std::io::Error>(())).await;
            failed += u32::from(call.is_err());
        }
        println!("{what}: {failed} of 100 failed");
    }
    Ok(())
}
