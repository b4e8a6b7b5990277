//! [`Points`]: the values of a metric, one for each set of attributes, and no more sets than allowed.

use super::metrics::{BOARD, Metric, NAME, OTHER, Read};
use super::report::Report;
use std::collections::BTreeMap;

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
        self.owner.clear();
        if place >= self.limit {
            self.owner.push((NAME, OTHER.to_owned()));
            return;
        }
        self.owner.push((NAME, name.to_owned()));
        if let Some(board) = board {
            self.owner.push((BOARD, board.to_owned()));
        }
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
