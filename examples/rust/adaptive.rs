//! A limit that finds itself: it shrinks while calls time out, and grows while they are fast.

use fuseboard::{AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Nanos, Outcome};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
        .initial_limit(20)
        .window(Nanos::from_millis(1))
        .min_samples(1);
    let limit = AdaptiveLimit::new(config)?;
    for (what, outcome) in [
        ("timed out", Outcome::Failure),
        ("were fast", Outcome::Success),
    ] {
        for _ in 0..10 {
            // The limit grows only while it is used.
            let places = (0..limit.limit()).map(|_| limit.try_acquire());
            let places = places.collect::<Result<Vec<_>, _>>()?;
            std::thread::sleep(std::time::Duration::from_millis(1));
            for place in places {
                place.settle(outcome);
            }
        }
        println!("after calls that {what}: {} at once", limit.limit());
    }
    Ok(())
}
