//! A token bucket, and a caller that waits exactly as long as it is told to.

use fuseboard::{Rate, Rejected, TokenBucketRateLimiter};
use std::time::{Duration, Instant};

/// Takes a token, however long it takes.
fn wait_for_token(limiter: &TokenBucketRateLimiter) -> Result<(), Rejected> {
    loop {
        match limiter.try_acquire() {
            Ok(()) => return Ok(()),
            Err(rejected) => match rejected.retry_after {
                Some(wait) => std::thread::sleep(Duration::from(wait)),
                None => return Err(rejected),
            },
        }
    }
}

fn main() -> Result<(), Rejected> {
    // Twenty a second on average, four at once.
    let limiter = TokenBucketRateLimiter::new(Rate::per_second(20), 4);
    let started = Instant::now();

    let at_once = (0..10).filter(|_| limiter.try_acquire().is_ok()).count();
    println!("{at_once} of 10 requests passed at once");

    for request in 1..=5 {
        wait_for_token(&limiter)?;
        println!(
            "request {request} passed after {} ms",
            started.elapsed().as_millis()
        );
    }

    // Five tokens at a time can never be had from a bucket that holds four.
    let never = limiter
        .try_acquire_many(5)
        .expect_err("more than the burst");
    println!("five at once: {never}");
    Ok(())
}
