//! A backend takes ten calls in a hundred; the client soon keeps most of the others to itself.

use fuseboard::{CallError, ClientThrottle, ClientThrottleConfig};
use std::cell::Cell;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let throttle = ClientThrottle::new(ClientThrottleConfig::new().multiplier(2.0))?;
    let reached = Cell::new(0);
    let backend = async || {
        reached.set(reached.get() + 1);
        if reached.get() % 10 == 0 {
            Ok("geocoded")
        } else {
            Err("overloaded")
        }
    };
    let mut kept = 0;
    for _ in 0..1_000 {
        if let Err(CallError::Rejected { .. }) = throttle.call(backend()).await {
            kept += 1;
        }
    }
    let (requests, accepts) = throttle.counts();
    println!("{requests} requests: {kept} kept, {accepts} accepted");
    assert!(
        kept > 500,
        "four of five calls are refused: most are not worth making"
    );
    assert_eq!(kept + reached.get(), 1_000);
    Ok(())
}
