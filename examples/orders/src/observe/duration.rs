//! [`AppendDuration`]: how long appends take, for a collector.

use std::time::Duration;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

use crate::store::StoreError;

/// Upper ends of its buckets, in seconds: those that OpenTelemetry advises for calls of a database.
pub const APPEND_BUCKETS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The histogram `orders.eventstore.append.duration`, in seconds; with `error.type` where nothing was stored. Without a collector it is nothing.
#[derive(Debug)]
pub struct AppendDuration(Histogram<f64>);

impl AppendDuration {
    /// With the telemetry that runs now: what is started later does not know of it.
    pub fn register() -> Self {
        let meter = global::meter("orders");
        let histogram = meter
            .f64_histogram("orders.eventstore.append.duration")
            .with_unit("s")
            .with_description(
                "How long an append takes, with its wait for a place, until it is known how it ended",
            )
            .with_boundaries(APPEND_BUCKETS.to_vec());
        Self(histogram.build())
    }

    /// One that has ended.
    pub fn record(&self, took: Duration, error: Option<&StoreError>) {
        let kind = error.map(|error| match error {
            StoreError::Conflict { .. } => "conflict",
            StoreError::Answered(_) => "answered",
            StoreError::Rejected { .. } => "rejected",
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Corrupt(_) => "corrupt",
        });
        match kind {
            None => self.0.record(took.as_secs_f64(), &[]),
            Some(kind) => {
                let attribute = KeyValue::new("error.type", kind);
                self.0.record(took.as_secs_f64(), &[attribute]);
            }
        }
    }
}
