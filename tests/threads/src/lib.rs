//! [`together`]: threads that start at one moment.
//!
//! The tests beside it are small, because they run under Miri (`cargo xtask test miri`): an interpreter that shows old values where the
//! orderings allow them, lets a weak compare-and-swap fail for no reason, and plays 32-bit and big-endian machines. Threads that start
//! one after the other hardly ever meet there, hence the gate.

use std::hint;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How often each test plays its scene.
pub const ROUNDS: u64 = if cfg!(miri) {
    3
} else if cfg!(fuseboard_faults) {
    // Until a seeded fault is found.
    10_000
} else {
    200
};

/// Runs `part` on so many threads at once, each with its number; gives what they returned, in that order.
///
/// # Panics
/// When a part panics.
pub fn together<T: Send>(threads: usize, part: impl Fn(usize) -> T + Sync) -> Vec<T> {
    // Relaxed: the gate must order nothing that the words under test are to order.
    let waiting = AtomicUsize::new(threads);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|number| {
                let (part, waiting) = (&part, &waiting);
                scope.spawn(move || {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    while waiting.load(Ordering::Relaxed) > 0 {
                        hint::spin_loop();
                        thread::yield_now();
                    }
                    part(number)
                })
            })
            .collect();
        parts
            .into_iter()
            .map(|part| part.join().expect("no part panics"))
            .collect()
    })
}

/// Runs tests of this very program again, each with a fault (`tests/faults/list.txt` says what it breaks), which one of its
/// assertions must find.
///
/// # Panics
/// When a test passes, or ends without having failed.
pub fn must_be_found(faults: &[(&str, &str)]) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut missed = Vec::new();
    for (fault, test) in faults {
        let output = Command::new(&program)
            .args(["--exact", test, "--nocapture"])
            .env("FUSEBOARD_FAULT", fault)
            .output()
            .expect("this program starts again");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if output.status.success() || !said.contains("1 failed") {
            missed.push(format!("{fault} by {test}"));
        } else {
            println!("{fault}: found by {test}");
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}
