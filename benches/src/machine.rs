//! The rows of the machine itself: no code that counts a call can be faster than these.

use crate::Group;
use fuseboard::{Clock, CoarseClock, MonotonicClock};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Words on a cache line of their own.
#[repr(align(64))]
struct Line<T = AtomicU64>(T);

/// The name of the row that all ratios are to.
pub const FETCH_ADD: &str = "machine: fetch_add";

/// Adds the rows of the machine: a load, an addition, a compare-and-swap loop, and the clocks.
pub fn machine(group: &mut Group<'_>) {
    let line = Line(AtomicU64::new(0));
    let word = black_box(&line.0);
    group.bench_function("machine: relaxed load", |b| {
        b.iter(|| word.load(Ordering::Relaxed));
    });
    group.bench_function(FETCH_ADD, |b| {
        b.iter(|| word.fetch_add(1, Ordering::Relaxed));
    });
    group.bench_function("machine: CAS loop", |b| b.iter(|| add_by_swap(word)));
    group.bench_function("machine: coarse clock", |b| b.iter(|| CoarseClock.now()));
    group.bench_function("machine: monotonic clock", |b| {
        b.iter(|| MonotonicClock.now());
    });
    group.bench_function("machine: Instant::now", |b| b.iter(Instant::now));
}

/// Adds the addition once more, at the end of a group: how far it is from the first is how far the machine
/// moved meanwhile.
pub fn machine_again(group: &mut Group<'_>) {
    let line = Line(AtomicU64::new(0));
    let word = black_box(&line.0);
    group.bench_function("machine: fetch_add again", |b| {
        b.iter(|| word.fetch_add(1, Ordering::Relaxed));
    });
}

/// Adds what a closed call has to do at least, without a breaker around it: look at the state, find
/// the slot, see that it is the current one, add, and see that it still was.
pub fn closed_call_by_hand(group: &mut Group<'_>) {
    const TAG: u64 = !0 << 44;
    let line = Line::<[AtomicU64; 8]>(Default::default());
    let [state, tick, slots @ ..] = black_box(&line.0);
    group.bench_function("machine: three loads, fetch_add", |b| {
        b.iter(|| {
            let slot = &slots[tick.load(Ordering::Acquire) as usize & 3];
            state.load(Ordering::Acquire) == 0
                && slot.load(Ordering::Acquire) & TAG == 0
                && slot.fetch_add(1, Ordering::Release) & TAG == 0
        });
    });
}

fn add_by_swap(word: &AtomicU64) -> u64 {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        match word.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(old) => return old,
            Err(now) => seen = now,
        }
    }
}
