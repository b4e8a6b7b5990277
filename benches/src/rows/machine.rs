//! The rows of the machine itself: no code that counts a call can be faster than these.

use crate::rows::{Row, Who, groups, repeat, share};
use fuseboard::{Clock, CoarseClock, MonotonicClock};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Words on a cache line of their own.
#[repr(align(128))]
struct Line<T = AtomicU64>(T);

impl Line {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

/// The addition that most ratios are to.
pub(super) const FETCH_ADD: &str = "fetch_add";
/// The loop that the limiters' ratios are to.
pub(super) const CAS_LOOP: &str = "CAS loop";

fn machine(name: &'static str, make: impl Fn(usize) -> Vec<crate::rows::Worker> + 'static) -> Row {
    Row::new(groups::MACHINE, Who::Machine, name, make)
}

/// One operation on a word of the thread's own.
macro_rules! own_word {
    ($name:expr, |$word:ident| $operation:expr) => {
        machine($name, |threads| {
            let mut workers = Vec::new();
            for _ in 0..threads {
                workers.extend(share(1, Line::new(), |line| {
                    let $word = &line.0;
                    move |times| {
                        let $word = black_box($word);
                        repeat(times, || $operation);
                    }
                }));
            }
            workers
        })
    };
}

pub(super) fn add(rows: &mut Vec<Row>) {
    // Relaxed in all of them: the least that the machine can be asked for.
    rows.extend([
        own_word!("relaxed load", |word| word.load(Ordering::Relaxed)),
        own_word!("load and store", |word| word
            .store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed)),
        own_word!(FETCH_ADD, |word| word.fetch_add(1, Ordering::Relaxed)),
        machine("fetch_add, one word for all", |threads| {
            share(threads, Line::new(), |line| {
                move |times| {
                    let word = black_box(&line.0);
                    // Relaxed: as above.
                    repeat(times, || word.fetch_add(1, Ordering::Relaxed));
                }
            })
        }),
        own_word!(CAS_LOOP, |word| add_by_swap(word)),
        machine("CAS loop, one word for all", |threads| {
            share(threads, Line::new(), |line| {
                move |times| {
                    let word = black_box(&line.0);
                    repeat(times, || add_by_swap(word));
                }
            })
        }),
        machine("three loads and fetch_add", |threads| {
            share(
                threads,
                Line::<[AtomicU64; 8]>(Default::default()),
                |line| move |times| closed_call_by_hand(times, black_box(&line.0)),
            )
        }),
        machine("coarse clock", |threads| {
            share(threads, (), |()| {
                |times| repeat(times, || CoarseClock.now())
            })
        })
        .with_clock(),
        own_word!("coarse clock and fetch_add", |word| {
            // Relaxed: as in all rows of the machine.
            word.fetch_add(CoarseClock.now().get(), Ordering::Relaxed)
        })
        .with_clock(),
        machine("monotonic clock", |threads| {
            share(threads, (), |()| {
                |times| repeat(times, || MonotonicClock.now())
            })
        })
        .with_clock(),
        machine("Instant::now", |threads| {
            share(threads, (), |()| |times| repeat(times, Instant::now))
        })
        .with_clock(),
    ]);
}

/// What a closed call has to do at least, without a breaker around it: look at the state, find
/// the slot, see that it is the current one, add, and see that it still was.
fn closed_call_by_hand(times: u64, words: &[AtomicU64; 8]) {
    const TAG: u64 = !0 << 44;
    let [state, tick, slots @ ..] = words;
    // As the breaker has them.
    repeat(times, || {
        let slot = &slots[tick.load(Ordering::Acquire) as usize & 3];
        state.load(Ordering::Acquire) == 0
            && slot.load(Ordering::Acquire) & TAG == 0
            && slot.fetch_add(1, Ordering::Release) & TAG == 0
    });
}

fn add_by_swap(word: &AtomicU64) -> u64 {
    // Relaxed: as in all rows of the machine.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        match word.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(old) => return old,
            Err(now) => seen = now,
        }
    }
}
