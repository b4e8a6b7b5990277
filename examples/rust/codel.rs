//! A burst waits in line and is served; when the line stands, calls that have waited too long are shed instead of being served too late.

use fuseboard::{CoDel, ConcurrencyQueue, TokioClock};
use std::time::Duration;

/// So many calls at once, each of 10 ms, for one place; how many were served.
async fn served(queue: &ConcurrencyQueue, calls: usize) -> usize {
    let calls: Vec<_> = (0..calls)
        .map(|_| {
            let queue = queue.clone();
            let work = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok::<_, std::io::Error>(())
            };
            tokio::spawn(async move { queue.call(work).await })
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.is_ok_and(|answer| answer.is_ok()));
    }
    served
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (target, interval) = (Duration::from_millis(5), Duration::from_millis(100));
    let queue = ConcurrencyQueue::new(1)?
        .max_waiting(100)
        .shed_by(CoDel::with_clock(target, interval, TokioClock)?);
    println!("of a burst of 5, {} were served", served(&queue, 5).await);
    let of_60 = served(&queue, 60).await;
    println!("of 60 in a line that stands, {of_60} were served");
    assert!(of_60 < 60, "a line of 600 ms stands");
    Ok(())
}
