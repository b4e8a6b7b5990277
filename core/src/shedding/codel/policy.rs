//! The drop law, pure: values in, a decision out.

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;

/// The law's times are in so many parts of an interval.
pub(crate) const TICKS_PER_INTERVAL: u64 = 1 << 10;
/// Most sheds that are counted in a row: their spacing is then one tick.
pub(crate) const COUNT_MAX: u32 = (1 << 20) - 1;
/// Last tick; time stands still there.
pub(crate) const TICK_MAX: u64 = (1 << 43) - 1;
/// A law that begins again within so many intervals resumes.
const MEMORY_INTERVALS: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) target: Nanos,
    /// At least one nanosecond for each tick.
    pub(crate) interval: Nanos,
}

impl Rules {
    pub(crate) const fn checked(target: Nanos, interval: Nanos) -> Result<Self, ConfigError> {
        if interval.get() < TICKS_PER_INTERVAL {
            return Err(ConfigError::span(
                "interval",
                interval,
                "at least 1.024us; the time of a round trip or of a client's patience, such as 100ms",
            ));
        }
        if target.get() == 0 || target.get() > interval.get() {
            return Err(ConfigError::span(
                "target",
                target,
                "1ns up to the interval; a twentieth of it is usual",
            ));
        }
        Ok(Self { target, interval })
    }

    pub(crate) const fn tick(self, now: Nanos) -> u64 {
        let tick = now.get() / (self.interval.get() / TICKS_PER_INTERVAL);
        if tick > TICK_MAX { TICK_MAX } else { tick }
    }
}

/// The law's state: whether it sheds, how many it has shed in a row, and when the next is due (or was, when it ended).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Law {
    pub(crate) is_shedding: bool,
    pub(crate) count: u32,
    pub(crate) next: u64,
}

/// What becomes of one entry: the next law, and whether it is served. `stands`: the queue has been too slow for an
/// interval.
pub(crate) fn step(law: Law, stands: bool, tick: u64) -> (Law, bool) {
    if !stands {
        let ended = Law {
            is_shedding: false,
            ..law
        };
        return (ended, true);
    }
    if law.is_shedding {
        if tick < law.next {
            return (law, true);
        }
        let count = (law.count + 1).min(fault!("codel_count_spills", u32::MAX, COUNT_MAX));
        let shed = Law {
            count,
            next: due(law.next, count),
            ..law
        };
        return (shed, false);
    }
    let is_recent = tick.saturating_sub(law.next) < MEMORY_INTERVALS * TICKS_PER_INTERVAL;
    let count = if is_recent && law.count > 2 {
        law.count - 2
    } else {
        1
    };
    let begun = Law {
        is_shedding: true,
        count,
        next: due(tick, count),
    };
    (begun, false)
}

/// `interval / sqrt(count)` later.
fn due(tick: u64, count: u32) -> u64 {
    // floor(1024 / sqrt(n)) = floor(sqrt(1024^2 / n)), and the floor inside does not change it.
    let spacing = fault!(
        "codel_constant_spacing",
        TICKS_PER_INTERVAL,
        (TICKS_PER_INTERVAL * TICKS_PER_INTERVAL / u64::from(count.max(1))).isqrt()
    );
    (tick + spacing.max(1)).min(TICK_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6, W4: at both ends of each field the law stays within it.
    #[test]
    fn r6_law_saturates_at_the_end_of_its_fields() {
        for count in [COUNT_MAX - 1, COUNT_MAX] {
            for next in [TICK_MAX - 1, TICK_MAX] {
                let law = Law {
                    is_shedding: true,
                    count,
                    next,
                };
                let (after, is_served) = step(law, true, TICK_MAX);
                assert!(!is_served);
                assert_eq!((after.count, after.next), (COUNT_MAX, TICK_MAX));
            }
        }
        assert_eq!(due(0, COUNT_MAX), 1);
        assert_eq!(due(0, 1), TICKS_PER_INTERVAL);
        assert_eq!(due(0, 4), TICKS_PER_INTERVAL / 2);
    }
}
