//! Callers wait for their turn, first come, first served; whose turn would come too late is told at once.

use fuseboard::{Rate, RateLimit, TokenBucketRateLimiter};
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = TokenBucketRateLimiter::new(Rate::per_second(50), 2);
    let limit = RateLimit::new(bucket).max_wait(Duration::from_millis(90));
    let started = Instant::now();
    let callers: Vec<_> = (1..=12)
        .map(|caller| {
            let limit = limit.clone();
            tokio::spawn(async move { (caller, limit.acquire(1).await) })
        })
        .collect();
    for caller in callers {
        match caller.await? {
            (caller, Ok(())) => println!("{caller}: after {} ms", started.elapsed().as_millis()),
            (caller, Err(rejected)) => println!("{caller}: {rejected}"),
        }
    }
    Ok(())
}
