//! The fixed window's model: a map from window to count.

use std::collections::HashMap;

/// Counts of every window there ever was.
#[derive(Clone, Debug)]
pub struct FixedWindow {
    limit: u64,
    window: u64,
    taken: HashMap<u64, u64>,
    latest: u64,
}

impl FixedWindow {
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

    /// Whether `cost` units would be admitted.
    pub fn admits(&self, cost: u64, now: u64) -> bool {
        let number = now / self.window;
        number >= self.latest && self.taken(number) + cost <= self.limit
    }

    /// Takes `cost` units, or says how many nanoseconds to wait (`None`: never).
    ///
    /// # Errors
    /// The wait.
    pub fn acquire(&mut self, cost: u64, now: u64) -> Result<(), Option<u64>> {
        if cost > self.limit {
            return Err(None);
        }
        let number = now / self.window;
        if self.admits(cost, now) {
            *self.taken.entry(number).or_default() += cost;
            self.latest = number;
            return Ok(());
        }
        // By trying: only the starts of windows can make a difference.
        let starts = (0..).map(|later| (number.max(self.latest) + later) * self.window);
        let open = starts
            .into_iter()
            .find(|&start| start > now && self.admits(cost, start));
        Err(open.map(|open| open - now))
    }

    /// Gives `cost` units back.
    pub fn refund(&mut self, cost: u64, now: u64) {
        if now / self.window == self.latest {
            let left = self.taken(self.latest).saturating_sub(cost);
            self.taken.insert(self.latest, left);
        }
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
