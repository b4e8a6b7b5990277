//! A breaker around a call with `reqwest`.

use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError};
use fuseboard_examples::{direct, serve};

async fn call_external_service_with_circuit_breaker(
    circuit_breaker: &CircuitBreaker,
    client: &reqwest::Client,
    url: &str,
) -> Result<String, CircuitBreakerError<reqwest::Error>> {
    let call = async {
        // Without this line a 503 would be a success.
        let response = client.get(url).send().await?.error_for_status()?;
        response.text().await
    };
    circuit_breaker.call(call).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = format!("http://{}/", serve(&["200 OK hello", "503 Down -"])?);
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let (breaker, client) = (CircuitBreaker::new("external", config), direct()?);
    for _ in 0..3 {
        match call_external_service_with_circuit_breaker(&breaker, &client, &url).await {
            Ok(body) => println!("answered: {body}"),
            Err(CircuitBreakerError::OperationFailed(error)) => println!("failed: {error}"),
            Err(rejected) => println!("not called: {rejected}"),
        }
    }
    Ok(())
}
