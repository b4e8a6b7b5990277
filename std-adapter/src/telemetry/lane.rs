//! A lane: numbers of the program's own, such as how far a queue is behind, shown and exported beside its policies.

use super::changes::Change;
use super::metrics::Instrument;
use super::report::Report;
use super::source::Source;
use std::fmt;

/// A metric of the program's own.
///
/// ```
/// use fuseboard::telemetry::{LaneMetric, Registry, prometheus_text};
///
/// static WAITING: LaneMetric =
///     LaneMetric::gauge("shop.mails.waiting", "{mail}", "Mails that are not sent yet").label("waiting");
///
/// let registry = Registry::new();
/// static METRICS: [&LaneMetric; 1] = [&WAITING];
/// registry.add_lane("mail", &METRICS, || vec![WAITING.value(3.0)]);
/// assert!(prometheus_text(&registry.report()).contains("shop_mails_waiting 3"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LaneMetric {
    pub(super) name: &'static str,
    pub(super) instrument: Instrument,
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
    pub(super) label: &'static str,
}

impl LaneMetric {
    const fn new(
        name: &'static str,
        instrument: Instrument,
        unit: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            instrument,
            unit,
            about,
            label: "",
        }
    }

    /// One that only rises. `name` is in OpenTelemetry's terms, such as `shop.mails.sent`; `unit` as UCUM writes it, such as `s` or
    /// `{mail}`, empty for none.
    pub const fn counter(name: &'static str, unit: &'static str, about: &'static str) -> Self {
        Self::new(name, Instrument::Counter, unit, about)
    }

    /// One that rises and falls.
    pub const fn gauge(name: &'static str, unit: &'static str, about: &'static str) -> Self {
        Self::new(name, Instrument::Gauge, unit, about)
    }

    /// What the dashboard writes below the number; without a label it is exported and not shown.
    #[must_use]
    pub const fn label(mut self, label: &'static str) -> Self {
        self.label = label;
        self
    }

    /// Its name in OpenTelemetry's terms.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its name where Prometheus keeps it.
    pub fn prometheus_name(&self) -> String {
        super::prometheus::series(self.name, self.unit, self.instrument)
    }

    /// A number of it, without attributes.
    pub fn value(&'static self, value: f64) -> LaneValue {
        LaneValue {
            metric: self,
            attributes: Vec::new(),
            value,
        }
    }
}

/// A number at one moment.
#[derive(Clone, Debug)]
pub struct LaneValue {
    pub(super) metric: &'static LaneMetric,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) value: f64,
}

impl LaneValue {
    /// The same with an attribute. Its values must be few: a name of a part of the program, never of a user.
    #[must_use]
    pub fn attribute(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    /// Of which metric it is.
    pub const fn metric(&self) -> &'static LaneMetric {
        self.metric
    }

    /// The number.
    pub const fn number(&self) -> f64 {
        self.value
    }
}

/// A lane at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LaneReport {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub values: Vec<LaneValue>,
}

type Read = Box<dyn Fn() -> Vec<LaneValue> + Send + Sync>;

/// A lane as a registry keeps it.
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) metrics: &'static [&'static LaneMetric],
    pub(super) read: Read,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Source for Lane {
    fn kind(&self) -> &'static str {
        "lane"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn metrics(&self) -> &'static [&'static LaneMetric] {
        self.metrics
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        let mut values = (self.read)();
        // What it did not say it has has no instrument; and a program that makes attributes of what users send must not fill the memory.
        values.retain(|value| {
            self.metrics
                .iter()
                .any(|metric| std::ptr::eq(*metric, value.metric))
        });
        values.truncate(report.series_limit.saturating_mul(self.metrics.len()));
        report.lanes.push(LaneReport {
            name: self.name.clone(),
            values,
        });
    }
}
