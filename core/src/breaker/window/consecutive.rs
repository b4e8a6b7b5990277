//! Failures in a row, in one word.
//!
//! ```text
//!  63          46 45          28 27             0
//! +--------------+--------------+----------------+
//! |  slow in row | failed in row|   generation   |
//! +--------------+--------------+----------------+
//! ```
//! A run stops growing at the end of its field, far above the largest threshold.

use crate::breaker::window::{Judgement, Sample, Verdict, Weighed};
use crate::event::Counts;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering};

const GENERATION_MASK: u64 = (1 << 28) - 1;
const RUN_BITS: u32 = 18;
const RUN_MASK: u64 = (1 << RUN_BITS) - 1;
const _: () = assert!((crate::breaker::rules::CONSECUTIVE_MAX as u64) < RUN_MASK);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Run(u64);

impl Run {
    fn new(generation: u32, failures: u64, slow: u64) -> Self {
        Self(
            slow.min(RUN_MASK) << (28 + RUN_BITS)
                | fault!("run_wraps", failures & RUN_MASK, failures.min(RUN_MASK)) << 28
                | u64::from(generation),
        )
    }

    fn generation(self) -> u32 {
        (self.0 & GENERATION_MASK) as u32
    }

    fn failures(self) -> u64 {
        (self.0 >> 28) & RUN_MASK
    }

    fn slow(self) -> u64 {
        self.0 >> (28 + RUN_BITS)
    }
}

/// Whether [`record`] would write nothing for a success that was not slow.
#[inline]
pub(super) fn is_empty_run(word: &AtomicU64, generation: u32) -> bool {
    // Acquire: as in `record`.
    Run(word.load(Ordering::Acquire)) == Run::new(generation, 0, 0)
}

/// Takes one outcome in; `is_current` says whether the generation still stands.
pub(super) fn record(
    word: &AtomicU64,
    generation: u32,
    sample: Sample,
    is_current: &dyn Fn() -> bool,
) -> Verdict {
    // Acquire: pairs with the swap below, so a run is seen with what its writer saw.
    let mut run = Run(word.load(Ordering::Acquire));
    loop {
        let (failures, slow) = if run.generation() == generation {
            (run.failures(), run.slow())
        } else if is_current() {
            (0, 0)
        } else {
            return Verdict::Stale;
        };
        let next = Run::new(
            generation,
            if sample.failed {
                failures + sample.weight
            } else {
                fault!("success_keeps_the_run", failures, 0)
            },
            if sample.slow { slow + sample.weight } else { 0 },
        );
        // A success on an empty run writes nothing.
        if next == run {
            return Verdict::Counted;
        }
        // AcqRel: pairs with the load above; failure Acquire likewise.
        match word.compare_exchange_weak(run.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                let held = Weighed::whole(counts(next));
                return if sample.failed || sample.slow {
                    Verdict::Judge(Judgement {
                        held,
                        calls_before: 0,
                        tick: None,
                    })
                } else {
                    Verdict::Counted
                };
            }
            Err(seen) => run = Run(seen),
        }
    }
}

/// Sets the run of a window that nobody else has yet.
pub(super) fn restore(word: &AtomicU64, generation: u32, failures: u64, slow: u64) {
    // Relaxed: not shared yet.
    word.store(Run::new(generation, failures, slow).0, Ordering::Relaxed);
}

/// The run of `generation`.
pub(super) fn sum(word: &AtomicU64, generation: u32) -> Counts {
    // Acquire: pairs with the swap in `record`.
    let run = Run(word.load(Ordering::Acquire));
    if run.generation() == generation {
        counts(run)
    } else {
        Counts::default()
    }
}

fn counts(run: Run) -> Counts {
    let (failures, slow) = (run.failures(), run.slow());
    Counts {
        calls: failures.max(slow),
        failures,
        slow,
    }
}
