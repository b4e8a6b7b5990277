//! The rows under criterion, for work on one of them: `cargo bench -p fuseboard-benches -- 'closed call'`.
//! Comparisons are `cargo xtask ratios`; this keeps the results of the last run and says what changed.

use criterion::Criterion;
use fuseboard_benches::{CpuTime, burst, rows};
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    for row in rows::all() {
        let name = format!("{}/{:?}: {}", row.group, row.who, row.name);
        // Made only if the row is wanted: a million keys take their time.
        let mut workers = Vec::new();
        criterion.bench_function(&name, |bencher| {
            if workers.is_empty() {
                workers = row.workers(1);
            }
            bencher.iter_custom(|times| {
                let burst = burst::burst(&mut workers, row.warm_up, times);
                Duration::from_nanos((burst.ns * times as f64) as u64)
            });
        });
    }
    criterion.final_summary();
}
