//! The keyed limiter's model: a list of keys with the time at which each one's bucket is full again.

/// A table with so many places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keyed {
    places: usize,
    /// Nanoseconds in which one unit flows in.
    interval: u64,
    burst: u64,
    /// Keys that have a place, each with the time at which its bucket is full again.
    held: Vec<(u64, u64)>,
    /// The latest such time of a key that had to leave.
    horizon: u64,
}

impl Keyed {
    /// Every bucket full.
    pub fn new(places: usize, interval: u64, burst: u64) -> Self {
        Self {
            places,
            interval,
            burst,
            held: Vec::new(),
            horizon: 0,
        }
    }

    /// Takes one unit of `key`, or says how many nanoseconds to wait.
    ///
    /// # Errors
    /// The wait.
    pub fn acquire(&mut self, key: u64, now: u64) -> Result<(), u64> {
        if let Some(at) = self.held.iter().position(|&(held, _)| held == key) {
            let full_at = self.held[at].1.max(now) + self.interval;
            let limit = now + self.burst * self.interval;
            if full_at > limit {
                return Err(full_at - limit);
            }
            self.held[at].1 = full_at;
            return Ok(());
        }
        // Whose bucket is full again needs no place.
        self.make_room(key, now);
        if self.held.len() == self.places {
            let next = self.held.iter().map(|&(_, full_at)| full_at - now).min();
            return Err(next.unwrap_or(0));
        }
        // Never earlier than another key has left.
        let now = now.max(self.horizon);
        self.held.push((key, now + self.interval));
        Ok(())
    }

    /// Makes a place for `key` at `now`, where that takes another key's.
    pub fn make_room(&mut self, key: u64, now: u64) {
        if self.held.len() < self.places || self.held.iter().any(|&(held, _)| held == key) {
            return;
        }
        let full_again = |&(_, full_at): &(u64, u64)| full_at <= now;
        if let Some(at) = self.held.iter().position(full_again) {
            let (_, full_at) = self.held.swap_remove(at);
            self.horizon = self.horizon.max(full_at);
        }
    }

    /// Units of `key` that would be admitted.
    pub fn available(&self, key: u64, now: u64) -> u64 {
        let held = self.held.iter().find(|&&(held, _)| held == key);
        let full_at = held.map_or(0, |&(_, full_at)| full_at);
        (now + self.burst * self.interval).saturating_sub(full_at.max(now)) / self.interval
    }
}
