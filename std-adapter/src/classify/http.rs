//! [`ByHttpStatus`] and [`ByGrpcStatus`]: verdicts on responses.

use crate::classify::{Classify, Verdict};
use ::http::{HeaderMap, Response, header::RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// By the response's status, as [`Verdict::from_http_status`], with the time of its `Retry-After`; an error is a failure that may be
/// repeated.
///
/// It knows responses and not requests: for methods that are not [`is_idempotent`](crate::is_idempotent) use a classification that
/// takes the permission to repeat back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByHttpStatus;

impl<B, E> Classify<Response<B>, E> for ByHttpStatus {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Verdict {
        match result {
            Ok(response) => Verdict::from_http_status(response.status().as_u16())
                .with_retry_after(retry_after(response.headers())),
            Err(_) => Verdict::FAILURE,
        }
    }
}

/// By the header `grpc-status`, as [`Verdict::from_grpc_code`]; without one (the status comes after the body) by the HTTP status.
///
/// A client that sees `Result<tonic::Response<T>, tonic::Status>` passes `status.code() as i32` to `from_grpc_code` itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByGrpcStatus;

impl<B, E> Classify<Response<B>, E> for ByGrpcStatus {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Verdict {
        let code = result.ok().and_then(|response| {
            let status = response.headers().get("grpc-status")?;
            status.to_str().ok()?.parse().ok()
        });
        match code {
            Some(code) => Verdict::from_grpc_code(code),
            None => ByHttpStatus.classify(result),
        }
    }
}

/// The time that `Retry-After` asks for, given in seconds or as a date; `None` without one that can be read. A date in the past is no
/// time at all.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(
        date.duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fuseboard_core::Outcome;

    fn response(status: u16, header: (&'static str, &str)) -> Response<()> {
        let builder = Response::builder().status(status);
        builder.header(header.0, header.1).body(()).unwrap()
    }

    #[test]
    fn a_status_comes_with_the_time_it_asks_for() {
        let classify = |response| Classify::<_, ()>::classify(&ByHttpStatus, Ok(&response));
        let busy = classify(response(503, ("retry-after", "7")));
        assert_eq!(busy.outcome, Outcome::Failure);
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
        let past = classify(response(
            429,
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ));
        assert_eq!(
            (past.is_repeatable, past.retry_after),
            (true, Some(Duration::ZERO))
        );
        let far = classify(response(
            429,
            ("retry-after", "Wed, 21 Oct 2950 07:28:00 GMT"),
        ));
        assert!(far.retry_after.unwrap() > Duration::from_secs(1 << 30));
        for unreadable in ["soon", "-3", "1.5", ""] {
            assert_eq!(
                classify(response(503, ("retry-after", unreadable))).retry_after,
                None
            );
        }
    }

    #[test]
    fn a_grpc_status_counts_more_than_the_http_status_around_it() {
        let classify = |response| Classify::<_, ()>::classify(&ByGrpcStatus, Ok(&response));
        assert_eq!(
            classify(response(200, ("grpc-status", "14"))),
            Verdict::FAILURE
        );
        assert_eq!(
            classify(response(200, ("grpc-status", "5"))),
            Verdict::SUCCESS
        );
        assert_eq!(
            classify(response(200, ("grpc-status", "x"))),
            Verdict::SUCCESS
        );
        assert_eq!(classify(response(502, ("other", "0"))), Verdict::FAILURE);
    }
}
