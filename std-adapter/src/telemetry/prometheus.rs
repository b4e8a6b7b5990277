//! [`prometheus_text`]: a report as Prometheus reads it.

use super::lane::LaneValue;
use super::metrics::{Instrument, METRICS, Metric};
use super::points::{Labels, latencies};
use super::report::Report;
use fuseboard_core::LatencySnapshot;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// A report in Prometheus' text format (version 0.0.4): names and labels as OpenTelemetry's rules turn those of the metrics into them,
/// so that a query fits this endpoint and what a collector hands on alike.
pub fn prometheus_text(report: &Report) -> String {
    let mut text = String::new();
    for metric in METRICS {
        if metric.instrument == Instrument::Histogram {
            histogram(metric, report, &mut text);
            continue;
        }
        let points = metric.points(report);
        if points.is_empty() {
            continue;
        }
        let name = metric.prometheus_name();
        let kind = match metric.instrument {
            Instrument::Counter => "counter",
            _ => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {}", metric.about);
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, value) in points {
            text.push_str(&name);
            labelled(&labels, &mut text);
            let _ = writeln!(text, "}} {value}");
        }
    }
    lanes(report, &mut text);
    text
}

/// The numbers of the program's own, those of one metric together.
fn lanes(report: &Report, text: &mut String) {
    let mut groups: BTreeMap<&str, Vec<&LaneValue>> = BTreeMap::new();
    for value in report.lanes.iter().flat_map(|lane| &lane.values) {
        groups.entry(value.metric.name).or_default().push(value);
    }
    for values in groups.values() {
        let Some(metric) = values.first().map(|value| value.metric) else {
            continue;
        };
        let name = metric.prometheus_name();
        let kind = match metric.instrument {
            Instrument::Counter => "counter",
            _ => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {}", metric.about);
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for value in values {
            text.push_str(&name);
            labelled(&value.attributes, text);
            let end = if value.attributes.is_empty() { "" } else { "}" };
            let _ = writeln!(text, "{end} {}", value.value);
        }
    }
}

/// Buckets of the core's histogram in one of ours: a power of two.
const WIDTH: usize = 8;
/// Ours end from 2^17 ns, 131 us, to 2^37 ns, 137 s: what services ask for.
const ENDS: std::ops::RangeInclusive<usize> = 7..=27;

/// A histogram with a bucket for each power of two. OTLP has all eight of each.
fn histogram(metric: &Metric, report: &Report, text: &mut String) {
    let latencies = latencies(report);
    if latencies.is_empty() {
        return;
    }
    let name = metric.prometheus_name();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {}", metric.about);
    let _ = writeln!(text, "# TYPE {name} histogram");
    for (labels, latency) in latencies {
        let mut line = |suffix: &str, end: Option<&str>, value: &dyn Display| {
            text.push_str(&name);
            text.push_str(suffix);
            labelled(&labels, text);
            if let Some(end) = end {
                let _ = write!(text, ",le=\"{end}\"");
            }
            let _ = writeln!(text, "}} {value}");
        };
        for end in ENDS {
            let below = &latency.counts[..(end * WIDTH).min(latency.counts.len())];
            let count = below.iter().sum::<u64>() + latency.short;
            let (_, seconds) = LatencySnapshot::bounds(end * WIDTH - 1);
            let seconds = seconds.get() as f64 / 1e9;
            line("_bucket", Some(&seconds.to_string()), &count);
        }
        line("_bucket", Some("+Inf"), &latency.count());
        line("_sum", None, &latency.sum.as_secs_f64());
        line("_count", None, &latency.count());
    }
}

/// `{key="value",…` without the end.
fn labelled(labels: &Labels, text: &mut String) {
    for (place, (key, value)) in labels.iter().enumerate() {
        text.push(if place == 0 { '{' } else { ',' });
        let _ = write!(text, "{}=\"", plain(key));
        escape(value, text);
        text.push('"');
    }
}

impl Metric {
    /// Its name where Prometheus keeps it: `fuseboard_calls_total`.
    pub fn prometheus_name(&self) -> String {
        series(self.name, self.unit, self.instrument)
    }
}

/// What Prometheus makes of a metric's name, unit and kind.
pub(super) fn series(name: &str, unit: &str, instrument: Instrument) -> String {
    let unit = match unit {
        "s" => "_seconds",
        "1" => "_ratio",
        _ => "",
    };
    let total = match instrument {
        Instrument::Counter => "_total",
        _ => "",
    };
    format!("{}{unit}{total}", plain(name))
}

fn plain(name: &str) -> String {
    name.replace('.', "_")
}

fn escape(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}
