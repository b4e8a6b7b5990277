//! What all keys of a table share: the quota, the overflow bucket and the horizon.
//!
//! Orderings are Relaxed: each word is whole by itself. The horizon is seen where it must be because it is raised
//! before the swap by which a key leaves (release) and read after the loads that miss the key (acquire).

use crate::fault::fault;
use crate::keyed::WhenFull;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::quota::Quota;
use crate::token_bucket::settings::QuotaWords;
use crate::token_bucket::state::TatWord;

/// What all keys share.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) quota: QuotaWords,
    when_full: AtomicU64,
    /// By then the bucket of every key that has left was full again.
    horizon: AtomicU64,
    pub(crate) overflow: TatWord,
    overflows: AtomicU64,
}

impl Shared {
    const_unless_loom! {
        pub(crate) const fn new(quota: Quota, when_full: WhenFull) -> Self {
            Self {
                quota: QuotaWords::new(quota),
                when_full: AtomicU64::new(when_full as u64),
                horizon: AtomicU64::new(0),
                overflow: TatWord::new(),
                overflows: AtomicU64::new(0),
            }
        }
    }

    pub(crate) fn when_full(&self) -> WhenFull {
        // Relaxed: written once, before the table is shared. A word of shared memory may be anything.
        match self.when_full.load(Ordering::Relaxed) {
            1 => WhenFull::Admit,
            2 => WhenFull::ShareOverflow,
            _ => WhenFull::Reject,
        }
    }

    pub(crate) fn count_overflow(&self) {
        // Relaxed: a counter for display.
        self.overflows.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn overflows(&self) -> u64 {
        // Relaxed: a counter for display.
        self.overflows.load(Ordering::Relaxed)
    }

    pub(crate) fn horizon(&self) -> u64 {
        // Relaxed: see the head of the file.
        self.horizon.load(Ordering::Relaxed)
    }

    /// Before a key leaves whose bucket is full at `time`.
    pub(crate) fn raise_horizon(&self, time: u64) {
        if self.horizon() < time && !fault!("keyed_no_horizon") {
            // Relaxed: see the head of the file.
            self.horizon.fetch_max(time, Ordering::Relaxed);
        }
    }
}
