//! One round: fresh policies, a storm of threads on all of them, then silence and the exact checks.

pub mod breaker;
pub mod composed;
pub mod limiters;
pub mod places;

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fuseboard_core::Nanos;

use self::breaker::Breakers;
use self::composed::Composed;
use self::limiters::Limiters;
use self::places::Places;
use crate::judge::{Judge, Place};
use crate::random::Random;

/// Threads of a storm: more than this machine runs at once, so that they are stopped in the middle.
pub const THREADS: u64 = 4;
/// Operations of a thread in a round.
const OPERATIONS: u64 = 20_000;
/// Nanoseconds that the storm's clock goes on with each operation, on average.
const STEP: u64 = 20_000;
/// The furthest that a thread's clock is behind or ahead.
const SKEW: u64 = 300_000_000;

/// The clock of a storm.
pub struct Clock(AtomicU64);

impl Clock {
    /// A reading: mostly this moment, sometimes far behind or ahead. Time goes on with each.
    pub fn read(&self, random: &mut Random) -> Nanos {
        // Relaxed: readings of different threads need no order.
        let now = self.0.fetch_add(random.below(2 * STEP), Ordering::Relaxed);
        Nanos::new(match random.below(64) {
            0 => now.saturating_sub(random.below(SKEW)),
            1 => now + random.below(SKEW / 100),
            _ => now,
        })
    }

    /// Later than every reading so far.
    pub fn after_all(&self) -> u64 {
        self.0.load(Ordering::Relaxed) + SKEW
    }
}

/// A thread's way through the storm.
pub struct Walker<'a> {
    pub random: Random,
    pub clock: &'a Clock,
    pub judge: &'a Judge,
    pub place: Place,
}

impl Walker<'_> {
    pub fn now(&mut self) -> Nanos {
        self.clock.read(&mut self.random)
    }

    pub fn require(&self, holds: bool, id: &str, what: impl FnOnce() -> String) {
        self.judge.require(holds, id, self.place, what);
    }
}

/// Runs one round and gives how many operations it did.
pub fn round(seed: u64, number: u64, judge: &Judge) -> u64 {
    let place = |thread, operation| Place {
        seed,
        round: number,
        thread,
        operation,
    };
    // Away from zero, where every reading behind it would be cut off.
    let clock = Clock(AtomicU64::new(2 * SKEW));
    let breakers = Breakers::new(number);
    let limiters = Limiters::new(number);
    let places = Places::new();
    let composed = Composed::new();
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (clock, barrier) = (&clock, &barrier);
            let (breakers, limiters, places, composed) = (&breakers, &limiters, &places, &composed);
            scope.spawn(move || {
                let mut walker = Walker {
                    random: Random::new(seed, number, thread),
                    clock,
                    judge,
                    place: place(thread, 0),
                };
                let mut held = breakers.begin();
                barrier.wait();
                for operation in 0..OPERATIONS {
                    walker.place.operation = operation;
                    match walker.random.below(8) {
                        0..4 => breakers.step(&mut held, &mut walker),
                        4 | 5 => limiters.step(&mut walker),
                        6 => places.step(&mut walker),
                        _ => composed.step(&mut walker),
                    }
                }
                Breakers::end(held, &mut walker);
            });
        }
    });
    let mut walker = Walker {
        random: Random::new(seed, number, THREADS),
        clock: &clock,
        judge,
        place: place(99, 0),
    };
    breakers.silence(&mut walker);
    places.silence(&walker);
    composed.silence(&mut walker);
    THREADS * OPERATIONS
}
