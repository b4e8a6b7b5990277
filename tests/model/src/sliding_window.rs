//! The sliding window's model: a list of admissions.

/// The log.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    limit: usize,
    window: u64,
    times: Vec<u64>,
}

impl SlidingWindow {
    /// An empty log.
    pub fn new(limit: u32, window: u64) -> Self {
        Self {
            limit: limit as usize,
            window,
            times: Vec::new(),
        }
    }

    /// Takes `cost` units, or says how many nanoseconds to wait (`None`: never).
    ///
    /// # Errors
    /// The wait.
    pub fn acquire(&mut self, cost: u32, now: u64) -> Result<(), Option<u64>> {
        let cost = cost as usize;
        if cost > self.limit {
            return Err(None);
        }
        // The admission that must have left the window: the `limit - cost + 1`-th last one.
        let kept = self.limit - cost;
        if let Some(&time) = self.times.iter().rev().nth(kept) {
            let free = time.saturating_add(self.window);
            if now < free {
                return Err(Some(free - now));
            }
        }
        let latest = self.times.last().map_or(now, |&last| last.max(now));
        self.times.extend(std::iter::repeat_n(latest, cost));
        Ok(())
    }
}
