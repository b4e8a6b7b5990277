//! Exploring every interleaving of a few threads on the words that ship.
//!
//! Run with `cargo xtask test loom`. Without `--cfg fuseboard_loom` this package is empty.
#![cfg(fuseboard_loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Explores `model` and prints how many executions that took.
///
/// `preemptions`: `None` explores all; a bound is for models that would not end. At least `floor`
/// executions must be seen: an import that escapes loom makes a green, empty proof.
///
/// # Panics
/// When the model fails, or explores fewer executions than `floor`.
pub fn explore(
    name: &str,
    preemptions: Option<usize>,
    floor: usize,
    model: impl Fn() + Sync + Send + 'static,
) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    builder.check(move || {
        // Relaxed: loom runs executions one after another.
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    let bound = preemptions.map_or_else(|| "unbounded".into(), |bound| format!("bound {bound}"));
    println!("{name}: {executions} executions, {bound}");
    assert!(
        executions >= floor,
        "{name}: only {executions} executions; loom does not see the words"
    );
}
