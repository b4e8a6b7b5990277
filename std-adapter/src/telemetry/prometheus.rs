//! [`prometheus_text`]: a report as Prometheus reads it.

use super::metrics::{Instrument, METRICS, Metric};
use super::report::Report;
use std::fmt::Write;

/// A report in Prometheus' text format (version 0.0.4): names and labels as OpenTelemetry's rules turn those of the metrics into them,
/// so that a query fits this endpoint and what a collector hands on alike.
pub fn prometheus_text(report: &Report) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let points = metric.points(report);
        if points.is_empty() {
            continue;
        }
        let name = metric.prometheus_name();
        let kind = match metric.instrument {
            Instrument::Counter => "counter",
            Instrument::UpDownCounter | Instrument::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {}", metric.about);
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, value) in points {
            text.push_str(&name);
            for (place, (key, value)) in labels.iter().enumerate() {
                text.push(if place == 0 { '{' } else { ',' });
                let _ = write!(text, "{}=\"", plain(key));
                escape(value, &mut text);
                text.push('"');
            }
            let _ = writeln!(text, "}} {value}");
        }
    }
    text
}

impl Metric {
    /// Its name where Prometheus keeps it: `fuseboard_calls_total`.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "1" => "_ratio",
            _ => "",
        };
        let total = match self.instrument {
            Instrument::Counter => "_total",
            Instrument::UpDownCounter | Instrument::Gauge => "",
        };
        format!("{}{unit}{total}", plain(self.name))
    }
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
