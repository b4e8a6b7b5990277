//! The policies in code without futures.

use fuseboard::{
    Backoff, ByResult, CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, ConcurrencyQueue,
    Rate, RateLimit, Retry, RetryConfig, TokenBucketRateLimiter,
};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let breaker = CircuitBreaker::new("disk", CircuitBreakerConfig::default());
    let rate = TokenBucketRateLimiter::new(Rate::per_second(100), 1);
    let rate = RateLimit::new(rate).max_wait(Duration::from_secs(1));
    let places = ConcurrencyQueue::new(4)?.max_waiting(8);
    let retry = Retry::new(RetryConfig {
        backoff: Backoff::constant(Duration::from_millis(1)),
        ..Default::default()
    })?;

    let mut attempts = 0;
    let read = retry.call_blocking(&ByResult, || {
        attempts += 1;
        rate.acquire_blocking(1)
            .map_err(CircuitBreakerError::from)?;
        let _place = places
            .acquire_blocking()
            .map_err(CircuitBreakerError::from)?;
        breaker.call_blocking(|| match attempts {
            1 => Err(std::io::Error::other("try again")),
            _ => Ok("contents"),
        })
    })?;
    println!(
        "{read} at attempt {attempts}, {} failure counted",
        breaker.stats().failures
    );
    Ok(())
}
