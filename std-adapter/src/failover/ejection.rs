//! How many endpoints may be out at once.

use crate::clock::Clock;
use crate::failover::Failover;
use fuseboard_core::State;

impl<A, C: Clock> Failover<A, C> {
    /// Whether the endpoint, whose breaker rejects, is among those that may be left alone: those that opened first are, up to
    /// the cap. An operator's word counts without a cap.
    pub(super) fn may_be_ejected(&self, index: usize) -> bool {
        let endpoints = &self.shared.endpoints;
        let since = |index: usize| {
            let snapshot = endpoints[index].breaker.snapshot();
            (snapshot.state == State::Open).then_some((snapshot.since, index))
        };
        let Some(own) = since(index) else {
            return true;
        };
        let earlier = (0..endpoints.len())
            .filter_map(since)
            .filter(|other| *other < own);
        earlier.count() < self.most_ejected()
    }

    fn most_ejected(&self) -> usize {
        let endpoints = self.shared.endpoints.len();
        // An `f64` counts endpoints exactly; the share is 0 to 1.
        let most = (endpoints as f64 * self.max_ejected) as usize;
        if self.max_ejected > 0.0 && endpoints > 1 {
            most.max(1)
        } else {
            most
        }
    }
}
