//! The sliding counter's model: the formula as it is written, over a map from window to count.

use std::collections::HashMap;

/// Counts of every window there ever was.
#[derive(Clone, Debug)]
pub struct SlidingCounter {
    limit: u64,
    window: u64,
    taken: HashMap<u64, u64>,
    latest: u64,
}

impl SlidingCounter {
    /// Nothing taken yet.
    pub fn new(limit: u64, window: u64) -> Self {
        Self {
            limit,
            window,
            taken: HashMap::new(),
            latest: 0,
        }
    }

    fn taken(&self, number: u64) -> u64 {
        self.taken.get(&number).copied().unwrap_or(0)
    }

    /// Whether `previous * (window - elapsed) / window + current + cost <= limit`, both sides times `window`.
    pub fn admits(&self, cost: u64, now: u64) -> bool {
        let (number, elapsed) = (now / self.window, now % self.window);
        let previous = number.checked_sub(1).map_or(0, |number| self.taken(number));
        let window = u128::from(self.window);
        let used = u128::from(previous) * u128::from(self.window - elapsed)
            + u128::from(self.taken(number) + cost) * window;
        number >= self.latest && used <= u128::from(self.limit) * window
    }

    /// Takes `cost` units; `false`: not now, and nothing is taken.
    pub fn acquire(&mut self, cost: u64, now: u64) -> bool {
        let admitted = self.admits(cost, now);
        if admitted {
            self.latest = now / self.window;
            *self.taken.entry(self.latest).or_default() += cost;
        }
        admitted
    }

    /// Gives `cost` units back.
    pub fn refund(&mut self, cost: u64, now: u64) {
        if now / self.window == self.latest || now / self.window == self.latest + 1 {
            let left = self.taken(self.latest).saturating_sub(cost);
            self.taken.insert(self.latest, left);
        }
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Changes the limit.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Units that would be admitted, by trying.
    pub fn available(&self, now: u64) -> u64 {
        (1..=self.limit)
            .rev()
            .find(|&cost| self.admits(cost, now))
            .unwrap_or(0)
    }
}
