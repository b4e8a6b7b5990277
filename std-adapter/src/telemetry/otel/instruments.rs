//! [`register_metrics`]: each metric as an observable instrument, read when the SDK collects and at no other time.

use crate::telemetry::lane::LaneMetric;
use crate::telemetry::metrics::{Instrument, METRICS};
use crate::telemetry::points::Labels;
use crate::telemetry::registry::{Registry, WeakRegistry};
use crate::telemetry::report::Report;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes an observable instrument of each metric on a meter of the program's own.
/// [`Telemetry`](super::Telemetry) does it by itself.
///
/// Metrics of lanes get theirs when a lane is added. The instruments do not keep the registry: when its last handle is gone, they are
/// empty.
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
    let (meter, known) = (meter.clone(), Mutex::new(Vec::new()));
    registry.each_lane(move |metrics| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in metrics {
            if !known.contains(&metric.name) {
                lane(&meter, &source, METRICS.len() + known.len(), metric);
                known.push(metric.name);
            }
        }
    });
}

/// The instrument of a metric of the program's own.
fn lane(meter: &Meter, source: &Arc<Collection>, place: usize, metric: &'static LaneMetric) {
    let source = Arc::clone(source);
    let points = move || source.lane_points(place, metric);
    if metric.instrument == Instrument::Counter {
        let _ = meter
            .f64_observable_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.about)
            .with_callback(move |observer| {
                for (attributes, value) in points() {
                    observer.observe(value, &attributes);
                }
            })
            .build();
        return;
    }
    let _ = meter
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.about)
        .with_callback(move |observer| {
            for (attributes, value) in points() {
                observer.observe(value, &attributes);
            }
        })
        .build();
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
    /// The instruments that have seen it.
    seen: BTreeSet<usize>,
}

impl Collection {
    fn points(&self, place: usize) -> Vec<(Vec<KeyValue>, f64)> {
        let Some(report) = self.caught(place) else {
            return Vec::new();
        };
        let points = METRICS[place].points(&report);
        points
            .into_iter()
            .map(|(labels, value)| (attributes(labels), value))
            .collect()
    }

    fn lane_points(&self, place: usize, metric: &'static LaneMetric) -> Vec<(Vec<KeyValue>, f64)> {
        let Some(report) = self.caught(place) else {
            return Vec::new();
        };
        let values = report.lanes.iter().flat_map(|lane| &lane.values);
        let own = values.filter(|value| value.metric.name == metric.name);
        own.map(|value| (attributes(value.attributes.clone()), value.value))
            .collect()
    }

    /// A panic in a clock or a lane of the user's would end the SDK's thread for good.
    fn caught(&self, place: usize) -> Option<Arc<Report>> {
        catch_unwind(AssertUnwindSafe(|| self.report(place))).ok()?
    }

    /// The report of this collection: who has seen the latest one begins another.
    fn report(&self, place: usize) -> Option<Arc<Report>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.report.is_none() || latest.seen.contains(&place) {
            let report = self.registry.upgrade()?.report();
            *latest = Latest {
                report: Some(Arc::new(report)),
                seen: BTreeSet::new(),
            };
        }
        latest.seen.insert(place);
        latest.report.clone()
    }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value))
        .collect()
}
