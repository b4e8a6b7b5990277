//! The sliding counter, pure: values in, a decision out.

use crate::fault::fault;

/// The last moment that is judged: 73 years after the clock's zero.
pub(crate) const NOW_MAX: u64 = (1 << 61) - 1;
/// A count has at most so many bits.
const WIDTH_MAX: u32 = 31;

/// How many bits a count of this window has: half of those that the number of the last window leaves.
pub(crate) const fn width(window: u64) -> u32 {
    let width = (NOW_MAX / window).leading_zeros() / 2;
    if width > WIDTH_MAX { WIDTH_MAX } else { width }
}

/// The largest limit of a window.
pub(crate) const fn limit_max(window: u64) -> u64 {
    (1 << width(window)) - 1
}

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: u64,
    /// Nanoseconds; at least 1.
    pub(crate) window: u64,
}

impl Quota {
    pub(crate) const fn width(self) -> u32 {
        width(self.window)
    }
}

/// Units taken in a window and in the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The window, counted from the clock's zero.
    pub(crate) number: u64,
    pub(crate) previous: u64,
    pub(crate) current: u64,
}

impl Counts {
    /// The same units, seen from window `number`; `None`: it is over.
    fn at(self, number: u64) -> Option<Self> {
        let (previous, current) = match number.checked_sub(self.number)? {
            0 => return Some(self),
            1 => (self.current, 0),
            _ => (0, 0),
        };
        Some(Self {
            number,
            previous,
            current,
        })
    }

    /// How long after the start of its window `taken` of it have shrunk to `room`.
    fn shrunk(taken: u64, room: u64, window: u64) -> u64 {
        if taken <= room {
            return 0;
        }
        // The room is the smaller: the share is less than the window.
        let share = u128::from(room) * u128::from(window) / u128::from(taken);
        window.saturating_sub(share as u64 + u64::from(fault!("counter_wait_short")))
    }

    /// The first moment at which `cost` units (up to the limit) are admitted.
    fn open(self, cost: u64, quota: Quota) -> Option<u64> {
        let Quota { limit, window } = quota;
        let (number, offset) = if let Some(room) = limit.checked_sub(self.current + cost) {
            (self.number, Self::shrunk(self.previous, room, window))
        } else {
            let room = limit.saturating_sub(cost);
            (self.number + 1, Self::shrunk(self.current, room, window))
        };
        number
            .checked_mul(window)?
            .checked_add(offset)
            .filter(|&open| open <= NOW_MAX)
    }

    /// What of the previous window still counts, rounded up, `elapsed` into this one.
    fn remaining(self, elapsed: u64, window: u64) -> u64 {
        let previous = fault!("counter_forgets_previous", 0, self.previous);
        let share = u128::from(previous) * u128::from(window - elapsed);
        // At most `previous`.
        share.div_ceil(u128::from(window)) as u64
    }
}

/// The next counts, or how long to wait; `Err(None)`: the clock is at its end.
pub(crate) fn admit(
    counts: Counts,
    now: u64,
    cost: u64,
    quota: Quota,
) -> Result<Counts, Option<u64>> {
    let wait = |counts: Counts| {
        counts
            .open(cost, quota)
            .and_then(|open| open.checked_sub(now))
    };
    // A clock that went back to an earlier window: not before the window that has been seen.
    let Some(counts) = counts.at(now / quota.window) else {
        return Err(wait(counts));
    };
    let taken = counts.current + cost;
    let remaining = counts.remaining(now % quota.window, quota.window);
    if remaining + taken <= quota.limit + u64::from(fault!("counter_admits_one_more")) {
        Ok(Counts {
            current: taken,
            ..counts
        })
    } else {
        Err(wait(counts))
    }
}

/// The counts with `cost` units fewer in the latest window; `None`: that is over, or not yet come.
pub(crate) fn refund(counts: Counts, now: u64, cost: u64, quota: Quota) -> Option<Counts> {
    let age = (now / quota.window).checked_sub(counts.number)?;
    (age <= 1 && counts.current > 0).then(|| Counts {
        current: counts.current.saturating_sub(cost),
        ..counts
    })
}

/// Units that would be admitted.
pub(crate) fn available(counts: Counts, now: u64, quota: Quota) -> u64 {
    if now > NOW_MAX {
        return 0;
    }
    counts.at(now / quota.window).map_or(0, |counts| {
        let remaining = counts.remaining(now % quota.window, quota.window);
        quota.limit.saturating_sub(remaining + counts.current)
    })
}
