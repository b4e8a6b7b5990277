//! A breaker for each host, for a bounded number of hosts.

use fuseboard::{CircuitBreakerConfig, Keyed};

fn main() -> Result<(), fuseboard::ConfigError> {
    let config = CircuitBreakerConfig {
        minimum_requests: 1,
        ..Default::default()
    };
    let hosts = Keyed::breakers(config, 100)?;
    let down = hosts
        .get("down.example.com")
        .call_blocking(|| Err::<(), _>("no route"));
    println!("down.example.com: {}", down.expect_err("it is down"));
    for crowd in 0..100_000 {
        let _ = hosts.get(&format!("{crowd}.example.com"));
    }
    println!("{} hosts kept", hosts.len());
    for host in ["down.example.com", "up.example.com"] {
        println!("{host} is {}", hosts.get(host).state().as_str());
    }
    Ok(())
}
