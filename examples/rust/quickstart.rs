//! A breaker around a function that can fail.

use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState};
use std::io;
use std::time::Duration;

/// Stands for anything that can fail: a query, a file share, a device.
fn read_sensor(connected: bool) -> io::Result<f64> {
    if connected {
        Ok(21.5)
    } else {
        Err(io::Error::other("the sensor is disconnected"))
    }
}

fn main() {
    let breaker = CircuitBreaker::new(
        "sensor",
        CircuitBreakerConfig {
            minimum_requests: 4,
            open_timeout: Duration::from_millis(300),
            half_open_requests: 1,
            ..Default::default()
        },
    );
    breaker.on_transition(|change| println!("{} → {}: {}", change.from, change.to, change.cause));

    for attempt in 1..=6 {
        match breaker.call_blocking(|| read_sensor(false)) {
            Ok(value) => println!("{attempt}: {value} °C"),
            Err(CircuitBreakerError::OperationFailed(error)) => println!("{attempt}: {error}"),
            // Not called: no waiting, and the sensor is left in peace.
            Err(rejected) => println!("{attempt}: {rejected}"),
        }
    }
    assert_eq!(breaker.state(), CircuitState::Open);

    // Once the open time is over, one call goes through as a probe and decides.
    std::thread::sleep(Duration::from_millis(350));
    let value = breaker
        .call_blocking(|| read_sensor(true))
        .expect("connected again");
    println!("7: {value} °C");
    assert_eq!(breaker.state(), CircuitState::Closed);
}
