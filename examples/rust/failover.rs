//! Two regions: the second one answers while the first is down, and nobody asks a region that keeps failing.

use fuseboard::{CircuitBreakerConfig, Failover};

async fn get(region: &str) -> Result<String, std::io::Error> {
    println!("  asking {region}");
    tokio::task::yield_now().await; // the way there
    match region {
        "eu-west" => Err(std::io::Error::other("unreachable")),
        region => Ok(format!("hello from {region}")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let regions = Failover::new(["eu-west", "us-east"], config)?;
    for _ in 0..3 {
        println!("{}", regions.call(|region| get(region)).await?);
    }
    Ok(())
}
