//! The peers, each as its documentation shows it.

mod breakers;
mod calls;
pub(crate) mod limiters;
mod rwlock;

use crate::rows::Row;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

/// What peers that make timers need; nothing runs on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without threads")
});

pub(super) fn add(rows: &mut Vec<Row>) {
    breakers::add(rows);
    calls::add(rows);
    limiters::add(rows);
}
