//! The budget's words: the only file that swaps them.
//!
//! ```text
//! gate  63            32 31             0
//!      +----------------+----------------+
//!      |  slot's number |   withdrawals  |
//!      +----------------+----------------+
//! ```
//! The gate holds the withdrawals of the latest slot; each withdrawal is one swap of it, so none is decided without knowing
//! all the others. Who begins a later slot first writes the gate's count into `spent`; it is a maximum, so several may. Deposits
//! only add to what is allowed: to miss one is safe.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | load the gate | Acquire | the swap: the slot that was written before it is seen |
//! | swap the gate | `AcqRel` | the load |
//!
//! **Wrap-around.** The gate only grows (number, then count) modulo 2^32 slots: a withdrawal would have to stand still for that
//! long to swap a gate that is not the one it read. The count ends at its greatest value and then rejects.

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::throttle::slots::{self, Slots, age, is_live, split};

/// One retry, as the balance is kept.
const ONE: u128 = 1_000_000;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Parts per million of a retry for each deposit.
    ratio: u32,
    /// Retries in each `ttl` that need no deposit.
    free: u32,
}

impl Rules {
    pub(crate) const fn checked(
        ratio: f64,
        minimum_per_second: u32,
        ttl: Nanos,
        slots: usize,
    ) -> Result<(Self, Nanos), ConfigError> {
        if !(ratio >= 0.0 && ratio <= 1_000.0) {
            return Err(ConfigError::decimal(
                "ratio",
                ratio,
                "0 to 1,000 retries for each request",
            ));
        }
        let Some(slot) = slots::length(ttl, slots) else {
            return Err(ConfigError::span("ttl", ttl, "at least 10ms for each slot"));
        };
        let free = minimum_per_second as u128 * ttl.get() as u128 / 1_000_000_000;
        let ratio = (ratio * ONE as f64 + 0.5) as u32;
        if free > u32::MAX as u128 || (free == 0 && ratio == 0) {
            return Err(ConfigError::integer(
                "minimum_per_second",
                minimum_per_second as u64,
                "with the ttl at most 4,294,967,295 retries, and at least 1 where the ratio is 0",
            ));
        }
        let free = free as u32;
        Ok((Self { ratio, free }, slot))
    }

    pub(crate) const fn bits(self) -> u64 {
        (self.ratio as u64) << 32 | self.free as u64
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        let (ratio, free) = split(bits);
        Self { ratio, free }
    }

    /// Whole retries left. Sums of 64 slots have 38 bits: nothing overflows.
    fn left(self, deposits: u64, spent: u64) -> u64 {
        let allowed = u128::from(deposits) * u128::from(self.ratio) + u128::from(self.free) * ONE;
        (allowed / ONE).saturating_sub(spent.into()) as u64
    }
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct BudgetWords<const N: usize> {
    gate: AtomicU64,
    deposits: Slots<N>,
    spent: Slots<N>,
}

impl<const N: usize> BudgetWords<N> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self { gate: AtomicU64::new(0), deposits: Slots::new(), spent: Slots::new() }
        }
    }

    #[inline]
    pub(crate) fn deposit(&self, tick: u64) {
        self.deposits.add(tick, 1);
    }

    fn gate(&self) -> Gate {
        // Acquire: pairs with the swap in `withdraw`.
        let (number, count) = split(self.gate.load(Ordering::Acquire));
        Gate { number, count }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Gate {
    number: u32,
    count: u32,
}

impl Gate {
    const fn bits(self) -> u64 {
        (self.number as u64) << 32 | self.count as u64
    }

    /// The caller's tick, or the gate's where that is later.
    fn latest(self, tick: u64) -> u64 {
        match age(tick, self.number) {
            later @ ..0 if self.count > 0 && !fault!("retry_budget_follows_the_clock") => {
                tick.saturating_add(u64::from(later.unsigned_abs()))
            }
            _ => tick,
        }
    }
}

/// The words with their rules.
pub(crate) struct Budget<'a, const N: usize> {
    pub(crate) words: &'a BudgetWords<N>,
    /// At least one nanosecond.
    pub(crate) slot: u64,
    pub(crate) rules: Rules,
}

impl<const N: usize> Budget<'_, N> {
    pub(crate) fn tick(&self, now: Nanos) -> u64 {
        now.get() / self.slot
    }

    pub(crate) fn available(&self, now: Nanos) -> u64 {
        let gate = self.words.gate();
        self.left(gate, gate.latest(self.tick(now)))
    }

    fn left(&self, gate: Gate, tick: u64) -> u64 {
        let mut spent = self.words.spent.sum_but(tick, Some(gate.number));
        if is_live::<N>(tick, gate.number) {
            spent += u64::from(gate.count);
        }
        self.rules.left(self.words.deposits.sum(tick), spent)
    }

    /// `Err`: rejected, with how long to wait.
    pub(crate) fn withdraw(&self, now: Nanos) -> Result<(), Option<Nanos>> {
        loop {
            let gate = self.words.gate();
            let tick = gate.latest(self.tick(now));
            if self.left(gate, tick) == 0 || gate.count == u32::MAX {
                let wait = self.wait(gate, tick, now);
                // What was read belongs together only if the gate still stands.
                if self.words.gate() == gate {
                    return Err(wait);
                }
                continue;
            }
            let elapsed = age(tick, gate.number);
            let is_later = gate.count == 0 || elapsed > 0;
            let next = if is_later {
                if gate.count > 0 && !fault!("retry_budget_forgets_slot") {
                    let number = tick.saturating_sub(u64::from(elapsed.unsigned_abs()));
                    self.words.spent.raise(number, gate.count);
                }
                Gate {
                    number: tick as u32,
                    count: 1,
                }
            } else {
                Gate {
                    count: gate.count + 1,
                    ..gate
                }
            };
            if fault!("retry_budget_store") {
                // Relaxed: a fault for the tests to catch.
                self.words.gate.store(next.bits(), Ordering::Relaxed);
                return Ok(());
            }
            let order = if fault!("retry_budget_relaxed") {
                // Relaxed: a fault for the tests to catch.
                Ordering::Relaxed
            } else {
                // AcqRel: publishes the slot that was raised.
                Ordering::AcqRel
            };
            // Relaxed on failure: the loop loads again.
            if self
                .words
                .gate
                .compare_exchange(gate.bits(), next.bits(), order, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(());
            }
        }
    }

    /// How long until enough is forgotten, if nothing else happens.
    fn wait(&self, gate: Gate, tick: u64, now: Nanos) -> Option<Nanos> {
        (1..=N as u64)
            .filter_map(|ahead| tick.checked_add(ahead))
            .find(|&tick| self.left(gate, tick) > 0)
            .and_then(|tick| tick.checked_mul(self.slot))
            .map(|at| Nanos::new(at).saturating_sub(now))
    }
}
