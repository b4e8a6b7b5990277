//! What the edges share: one request to a provider, and what its end means.

use std::time::Duration;

use anyhow::Context;
use fuseboard::{CallError, Classify, Outcome, Verdict};
use http::StatusCode;
use reqwest::redirect;
use serde_json::Value;

use crate::context::RequestContext;

/// When to ask again where nobody said it.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most of an answer that is read, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Somewhere that answers requests: a region of the payment provider, a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its breaker's name.
    pub name: String,
    /// Where it is, without a slash at the end: `http://127.0.0.1:8091`.
    pub url: String,
}

impl Endpoint {
    /// Of a name and an address.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        let url: String = url.into();
        Self {
            name: name.into(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }
}

impl AsRef<str> for Endpoint {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

/// What a provider answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The name of who answered.
    pub(crate) from: String,
    pub(crate) status: StatusCode,
    retry_after: Option<Duration>,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// A yes that nobody was asked for.
    pub(crate) fn at_once(from: &str, body: Value) -> Self {
        Self {
            from: from.to_owned(),
            status: StatusCode::OK,
            retry_after: None,
            body,
        }
    }

    /// Why it said no, for people.
    pub(crate) fn detail(&self) -> String {
        let detail = self.body["detail"].as_str();
        detail.unwrap_or("no reason was given").to_owned()
    }

    /// When to ask again.
    pub(crate) fn retry_after(&self) -> Duration {
        self.retry_after.unwrap_or(RETRY_AFTER)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AskError {
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// It had hardly any time: that says nothing about the provider.
    #[error("there was no time left to ask")]
    TooLate,
    /// No connection, or it was closed.
    #[error("{0}")]
    Connection(String),
}

/// One error of two, where a policy stands around policies.
pub(crate) fn flat<E>(error: CallError<CallError<E>>) -> CallError<E> {
    match error {
        CallError::OperationFailed(inner) => inner,
        CallError::TimedOut { limit } => CallError::TimedOut { limit },
        CallError::Injected => CallError::Injected,
        CallError::Rejected {
            policy,
            reason,
            retry_after,
        } => CallError::Rejected {
            policy,
            reason,
            retry_after,
        },
    }
}

/// When to ask again after all policies have had their say.
pub(crate) fn retry_after(error: &CallError<AskError>) -> Duration {
    error.retry_after().unwrap_or(RETRY_AFTER)
}

/// What an end means for breakers, retries and failover. Every request has an id that the provider recognises, so all may be repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByAnswer;

impl Classify<Answer, AskError> for ByAnswer {
    fn classify(&self, result: Result<&Answer, &AskError>) -> Verdict {
        match result {
            Ok(answer) => Verdict::from_http_status(answer.status.as_u16())
                .with_retry_after(answer.retry_after),
            Err(AskError::TimedOut | AskError::Connection(_)) => Verdict::FAILURE,
            Err(AskError::TooLate) => Verdict::IGNORED,
        }
    }
}

/// The same around a policy of its own.
impl Classify<Answer, CallError<AskError>> for ByAnswer {
    fn classify(&self, result: Result<&Answer, &CallError<AskError>>) -> Verdict {
        match result {
            Ok(answer) => self.classify(Ok::<_, &AskError>(answer)),
            Err(CallError::OperationFailed(error)) => self.classify(Err(error)),
            Err(CallError::TimedOut { .. }) => Verdict::FAILURE,
            // The policy wants it to be left alone.
            Err(error) => Verdict {
                retry_after: error.retry_after(),
                ..Verdict::from(Outcome::Ignored)
            },
        }
    }
}

/// Asks providers.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    client: reqwest::Client,
    /// The time for one request.
    limit: Duration,
}

impl Asker {
    pub(crate) fn new(limit: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(limit)
            .build()
            .context("the HTTP client of an edge")?;
        Ok(Self { client, limit })
    }

    /// Asks once, within what is left of the caller's time.
    pub(crate) async fn ask(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: &Value,
    ) -> Result<Answer, AskError> {
        let mut context = RequestContext::current();
        let limit = context.remaining(self.limit);
        // Less than half of the usual time says nothing about the provider.
        let has_time = limit * 2 >= self.limit;
        if limit.is_zero() {
            return Err(AskError::TooLate);
        }
        context.deadline = tokio::time::Instant::now().checked_add(limit);
        let mut headers = http::HeaderMap::new();
        context.insert_into(&mut headers);
        let request = self.client.post(format!("{}{path}", endpoint.url));
        let answer = tokio::time::timeout(limit, async {
            let response = request.headers(headers).json(body).send().await?;
            read(&endpoint.name, response).await
        });
        match answer.await {
            Ok(answer) => {
                answer.map_err(|error| AskError::Connection(error.without_url().to_string()))
            }
            Err(_) if has_time => Err(AskError::TimedOut),
            Err(_) => Err(AskError::TooLate),
        }
    }
}

async fn read(from: &str, mut response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let status = response.status();
    let retry_after = fuseboard::retry_after(response.headers());
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await? {
        text.extend_from_slice(&piece);
        if text.len() > MAX_ANSWER {
            text.clear();
            break;
        }
    }
    Ok(Answer {
        from: from.to_owned(),
        status,
        retry_after,
        body: serde_json::from_slice(&text).unwrap_or(Value::Null),
    })
}
