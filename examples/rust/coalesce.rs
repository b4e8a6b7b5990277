//! A hundred callers want the same at once; it is loaded once.

use fuseboard::Coalesce;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loads, loaded) = (Coalesce::new(), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (loads, loaded) = (loads.clone(), Arc::clone(&loaded));
            let load = async move || {
                tokio::task::yield_now().await;
                loaded.fetch_add(1, Ordering::Relaxed);
                "the report"
            };
            tokio::spawn(async move { loads.call("report", load).await })
        })
        .collect();
    let mut answers = 0;
    for caller in callers {
        assert_eq!(caller.await?, "the report");
        answers += 1;
    }
    println!(
        "{answers} answers of {} load",
        loaded.load(Ordering::Relaxed)
    );
    Ok(())
}
