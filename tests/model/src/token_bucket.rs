//! The token bucket's model: exact fractions, no rounding anywhere.

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
