//! `ResilientHttpClient`: requests to one server, which is left alone while it fails.

use fuseboard::{CircuitBreakerConfig, ResilientHttpClient};
use fuseboard_examples::{direct, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = serve(&["200 OK Ada", "503 Down -"])?;
    let config = CircuitBreakerConfig {
        minimum_requests: 4,
        ..Default::default()
    };
    let client = ResilientHttpClient::with_config("users", config)?.client(direct()?);
    for request in 1..=6 {
        match client.get(&format!("http://{server}/users/7")).await {
            Ok(user) => println!("{request}: {user}"),
            Err(error) if error.is_rejected() => println!("{request}: not sent: {error}"),
            Err(error) => println!("{request}: {error}"),
        }
    }
    println!("the breaker is {}", client.circuit_state().as_str());
    Ok(())
}
