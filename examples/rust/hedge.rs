//! A slow read is made a second time beside the first, and the faster one counts.

use fuseboard::{Hedge, RetryBudget};
use std::cell::Cell;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hedge = Hedge::new(Duration::from_millis(20))?.budget(RetryBudget::default());
    let reads = Cell::new(0);
    let read = async || {
        reads.set(reads.get() + 1);
        // The first replica is having a bad day.
        let pause = if reads.get() == 1 { 10_000 } else { 1 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok::<_, std::io::Error>("row 7")
    };
    let started = Instant::now();
    let row = hedge.call(read).await?;
    let fast = started.elapsed() < Duration::from_secs(5);
    println!("{row} after {} reads, fast: {fast}", reads.get());
    Ok(())
}
