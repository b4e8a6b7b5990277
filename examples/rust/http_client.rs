//! A guarded HTTP client with a fallback, against a server that it starts itself.

use fuseboard::{CircuitBreakerConfig, CircuitBreakerError, CircuitState, ResilientHttpClient};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
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
    let server = start_server()?;
    let config = CircuitBreakerConfig {
        minimum_requests: 4,
        open_timeout: Duration::from_millis(300),
        half_open_requests: 1,
        ..Default::default()
    };
    // The server is on this machine: no proxy in between.
    let direct = reqwest::Client::builder().no_proxy().build()?;
    let client = ResilientHttpClient::with_config("users", config)?.client(direct);
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

/// Answers two requests, fails the next two, then is well again.
fn start_server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for (served, mut stream) in listener.incoming().flatten().enumerate() {
            let request = BufReader::new(&stream).lines().map_while(Result::ok);
            request.take_while(|line| !line.is_empty()).for_each(drop);
            let failing = (2..4).contains(&served);
            let status = if failing { "503 Down" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 3");
            let _ = write!(stream, "{head}\r\n\r\nAda");
        }
    });
    Ok(address)
}
