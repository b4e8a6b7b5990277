//! The leaky bucket's model: a list of turns.

/// Turns in fractions: times are multiplied by the rate's units, a turn is `per` of them long.
#[derive(Clone, Debug)]
pub struct LeakyBucket {
    units: u128,
    per: u128,
    queue: u128,
    /// When each turn that was given begins.
    begins: Vec<u128>,
}

impl LeakyBucket {
    /// Nobody waits: `units` turns in each `per` nanoseconds, `queue` may wait.
    pub fn new(units: u64, per: u64, queue: u64) -> Self {
        Self {
            units: units.into(),
            per: per.into(),
            queue: queue.into(),
            begins: Vec::new(),
        }
    }

    fn next(&self, now: u128) -> u128 {
        self.begins
            .last()
            .map_or(now, |last| now.max(last + self.per))
    }

    /// Takes `cost` turns in a row whose first begins at most `max_wait` later and says when; else how many nanoseconds
    /// too early it asks (`None`: never).
    ///
    /// # Errors
    /// The wait.
    pub fn reserve(&mut self, cost: u64, max_wait: u64, now: u64) -> Result<u64, Option<u64>> {
        let (cost, now) = (u128::from(cost), u128::from(now) * self.units);
        if cost > self.queue + 1 {
            return Err(None);
        }
        let first = self.next(now);
        // How much too late each condition comes true: the last of the turns is at most `queue` turns away, the first
        // at most `max_wait`.
        let last = first + (cost - 1) * self.per;
        let over_queue = last.saturating_sub(now + self.queue * self.per);
        let over_wait = (first - now).saturating_sub(u128::from(max_wait) * self.units);
        let over = over_queue.max(over_wait).div_ceil(self.units) as u64;
        if over > 0 {
            return Err(Some(over));
        }
        self.begins
            .extend((0..cost).map(|turn| first + turn * self.per));
        Ok((first - now).div_ceil(self.units) as u64)
    }

    /// Turns that would be given, at once or after a wait.
    pub fn available(&self, now: u64) -> u64 {
        let now = u128::from(now) * self.units;
        let end = now + (self.queue + 1) * self.per;
        (end.saturating_sub(self.next(now)) / self.per) as u64
    }
}
