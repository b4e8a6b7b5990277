//! [`register_metrics`]: each metric as an observable instrument, read when the SDK collects and at no other time.

use crate::telemetry::metrics::{Instrument, METRICS};
use crate::telemetry::points::Labels;
use crate::telemetry::registry::{Registry, WeakRegistry};
use crate::telemetry::report::Report;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes an observable instrument of each metric on a meter of the program's own.
/// [`Telemetry`](super::Telemetry) does it by itself.
///
/// The instruments do not keep the registry: when its last handle is gone, they are empty.
pub fn register_metrics(registry: &Registry, meter: &Meter) {
    let source = Arc::new(Collection {
        registry: registry.downgrade(),
        latest: Mutex::default(),
    });
    for (place, metric) in METRICS.iter().enumerate() {
        let (source, name) = (Arc::clone(&source), metric.name);
        let points = move || source.points(place);
        // The SDK keeps the callback; the instrument's handle does nothing.
        match (metric.instrument, metric.unit) {
            (Instrument::Counter, "s") => {
                let _ = meter
                    .f64_observable_counter(name)
                    .with_unit(metric.unit)
                    .with_description(metric.about)
                    .with_callback(move |observer| {
                        for (attributes, value) in points() {
                            observer.observe(value, &attributes);
                        }
                    })
                    .build();
            }
            (Instrument::Counter, _) => {
                let _ = meter
                    .u64_observable_counter(name)
                    .with_unit(metric.unit)
                    .with_description(metric.about)
                    .with_callback(move |observer| {
                        for (attributes, value) in points() {
                            observer.observe(value as u64, &attributes);
                        }
                    })
                    .build();
            }
            (Instrument::UpDownCounter, _) => {
                let _ = meter
                    .i64_observable_up_down_counter(name)
                    .with_unit(metric.unit)
                    .with_description(metric.about)
                    .with_callback(move |observer| {
                        for (attributes, value) in points() {
                            observer.observe(value as i64, &attributes);
                        }
                    })
                    .build();
            }
            // Sent beside the SDK's metrics, which know no observable histogram: see `latency.rs`.
            (Instrument::Histogram, _) => {}
            (Instrument::Gauge, _) => {
                let _ = meter
                    .f64_observable_gauge(name)
                    .with_unit(metric.unit)
                    .with_description(metric.about)
                    .with_callback(move |observer| {
                        for (attributes, value) in points() {
                            observer.observe(value, &attributes);
                        }
                    })
                    .build();
            }
        }
    }
}

/// One report for all instruments of a collection.
#[derive(Debug)]
struct Collection {
    registry: WeakRegistry,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    report: Option<Arc<Report>>,
    /// The instruments that have seen it, one bit each.
    seen: u64,
}

const _: () = assert!(METRICS.len() <= 64, "one bit for each metric");

impl Collection {
    fn points(&self, place: usize) -> Vec<(Vec<KeyValue>, f64)> {
        // A panic in a clock of the user's would end the SDK's thread for good.
        let report = catch_unwind(AssertUnwindSafe(|| self.report(place)));
        let Ok(Some(report)) = report else {
            return Vec::new();
        };
        let points = METRICS[place].points(&report);
        points
            .into_iter()
            .map(|(labels, value)| (attributes(labels), value))
            .collect()
    }

    /// The report of this collection: who has seen the latest one begins another.
    fn report(&self, place: usize) -> Option<Arc<Report>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let bit = 1 << place;
        if latest.report.is_none() || latest.seen & bit != 0 {
            let report = self.registry.upgrade()?.report();
            *latest = Latest {
                report: Some(Arc::new(report)),
                seen: 0,
            };
        }
        latest.seen |= bit;
        latest.report.clone()
    }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value))
        .collect()
}
