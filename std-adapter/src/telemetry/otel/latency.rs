//! [`Latencies`]: the histograms of how long calls took, as OTLP messages of their own.
//!
//! The SDK has no observable histogram, and recording each call in one of its own would cost the call. So the message is made
//! here, from the core's counts, and goes with the SDK's: two messages of this kind, one behind the other, are one message with the
//! parts of both.
//!
//! The core's buckets end at powers of 2^(1/8) nanoseconds. A second is 2^29.9 of them, and the nearest index is 239: so every bound is
//! 1.6 % above the true one, well inside of a bucket's 9 %.

use crate::telemetry::metrics::{Instrument, METRICS, SCOPE};
use crate::telemetry::points::{Labels, Latency, latencies};
use crate::telemetry::registry::{Registry, WeakRegistry};
use fuseboard_core::LatencySnapshot;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Metric,
    ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message;
use std::time::SystemTime;

/// Indices of a nanosecond's histogram in a second's: 8 times log2 of a billion, rounded.
const SECOND: i32 = 239;

/// What is sent beside the SDK's metrics.
#[derive(Debug)]
pub(super) struct Latencies {
    registry: WeakRegistry,
    resource: Resource,
    begun: SystemTime,
}

impl Latencies {
    pub(super) fn new(registry: &Registry, resource: &Resource) -> Self {
        Self {
            registry: registry.downgrade(),
            resource: resource.clone(),
            begun: SystemTime::now(),
        }
    }

    /// The message, encoded; empty where no breaker counts.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let Some(registry) = self.registry.upgrade() else {
            return Vec::new();
        };
        let report = registry.report();
        let points: Vec<_> = latencies(&report)
            .into_iter()
            .map(|(labels, latency)| point(labels, &latency, self.begun, report.at))
            .collect();
        let histogram = METRICS
            .iter()
            .find(|row| row.instrument == Instrument::Histogram);
        let (Some(row), false) = (histogram, points.is_empty()) else {
            return Vec::new();
        };
        let data = Data::ExponentialHistogram(ExponentialHistogram {
            data_points: points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        });
        let metric = Metric {
            name: row.name.to_owned(),
            description: row.about.to_owned(),
            unit: row.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            ..InstrumentationScope::default()
        };
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(ResourceMessage {
                    attributes: resource.attributes.0,
                    ..ResourceMessage::default()
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics: vec![metric],
                    ..ScopeMetrics::default()
                }],
                schema_url: resource.schema_url.unwrap_or_default(),
            }],
        };
        request.encode_to_vec()
    }
}

fn point(
    labels: Labels,
    latency: &Latency,
    begun: SystemTime,
    now: SystemTime,
) -> ExponentialHistogramDataPoint {
    // From the first bucket that has something to the last.
    let filled = |count: &u64| *count > 0;
    let first = latency.counts.iter().position(filled).unwrap_or_default();
    let offset = LatencySnapshot::OFFSET - SECOND + i32::try_from(first).unwrap_or_default();
    let last = latency.counts.iter().rposition(filled);
    let counts = last.map_or(&[][..], |last| &latency.counts[first..=last]);
    let buckets = Buckets {
        offset,
        bucket_counts: counts.to_vec(),
    };
    let attributes = labels.into_iter().map(|(key, text)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }),
        ..KeyValue::default()
    });
    ExponentialHistogramDataPoint {
        attributes: attributes.collect(),
        start_time_unix_nano: nanoseconds(begun),
        time_unix_nano: nanoseconds(now),
        count: latency.count(),
        sum: Some(latency.sum.as_secs_f64()),
        scale: LatencySnapshot::SCALE,
        zero_count: latency.short,
        zero_threshold: LatencySnapshot::ZERO_THRESHOLD.get() as f64 / 1e9,
        positive: Some(buckets),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
