//! Exploring every interleaving of a few threads on the words that ship.
//!
//! Run with `cargo xtask test loom`; `--deep` (`FUSEBOARD_DEEP=1`) raises the bounds. Without `--cfg fuseboard_loom` this
//! package is empty.
#![cfg(fuseboard_loom)]

use std::collections::BTreeSet;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Explore all interleavings.
pub const ALL: Option<usize> = None;

/// How many preemptions to explore: `usual`, or `deep` with `--deep`; `None` there is all.
pub fn bound(usual: usize, deep: Option<usize>) -> Option<usize> {
    if env::var_os("FUSEBOARD_DEEP").is_some_and(|value| value == "1") {
        deep
    } else {
        Some(usual)
    }
}

/// What was reached in some execution: so that no *always* is about a case that never is.
#[derive(Clone, Debug, Default)]
pub struct Sometimes(Arc<Mutex<BTreeSet<&'static str>>>);

impl Sometimes {
    /// This execution came here.
    pub fn reached(&self, case: &'static str) {
        let mut cases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cases.insert(case);
    }
}

/// Explores `model` and prints how many executions that took, and the cases that they reached.
///
/// `preemptions`: [`ALL`], or a [`bound`] for models that would not end. At least `floor`
/// executions must be seen: an import that escapes loom makes a green, empty proof. Each of `cases` must be reached.
///
/// # Panics
/// When the model fails, explores fewer executions than `floor`, or never reaches one of `cases`.
pub fn explore(
    name: &str,
    preemptions: Option<usize>,
    floor: usize,
    cases: &[&'static str],
    model: impl Fn(&Sometimes) + Sync + Send + 'static,
) {
    let executions = Arc::new(AtomicUsize::new(0));
    let sometimes = Sometimes::default();
    let (counter, reached) = (Arc::clone(&executions), sometimes.clone());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    builder.check(move || {
        // Relaxed: loom runs executions one after another.
        counter.fetch_add(1, Ordering::Relaxed);
        model(&reached);
    });
    let executions = executions.load(Ordering::Relaxed);
    let bound = preemptions.map_or_else(|| "unbounded".into(), |bound| format!("bound {bound}"));
    let reached = sometimes.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{name}: {executions} executions, {bound}, reached {reached:?}");
    assert!(
        executions >= floor,
        "{name}: only {executions} executions; loom does not see the words"
    );
    for case in cases {
        assert!(reached.contains(case), "{name}: never reached `{case}`");
    }
}

/// The threads of a model, whose starts and steps loom tries in every order.
///
/// loom reorders an access only against the one access before it of the same word. Where a thread reads a word and another one then reads
/// and swaps it, the read between hides the first one, and the execution in which the swap comes first is never tried: some models had one
/// execution. So each thread adds to one word of the model's own before each of its operations (relaxed: it orders nothing else):
/// additions are never hidden, all their orders are tried, and from each of them loom goes on by itself.
#[derive(Clone, Debug)]
pub struct Threads(loom::sync::Arc<loom::sync::atomic::AtomicUsize>);

impl Threads {
    /// Only the model's own thread.
    #[expect(
        clippy::new_without_default,
        reason = "loom makes words only inside a model"
    )]
    pub fn new() -> Self {
        Self(loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(
            0,
        )))
    }

    /// Between two operations of a thread: others may come between.
    pub fn step(&self) {
        // Relaxed: see the head.
        self.0.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
    }

    /// Starts one more.
    pub fn spawn<T: 'static>(
        &self,
        run: impl FnOnce(&Self) -> T + 'static,
    ) -> loom::thread::JoinHandle<T> {
        let threads = self.clone();
        loom::thread::spawn(move || {
            threads.step();
            run(&threads)
        })
    }

    /// Runs `mine` here.
    pub fn here<T>(&self, mine: impl FnOnce(&Self) -> T) -> T {
        self.step();
        mine(self)
    }
}

/// Runs `other` in a thread of its own beside `mine`.
///
/// # Panics
/// When `other` does.
pub fn beside<A: 'static, B>(
    other: impl FnOnce(&Threads) -> A + 'static,
    mine: impl FnOnce(&Threads) -> B,
) -> (A, B) {
    let threads = Threads::new();
    let other = threads.spawn(other);
    let mine = threads.here(mine);
    (other.join().expect("the other thread ends well"), mine)
}
