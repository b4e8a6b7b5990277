//! [`TransitionLogger`]: each change of state as a log record, and as an event of the span that caused it.

use crate::telemetry::changes::Change;
use crate::telemetry::metrics::{
    BOARD, FROM, NAME, SCOPE, STATE_CHANGED, TO, change, control, count,
};
use crate::telemetry::registry::{Registry, Steered, Watcher};
use fuseboard_core::State;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::logs::SdkLogger;
use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

/// Logs the changes of state that a registry is told of, for as long as it is kept.
///
/// A record is a warning where a breaker opens, else an information. It carries the trace of the call that caused the change, whose
/// span gets it as an event as well, if it is recorded.
#[derive(Debug)]
#[must_use = "it logs as long as it is kept"]
pub struct TransitionLogger {
    logger: SdkLogger,
}

impl TransitionLogger {
    /// Logs the changes of all that `registry` observes. [`Telemetry`](super::Telemetry) does it by itself.
    pub fn attach(registry: &Registry, logger: SdkLogger) -> Arc<Self> {
        let own = Arc::new(Self { logger });
        let watcher: Arc<dyn Watcher> = own.clone();
        registry.watch(&watcher);
        own
    }
}

impl TransitionLogger {
    fn log(
        &self,
        event: &'static str,
        at: SystemTime,
        is_warning: bool,
        text: String,
        facts: &[KeyValue],
    ) {
        let mut record = self.logger.create_log_record();
        record.set_event_name(event);
        record.set_target(SCOPE);
        record.set_timestamp(at);
        record.set_observed_timestamp(SystemTime::now());
        let (severity, word) = if is_warning {
            (Severity::Warn, "WARN")
        } else {
            (Severity::Info, "INFO")
        };
        record.set_severity_number(severity);
        record.set_severity_text(word);
        record.set_body(AnyValue::from(text));
        for fact in facts {
            record.add_attribute(fact.key.clone(), plain(&fact.value));
        }
        self.logger.emit(record);
    }
}

impl Watcher for TransitionLogger {
    fn changed(&self, seen: &Change) {
        let is_opening = matches!(seen.to, State::Open | State::ForcedOpen);
        let facts = facts(seen);
        self.log(STATE_CHANGED, seen.at, is_opening, sentence(seen), &facts);
        Context::map_current(|context| {
            let span = context.span();
            if seen.counts.is_some() && span.is_recording() {
                span.add_event_with_timestamp(STATE_CHANGED, seen.at, facts);
            }
        });
    }

    fn steered(&self, asked: &Steered<'_>) {
        let Steered {
            name, verb, result, ..
        } = asked;
        let mut facts = vec![
            KeyValue::new(NAME, (*name).to_owned()),
            KeyValue::new(control::VERB, (*verb).to_owned()),
            KeyValue::new(control::RESULT, (*result).to_owned()),
        ];
        let more = [(BOARD, asked.board), (control::CLIENT, asked.from)];
        for (key, value) in more {
            if let Some(value) = value {
                facts.push(KeyValue::new(key, value.to_owned()));
            }
        }
        let text = format!("an operator asked for {verb} of circuit breaker {name}: {result}");
        let now = SystemTime::now();
        self.log(control::CONTROL, now, *result != "done", text, &facts);
    }
}

/// What happened, for people.
fn sentence(change: &Change) -> String {
    let (name, from, to) = (&change.name, change.from, change.to);
    let mut text = format!("circuit breaker {name}: {from} -> {to}");
    if let Some(cause) = change.cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ", {cause}");
    }
    if let Some(counts) = change.counts.filter(|counts| counts.calls > 0) {
        let (failures, slow, calls) = (counts.failures, counts.slow, counts.calls);
        let _ = write!(text, ": {failures} failed and {slow} slow of {calls} calls");
    }
    text
}

/// A span's value as a log record's.
fn plain(value: &Value) -> AnyValue {
    match value {
        Value::Bool(value) => AnyValue::from(*value),
        Value::I64(value) => AnyValue::from(*value),
        Value::F64(value) => AnyValue::from(*value),
        other => AnyValue::from(other.as_str().into_owned()),
    }
}

fn facts(seen: &Change) -> Vec<KeyValue> {
    let mut facts = vec![
        KeyValue::new(NAME, seen.name.clone()),
        KeyValue::new(FROM, seen.from.as_str()),
        KeyValue::new(TO, seen.to.as_str()),
    ];
    if let Some(board) = &seen.board {
        facts.push(KeyValue::new(BOARD, board.clone()));
    }
    if let Some(cause) = seen.cause {
        facts.push(KeyValue::new(change::REASON, cause.as_str()));
    }
    if let Some(counts) = seen.counts {
        facts.push(KeyValue::new(change::CALLS, count(counts.calls)));
        facts.push(KeyValue::new(change::FAILURES, count(counts.failures)));
        facts.push(KeyValue::new(change::SLOW, count(counts.slow)));
        facts.push(KeyValue::new(change::FAILURE_RATE, counts.failure_rate()));
    }
    facts
}
