//! Several policies around a call, in the recommended order.

use fuseboard::{
    ByReqwest, CircuitBreaker, CircuitBreakerConfig, ConcurrencyQueue, Pipeline, Rate, RateLimit,
    RetryConfig, TokenBucketRateLimiter,
};
use fuseboard_examples::{direct, serve};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, client) = (serve(&["503 Busy -", "200 OK Ada"])?, direct()?);
    let pipeline = Pipeline::builder()
        .classify(ByReqwest) // what counts as a failure, and what may be repeated
        .timeout(Duration::from_secs(5)) // for all attempts
        .retry(RetryConfig::default())
        // These three are asked as one: all admit, or none was asked.
        .breaker(CircuitBreaker::new(
            "users",
            CircuitBreakerConfig::default(),
        ))
        .rate_limit(RateLimit::new(TokenBucketRateLimiter::new(
            Rate::per_second(100),
            10,
        )))
        .concurrency(ConcurrencyQueue::new(16)?.max_waiting(32))
        .timeout(Duration::from_secs(1)) // for each attempt
        .build()?;
    let get = || client.get(format!("http://{server}/users/7")).send();
    let response = pipeline.call(get).await?;
    println!("{} {}", response.status(), response.text().await?);

    // An order that cannot work is refused.
    let wrong = Pipeline::builder()
        .timeout(Duration::from_secs(1))
        .timeout(Duration::from_secs(2));
    println!(
        "{}",
        wrong
            .build()
            .expect_err("the inner timeout never ends first")
    );
    Ok(())
}
