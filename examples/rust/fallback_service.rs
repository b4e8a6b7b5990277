//! `FallbackService`: a second service answers while the first one fails, or is being left alone.

use fuseboard::{
    CallError, CircuitBreaker, CircuitBreakerConfig, FallbackService, OrService, Service,
};

struct Warehouse {
    is_up: bool,
}

impl Service<u64> for Warehouse {
    type Response = String;
    type Error = std::io::Error;

    async fn call(&self, article: u64) -> Result<String, std::io::Error> {
        if self.is_up {
            Ok(format!("article {article}: some left"))
        } else {
            Err(std::io::Error::other("the warehouse is closed"))
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CallError<std::io::Error>> {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let breaker = CircuitBreaker::new("primary", config);
    let (primary, second) = (Warehouse { is_up: false }, Warehouse { is_up: true });
    let stock = FallbackService::new(primary, OrService(second), breaker);
    for article in 1..=3 {
        let answer = stock.call(article).await?;
        println!(
            "{answer} (first warehouse: {})",
            stock.breaker().state().as_str()
        );
    }
    Ok(())
}
