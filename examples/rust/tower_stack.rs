//! The same policies as tower layers.

use fuseboard::tower::{BreakerLayer, ConcurrencyLayer, TimeoutLayer, refused};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, ConcurrencyQueue, Timeout};
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let mut service = ServiceBuilder::new()
        .layer(BreakerLayer::new(CircuitBreaker::new("search", config)))
        .layer(ConcurrencyLayer::new(
            ConcurrencyQueue::new(8)?.max_waiting(16),
        ))
        .layer(TimeoutLayer::new(Timeout::new(Duration::from_millis(20))?))
        .service(service_fn(async |query: &'static str| {
            if query == "slow" {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Ok::<_, std::io::Error>(format!("found {query}"))
        }));
    for query in ["rust", "slow", "slow", "rust"] {
        match service.ready().await?.call(query).await {
            Ok(found) => println!("{found}"),
            Err(error) if refused(&*error).is_some() => println!("{query}: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
