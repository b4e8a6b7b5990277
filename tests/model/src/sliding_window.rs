//! The sliding window's model: a list of admissions.

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlidingWindow {
    limit: usize,
    window: u64,
    times: Vec<u64>,
    /// The latest time that an overtaken request was shown.
    shown: u64,
}

impl SlidingWindow {
    /// An empty log.
    pub fn new(limit: u32, window: u64) -> Self {
        Self {
            limit: limit as usize,
            window,
            times: Vec::new(),
            shown: 0,
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
        let latest = latest.max(self.shown);
        self.times.extend(std::iter::repeat_n(latest, cost));
        Ok(())
    }
    /// A request at `now` found room and was overtaken: the next admission counts from `now`, if that is later.
    pub fn overtaken(&mut self, now: u64) {
        self.shown = self.shown.max(now);
    }
    /// The units after the first of the newest admission, of `cost` units, were written down after an overtaken request had
    /// been shown its time.
    pub fn written_late(&mut self, cost: u32) {
        let late = self.times.iter_mut().rev().take(cost as usize - 1);
        late.for_each(|time| *time = self.shown.max(*time));
    }
}
