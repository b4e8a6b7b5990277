//! What the suites share: how time is measured, and the rows of the machine itself, to which every
//! other row is a ratio.

mod cpu_time;
mod machine;

pub use cpu_time::CpuTime;
pub use machine::{FETCH_ADD, closed_call_by_hand, machine, machine_again};

use criterion::{BenchmarkGroup, Criterion};
use fuseboard::Nanos;
use std::time::Duration;

/// Rows that are measured one after the other and read beside each other.
pub type Group<'a> = BenchmarkGroup<'a, CpuTime>;

/// Where the rows with time passed in begin.
pub const START: Nanos = Nanos::from_secs(1_000);
/// How far time moves from call to call there: about as much as a call takes, so that windows rotate as
/// often as they would.
pub const STEP: Nanos = Nanos::new(10);

/// Many short rows rather than few long ones: a ratio suffers from what changes between its rows.
/// Arguments of the command line override it.
pub fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args()
}
