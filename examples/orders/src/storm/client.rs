//! Requests to the gateway, each asked again until somebody answers who knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::sleep;

use super::life::Told;

/// How long the service may be unable to answer one question, with all that is done to it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest wait between two tries, whatever the service proposes: this is no well-behaved client.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What came of a question in the end.
#[derive(Debug)]
pub(super) enum Said {
    /// 2xx.
    Yes(Told),
    /// A status that asking again does not change, and the detail.
    No(StatusCode, String),
}

/// How the gateway's answers looked, tries included.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) good: AtomicU64,
    pub(super) limited: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) broken: AtomicU64,
}

/// All clients of the storm.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    customers: Vec<String>,
    clerk: String,
    pub(super) answers: Answers,
}

impl Client {
    pub(super) fn new(
        http: reqwest::Client,
        base: String,
        customers: Vec<String>,
        clerk: String,
    ) -> Self {
        Self {
            http,
            base,
            customers,
            clerk,
            answers: Answers::default(),
        }
    }

    pub(super) fn customer(&self, user: usize) -> &str {
        &self.customers[user % self.customers.len()]
    }

    pub(super) fn clerk(&self) -> &str {
        &self.clerk
    }

    /// Asks until there is an answer that asking again does not change.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        command: Option<(&str, &Value)>,
    ) -> anyhow::Result<Said> {
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < PATIENCE {
            let mut request = self
                .http
                .request(method.clone(), format!("{}{path}", self.base))
                .bearer_auth(token)
                .timeout(Duration::from_secs(10));
            if let Some((key, body)) = command {
                request = request.header("Idempotency-Key", key).json(body);
            }
            let wait = match request.send().await {
                Err(error) => {
                    count(&self.answers.broken);
                    last = error.to_string();
                    Duration::from_millis(100)
                }
                Ok(answer) => {
                    let (status, headers) = (answer.status(), answer.headers().clone());
                    // A body that breaks off is an answer lost.
                    let body = answer.json::<Value>().await;
                    if status.is_success()
                        && let Ok(body) = body
                    {
                        count(&self.answers.good);
                        return Ok(Said::Yes(Told(body)));
                    }
                    let detail = body
                        .map(|body| body["detail"].to_string())
                        .unwrap_or_default();
                    if status == StatusCode::TOO_MANY_REQUESTS {
                        count(&self.answers.limited);
                    } else if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
                        return Ok(Said::No(status, detail));
                    } else {
                        count(&self.answers.unavailable);
                    }
                    last = format!("{status}: {detail}");
                    let wanted = headers
                        .get(RETRY_AFTER)
                        .and_then(|value| value.to_str().ok()?.parse().ok());
                    Duration::from_secs(wanted.unwrap_or(0))
                        .clamp(Duration::from_millis(100), LONGEST_WAIT)
                }
            };
            sleep(wait).await;
        }
        bail!("{method} {path}: no answer within {PATIENCE:?}; the last was {last}")
    }
}

fn count(counter: &AtomicU64) {
    // Relaxed: a count that orders nothing.
    counter.fetch_add(1, Ordering::Relaxed);
}
