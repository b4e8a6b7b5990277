//! [`Points`]: the values of a metric, one for each set of attributes, and no more sets than allowed.

use super::changes::duration;
use super::metrics::{BOARD, Metric, NAME, OTHER, Read};
use super::report::Report;
use fuseboard_core::LatencySnapshot;
use std::collections::BTreeMap;
use std::time::Duration;

/// Attributes of a point, in their order.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The points of one metric.
#[derive(Debug, Default)]
pub(super) struct Points {
    owner: Labels,
    limit: usize,
    pub(super) found: BTreeMap<Labels, f64>,
}

impl Points {
    /// What follows is of this policy, the `place`-th of its kind.
    pub(super) fn of(&mut self, place: usize, name: &str, board: Option<&str>) {
        self.owner = owner(place, self.limit, name, board);
    }

    /// A value that adds up with others.
    pub(super) fn add(&mut self, attributes: &[(&'static str, &str)], value: f64) {
        *self.entry(attributes) += value;
    }

    /// A value of which the largest counts.
    pub(super) fn most(&mut self, value: f64) {
        let entry = self.entry(&[]);
        *entry = entry.max(value);
    }

    fn entry(&mut self, attributes: &[(&'static str, &str)]) -> &mut f64 {
        let own = attributes
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()));
        let labels = self.owner.iter().cloned().chain(own).collect();
        self.found.entry(labels).or_default()
    }
}

impl Metric {
    /// Its points at the moment of `report`.
    pub(super) fn points(&self, report: &Report) -> BTreeMap<Labels, f64> {
        let mut points = Points {
            limit: report.series_limit,
            ..Points::default()
        };
        match self.read {
            Read::Latencies => {}
            Read::Report(read) => read(report, &mut points),
            Read::Breakers(read) => {
                for (place, breaker) in report.breakers.iter().enumerate() {
                    points.of(place, &breaker.name, breaker.board.as_deref());
                    read(breaker, &mut points);
                }
            }
        }
        points.found
    }
}

/// Whose a point is: the `place`-th of its kind.
fn owner(place: usize, limit: usize, name: &str, board: Option<&str>) -> Labels {
    if place >= limit {
        return vec![(NAME, OTHER.to_owned())];
    }
    let board = board.map(|board| (BOARD, board.to_owned()));
    [(NAME, name.to_owned())].into_iter().chain(board).collect()
}

/// How long calls took: calls of each bucket of the core's histogram.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    /// Calls shorter than all buckets.
    pub(super) short: u64,
    pub(super) counts: Vec<u64>,
    pub(super) sum: Duration,
}

impl Latency {
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.short
    }

    fn add(&mut self, more: &LatencySnapshot) {
        self.short += more.short();
        self.counts.resize(more.bucket_counts().len(), 0);
        for (own, count) in self.counts.iter_mut().zip(more.bucket_counts()) {
            *own += count;
        }
        self.sum += duration(more.sum());
    }
}

/// The latencies of every breaker that counts them.
pub(super) fn latencies(report: &Report) -> BTreeMap<Labels, Latency> {
    let mut found: BTreeMap<Labels, Latency> = BTreeMap::new();
    for (place, breaker) in report.breakers.iter().enumerate() {
        if let Some(latency) = &breaker.latency {
            let board = breaker.board.as_deref();
            let owner = owner(place, report.series_limit, &breaker.name, board);
            found.entry(owner).or_default().add(latency);
        }
    }
    found
}
