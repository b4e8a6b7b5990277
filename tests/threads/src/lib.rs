//! [`together`]: threads that start at one moment.
//!
//! The tests beside it are small, because they run under Miri (`cargo xtask test miri`): an interpreter that shows old values where the
//! orderings allow them, lets a weak compare-and-swap fail for no reason, and plays 32-bit and big-endian machines. Threads that start
//! one after the other hardly ever meet there, hence the gate.

use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How often each test plays its scene.
pub const ROUNDS: u64 = if cfg!(miri) { 3 } else { 200 };

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
