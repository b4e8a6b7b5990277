//! Two queries at once, three more may wait in line; one too many is rejected.

use fuseboard::ConcurrencyQueue;
use std::time::Duration;

async fn query(number: u32) -> Result<u32, std::io::Error> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(number)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = ConcurrencyQueue::new(2)?
        .max_waiting(3)
        .max_wait(Duration::from_secs(1));
    let queries: Vec<_> = (1..=6)
        .map(|number| {
            let database = database.clone();
            tokio::spawn(async move { database.call(query(number)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    println!(
        "{} at once, {} in line",
        database.in_flight(),
        database.waiting()
    );
    for query in queries {
        match query.await? {
            Ok(number) => println!("query {number} done"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
