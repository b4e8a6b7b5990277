//! Every layer in tower's own builder, on paused time.

#[path = "../policies/drops.rs"]
mod drops;

mod layers;
mod reserving;
mod shared;
mod stacks;

use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::tower::{BoxError, Refused, refused};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, PolicyKind, TokioClock};
use std::io;
use std::pin::Pin;

type Breaker = CircuitBreaker<TokioClock>;
type Script = ScriptedService<u32, String>;

fn breaker(minimum_requests: u64) -> Breaker {
    let config = CircuitBreakerConfig {
        minimum_requests,
        half_open_requests: 1,
        ..Default::default()
    };
    CircuitBreaker::with_clock("test", config, TokioClock).unwrap()
}

type Response = Pin<Box<dyn Future<Output = Result<u32, io::Error>> + Send>>;

/// A tower service that does what the script says.
fn scripted(
    script: &Script,
) -> impl tower::Service<u32, Response = u32, Error = io::Error, Future = Response>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let script = script.clone();
    tower::service_fn(move |_: u32| {
        let script = script.clone();
        Box::pin(async move { script.call().await.map_err(io::Error::other) }) as Response
    })
}

fn answer(result: Result<u32, &str>) -> Scripted<u32, String> {
    Scripted::Answer(result.map_err(str::to_owned))
}

fn script<const N: usize>(lines: [Scripted<u32, String>; N]) -> Script {
    Script::new(lines)
}

fn rejected_by(error: &BoxError) -> Option<PolicyKind> {
    match refused(&**error) {
        Some(Refused::Rejected { policy, .. }) => Some(*policy),
        _ => None,
    }
}
