//! The drop law's words: the only file that swaps them.
//!
//! ```text
//! law   63       62       43 42                   0
//!      +--------+-----------+----------------------+
//!      |shedding|   count   |  next shed, in ticks |
//!      |    1   |     20    |          43          |
//!      +--------+-----------+----------------------+
//! ```
//! `since` is one nanosecond after the first entry of a run that all waited too long; zero: the last one did not.
//!
//! Orderings are Relaxed: both words are the law's whole truth and publish no other memory. Each successful swap of
//! `law` is one shed, or the law's end. **Wrap-around.** None: count and time stay at their last value.

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::shedding::codel::policy::{self, COUNT_MAX, Law, Rules, TICK_MAX};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

const COUNT_SHIFT: u32 = 43;
const SHEDDING: u64 = 1 << 63;
const _: () = assert!(TICK_MAX == (1 << COUNT_SHIFT) - 1);
const _: () = assert!((COUNT_MAX as u64) << COUNT_SHIFT == SHEDDING - 1 - TICK_MAX);

#[derive(Debug)]
#[repr(C)]
pub(crate) struct CoDelWords {
    law: AtomicU64,
    since: AtomicU64,
}

impl CoDelWords {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self { law: AtomicU64::new(0), since: AtomicU64::new(0) }
        }
    }

    #[inline]
    pub(crate) fn serve(&self, enqueued: Nanos, now: Nanos, rules: Rules) -> bool {
        let stands = self.stands(enqueued, now, rules);
        let tick = rules.tick(now);
        // Relaxed: see the head of the file.
        let mut word = self.law.load(Ordering::Relaxed);
        loop {
            let law = decode(word);
            let (next, is_served) = policy::step(law, stands, tick);
            if next == law {
                return is_served;
            }
            if fault!("codel_law_store") {
                // Relaxed: a fault for the tests to catch.
                self.law.store(encode(next), Ordering::Relaxed);
                return is_served;
            }
            // Relaxed: see the head of the file.
            match self.law.compare_exchange_weak(
                word,
                encode(next),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return is_served,
                Err(seen) => word = seen,
            }
        }
    }

    /// Whether every entry has waited `target` or longer for an interval.
    fn stands(&self, enqueued: Nanos, now: Nanos, rules: Rules) -> bool {
        // Relaxed: see the head of the file.
        let since = self.since.load(Ordering::Relaxed);
        if now.saturating_sub(enqueued) < rules.target {
            if since != 0 {
                self.since.store(0, Ordering::Relaxed);
            }
            return false;
        }
        match since.checked_sub(1) {
            None => {
                // Relaxed: the first of several consumers sets it; the others find it set.
                let _ = self.since.compare_exchange(
                    0,
                    now.get().saturating_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                fault!("codel_sheds_at_once")
            }
            Some(first) => now.get().saturating_sub(first) >= rules.interval.get(),
        }
    }

    pub(crate) fn is_shedding(&self) -> bool {
        // Relaxed: for display.
        decode(self.law.load(Ordering::Relaxed)).is_shedding
    }

    /// The ticks have another length: begin again.
    pub(crate) fn reset(&self) {
        // Relaxed: see the head of the file.
        self.law.store(0, Ordering::Relaxed);
    }
}

const fn decode(word: u64) -> Law {
    Law {
        is_shedding: word & SHEDDING != 0,
        count: (word >> COUNT_SHIFT) as u32 & COUNT_MAX,
        next: word & TICK_MAX,
    }
}

const fn encode(law: Law) -> u64 {
    (law.is_shedding as u64) << 63 | (law.count as u64) << COUNT_SHIFT | law.next
}
