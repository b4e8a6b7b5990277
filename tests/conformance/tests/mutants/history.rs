//! What a breaker has been told, for faults that need to remember it.

use fuseboard_conformance::trace::{BreakerSetting as Setting, Policy, Window};
use fuseboard_core::Nanos;

/// The outcomes that one breaker has counted while closed.
#[derive(Default)]
pub struct History {
    /// When, and whether it failed.
    pub outcomes: Vec<(Nanos, bool)>,
}

impl History {
    /// Whether the time window reaches minimum and threshold now, whichever call was the last.
    /// Windows of other kinds never do.
    pub fn trips(&self, policy: &Policy) -> bool {
        let Policy::Breaker(settings) = policy else {
            return false;
        };
        let (mut threshold, mut minimum, mut shape) = (0.5, 20, None);
        for setting in settings {
            match *setting {
                Setting::FailureThreshold(share) => threshold = share,
                Setting::MinimumRequests(calls) => minimum = calls,
                Setting::Window(Window::Time { length, slots }) if slots > 0 => {
                    shape = Some((length.get() / u64::from(slots), u64::from(slots)));
                }
                _ => {}
            }
        }
        let Some((slot, slots)) = shape else {
            return false;
        };
        let tick = |now: Nanos| now.get() / slot.max(1);
        let newest = self.outcomes.iter().map(|(now, _)| tick(*now)).max();
        let held: Vec<bool> = self
            .outcomes
            .iter()
            .filter(|(now, _)| newest.is_some_and(|newest| tick(*now) + slots > newest))
            .map(|(_, failed)| *failed)
            .collect();
        let failures = held.iter().filter(|failed| **failed).count();
        held.len() as u64 >= minimum && failures as f64 >= threshold * held.len() as f64
    }
}
