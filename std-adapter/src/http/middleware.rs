//! [`PipelineMiddleware`]: a pipeline around a client of `reqwest-middleware`.

use crate::call::CallError;
use crate::classify::{Classify, Verdict, is_idempotent, retry_after};
use crate::pipeline::{CallOptions, Pipeline};
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// Puts a pipeline around every request of a client.
///
/// ```
/// use fuseboard::{ByReqwest, CircuitBreaker, CircuitBreakerConfig, Pipeline, PipelineMiddleware, RetryConfig};
///
/// let pipeline = Pipeline::builder()
///     .classify(ByReqwest)
///     .retry(RetryConfig::default())
///     .breaker(CircuitBreaker::new("users", CircuitBreakerConfig::default()))
///     .build()?;
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     .with(PipelineMiddleware::new(pipeline))
///     .build();
/// # let _ = client;
/// # Ok::<(), fuseboard::PipelineError>(())
/// ```
///
/// A request is repeated only where its method [`is_idempotent`] and its body is no stream. What a policy says is an
/// `Error::Middleware` that holds a `CallError<Infallible>`.
#[derive(Clone, Debug)]
pub struct PipelineMiddleware<K = ByReqwest> {
    pipeline: Pipeline<K>,
}

impl<K> PipelineMiddleware<K> {
    /// Requests under this pipeline.
    pub fn new(pipeline: Pipeline<K>) -> Self {
        Self { pipeline }
    }
}

/// By the response's status, as [`Verdict::from_http_status`], with the time of its `Retry-After`. A request that could not even be
/// made says nothing; any other error is a failure that may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByReqwest;

impl Classify<Response, Error> for ByReqwest {
    fn classify(&self, result: std::result::Result<&Response, &Error>) -> Verdict {
        match result {
            Err(Error::Reqwest(error)) => self.classify(Err(error)),
            Err(Error::Middleware(_)) => Verdict::FAILURE,
            Ok(response) => Classify::<_, reqwest::Error>::classify(self, Ok(response)),
        }
    }
}

impl Classify<Response, reqwest::Error> for ByReqwest {
    fn classify(&self, result: std::result::Result<&Response, &reqwest::Error>) -> Verdict {
        match result {
            Ok(response) => Verdict::from_http_status(response.status().as_u16())
                .with_retry_after(retry_after(response.headers())),
            Err(error) if error.is_builder() => Verdict::IGNORED,
            Err(_) => Verdict::FAILURE,
        }
    }
}

impl<K> PipelineMiddleware<K>
where
    K: Classify<Response, Error> + Send + Sync,
{
    async fn run(
        &self,
        request: Request,
        extensions: &Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let is_repeatable =
            is_idempotent(request.method().as_str()) && request.try_clone().is_some();
        // A request whose body is a stream is handed out once; nobody asks for it a second time.
        let request = Mutex::new(Some(request));
        let attempt = || {
            let mut kept = request.lock().unwrap_or_else(PoisonError::into_inner);
            let copy = kept.as_ref().and_then(Request::try_clone);
            let request = copy.or_else(|| kept.take());
            let (next, mut extensions) = (next.clone(), extensions.clone());
            async move {
                let request = request.expect("a request that cannot be cloned is made once");
                let response = next.run(request, &mut extensions).await;
                response.map_err(CallError::OperationFailed)
            }
        };
        let options = CallOptions {
            is_repeatable,
            ..Default::default()
        };
        let classify = self.pipeline.classification();
        let answer = self.pipeline.run(classify, options, &attempt).await;
        answer.map_err(|error| match error {
            CallError::OperationFailed(error) => error,
            refused => Error::middleware(said(refused)),
        })
    }
}

/// What a policy said, without the operation's error.
fn said(error: CallError<Error>) -> CallError<Infallible> {
    error.map_inner(|_| unreachable!("the operation's own error was taken out before"))
}

impl<K> Middleware for PipelineMiddleware<K>
where
    K: Classify<Response, Error> + Send + Sync + 'static,
{
    // As `async_trait` writes it.
    fn handle<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        request: Request,
        extensions: &'life1 mut Extensions,
        next: Next<'life2>,
    ) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.run(request, extensions, next))
    }
}
