//! How a program with policies is tested: a dependency that follows a script, and time that a test moves.

use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitState, ManualClock, Nanos};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fuseboard::ConfigError> {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        half_open_requests: 1,
        ..Default::default()
    };
    let breaker = CircuitBreaker::with_clock("test", config, ManualClock::default())?;
    let service = ScriptedService::new([
        Scripted::Answer(Err("down")),
        Scripted::Answer(Err("down")),
        Scripted::Answer(Ok(7)),
    ]);
    for _ in 0..5 {
        let _ = breaker.call(service.call()).await;
    }
    println!(
        "{}: {} of 5 calls were made",
        breaker.state().as_str(),
        service.calls()
    );
    breaker.clock().advance(Nanos::from_secs(30));
    assert_eq!(breaker.call(service.call()).await, Ok(7));
    assert_eq!(breaker.state(), CircuitState::Closed);
    println!("half a minute later: {}", breaker.state().as_str());
    Ok(())
}
