//! While a service is down, what it answered last stands in for it.

use fuseboard::{CircuitBreaker, CircuitBreakerConfig, FallbackService, LastGood};
use fuseboard_examples::{direct, serve};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, client) = (serve(&["200 OK 21°", "503 Down -"])?, direct()?);
    let weather = async |city: &'static str| {
        let url = format!("http://{server}/{city}");
        client
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await
    };
    let seen = LastGood::new(1_000, Duration::from_secs(3600))?;
    let breaker = CircuitBreaker::new("weather", CircuitBreakerConfig::default());
    let weather = FallbackService::new(weather, seen, breaker);
    println!("Paris: {}", weather.call("paris").await?);
    println!("Paris: {} (as of before)", weather.call("paris").await?);
    println!(
        "Oslo: {}",
        weather.call("oslo").await.expect_err("never seen")
    );
    Ok(())
}
