//! A guarded HTTP client with a fallback, against a server that it starts itself.

use fuseboard::{CircuitBreakerConfig, CircuitBreakerError, CircuitState, ResilientHttpClient};
use fuseboard_examples::{direct, serve};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The user from the service, or the last one seen while the service is being left alone.
async fn get_user_with_fallback(
    client: &ResilientHttpClient,
    server: SocketAddr,
    id: u64,
    cache: &mut HashMap<u64, String>,
) -> Result<String, CircuitBreakerError<reqwest::Error>> {
    match client.get(&format!("http://{server}/users/{id}")).await {
        Ok(user) => {
            cache.insert(id, user.clone());
            Ok(user)
        }
        Err(rejected) if rejected.is_rejected() && cache.contains_key(&id) => {
            Ok(format!("{} (cached)", cache[&id]))
        }
        Err(error) => Err(error),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // It answers two requests, fails the next two, then is well again.
    let server = serve(&[
        "200 OK Ada",
        "200 OK Ada",
        "503 Down -",
        "503 Down -",
        "200 OK Ada",
    ])?;
    let config = CircuitBreakerConfig {
        minimum_requests: 4,
        open_timeout: Duration::from_millis(300),
        half_open_requests: 1,
        ..Default::default()
    };
    let client = ResilientHttpClient::with_config("users", config)?.client(direct()?);
    let mut cache = HashMap::new();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for attempt in 1..=8 {
            match get_user_with_fallback(&client, server, 7, &mut cache).await {
                Ok(user) => println!("{attempt}: {user}"),
                Err(error) => println!("{attempt}: {error}"),
            }
        }
        assert_eq!(client.circuit_state(), CircuitState::Open);

        tokio::time::sleep(Duration::from_millis(350)).await;
        let user = get_user_with_fallback(&client, server, 7, &mut cache).await?;
        println!("9: {user}");
        assert_eq!(client.circuit_state(), CircuitState::Closed);
        Ok(())
    })
}
