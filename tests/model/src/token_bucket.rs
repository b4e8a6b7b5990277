//! The token bucket's models, in exact fractions: a level that fills, and the schedule that core keeps as one word.

/// A bucket whose tokens are counted in fractions of `per`: `units` of them flow in each nanosecond.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    units: u128,
    per: u128,
    burst: u128,
    /// Tokens times `per`.
    level: u128,
    seen: u128,
}

impl TokenBucket {
    /// A full bucket: `units` in each `per` nanoseconds.
    pub fn new(units: u64, per: u64, burst: u64) -> Self {
        let (units, per, burst) = (u128::from(units), u128::from(per), u128::from(burst));
        Self {
            units,
            per,
            burst,
            level: burst * per,
            seen: 0,
        }
    }

    fn level_at(&self, now: u128) -> Option<u128> {
        // A clock that went back admits nothing that the latest time seen would not: what flowed in since is missing.
        let full = self.burst * self.per;
        if now >= self.seen {
            Some((self.level + (now - self.seen) * self.units).min(full))
        } else {
            let level = self.level.checked_sub((self.seen - now) * self.units)?;
            Some(level.min(full))
        }
    }

    /// Takes `cost`, or says how many nanoseconds to wait (`None`: never).
    ///
    /// # Errors
    /// The wait.
    pub fn acquire(&mut self, cost: u64, now: u64) -> Result<(), Option<u64>> {
        let (cost, now) = (u128::from(cost) * self.per, u128::from(now));
        if cost > self.burst * self.per {
            return Err(None);
        }
        match self.level_at(now) {
            Some(level) if level >= cost => {
                if now >= self.seen {
                    self.level = level - cost;
                    self.seen = now;
                } else {
                    self.level = level - cost + (self.seen - now) * self.units;
                }
                Ok(())
            }
            _ => {
                // From the latest time seen on, the bucket fills; before, it only lacks.
                let missing =
                    (cost + self.seen * self.units).saturating_sub(self.level + now * self.units);
                Err(Some(missing.div_ceil(self.units) as u64))
            }
        }
    }

    /// Whole units that would be admitted.
    pub fn available(&self, now: u64) -> u64 {
        self.level_at(u128::from(now))
            .map_or(0, |level| (level / self.per) as u64)
    }

    /// Gives `cost` back, up to a bucket that is full at `now`.
    pub fn refund(&mut self, cost: u64, now: u64) {
        let (now, full) = (u128::from(now), self.burst * self.per);
        // The level at the latest time seen that makes the bucket full at `now`.
        let cap = if now >= self.seen {
            full.saturating_sub((now - self.seen) * self.units)
        } else {
            full + (self.seen - now) * self.units
        };
        if self.level < cap {
            self.level = (self.level + u128::from(cost) * self.per).min(cap);
        }
    }
}

/// GCRA: every time is multiplied by the rate's units.
#[derive(Clone, Debug)]
pub struct Schedule {
    units: u128,
    per: u128,
    burst: u128,
    tat: u128,
}

impl Schedule {
    /// A full bucket: `units` in each `per` nanoseconds.
    pub fn new(units: u64, per: u64, burst: u64) -> Self {
        let (units, per, burst) = (units.into(), per.into(), burst.into());
        Self {
            units,
            per,
            burst,
            tat: 0,
        }
    }

    fn at(&self, now: u64) -> u128 {
        u128::from(now) * self.units
    }

    /// Takes `cost` if it is there within `max_wait` and says how long the wait is; else how many nanoseconds too early
    /// it asks (`None`: never).
    ///
    /// # Errors
    /// The wait beyond `max_wait`.
    pub fn acquire(&mut self, cost: u64, now: u64, max_wait: u64) -> Result<u64, Option<u64>> {
        let span = u128::from(cost) * self.per;
        let full = self.burst * self.per;
        if span > full {
            return Err(None);
        }
        let next = self.tat.max(self.at(now)) + span;
        let wait = next
            .saturating_sub(self.at(now) + full)
            .div_ceil(self.units) as u64;
        if wait > max_wait {
            return Err(Some(wait - max_wait));
        }
        self.tat = next;
        Ok(wait)
    }

    /// Whole units that would be admitted.
    pub fn available(&self, now: u64) -> u64 {
        let full = self.at(now) + self.burst * self.per;
        (full.saturating_sub(self.tat.max(self.at(now))) / self.per) as u64
    }

    /// Gives `cost` back, up to a bucket that is full at `now`.
    pub fn refund(&mut self, cost: u64, now: u64) {
        if self.tat > self.at(now) {
            let less = self.tat.saturating_sub(u128::from(cost) * self.per);
            self.tat = less.max(self.at(now));
        }
    }

    /// Empties it.
    pub fn drain(&mut self, now: u64) {
        self.tat = self.tat.max(self.at(now) + self.burst * self.per);
    }

    /// Another rate, of as many units, and another burst.
    pub fn configure(&mut self, per: u64, burst: u64) {
        (self.per, self.burst) = (per.into(), burst.into());
    }
}
