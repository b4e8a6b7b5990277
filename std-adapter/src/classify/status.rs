//! Verdicts by status: of HTTP and of gRPC.

use crate::classify::Verdict;
use fuseboard_core::Outcome;

/// Whether HTTP promises that repeating a request of this method has the effect of making it once (RFC 9110, 9.2.2).
///
/// ```
/// assert!(fuseboard::is_idempotent("PUT"));
/// assert!(!fuseboard::is_idempotent("POST"));
/// ```
pub fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"
    )
}

impl Verdict {
    /// What an HTTP status says.
    ///
    /// | status | for the breaker | may be repeated |
    /// |---|---|---|
    /// | 1xx to 3xx | success | no |
    /// | 408, 425, 429: come back later | ignored | yes |
    /// | other 4xx: the server works, the request was wrong | success | no |
    /// | 501, 505: it will never be able to | success | no |
    /// | other 5xx | failure | yes |
    ///
    /// "May be repeated" holds for requests whose method [`is_idempotent`]; take it back for others with
    /// [`not_repeatable`](Self::not_repeatable).
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            408 | 425 | 429 => LATER,
            501 | 505 => Self::SUCCESS,
            500.. => Self::FAILURE,
            _ => Self::SUCCESS,
        }
    }

    /// What a gRPC status code says.
    ///
    /// | code | for the breaker | may be repeated |
    /// |---|---|---|
    /// | `OK` and the request's own faults (`NOT_FOUND`, `INVALID_ARGUMENT`, …) | success | no |
    /// | `CANCELLED` | ignored | no |
    /// | `RESOURCE_EXHAUSTED`, `ABORTED` | ignored | yes |
    /// | `UNAVAILABLE` | failure | yes |
    /// | `DEADLINE_EXCEEDED`, `UNKNOWN`, `INTERNAL`, `DATA_LOSS`, and codes that do not exist | failure | no: it may have been done |
    pub const fn from_grpc_code(code: i32) -> Self {
        match code {
            GrpcCode::CANCELLED => Self::IGNORED,
            GrpcCode::RESOURCE_EXHAUSTED | GrpcCode::ABORTED => LATER,
            GrpcCode::UNAVAILABLE => Self::FAILURE,
            GrpcCode::UNKNOWN
            | GrpcCode::DEADLINE_EXCEEDED
            | GrpcCode::INTERNAL
            | GrpcCode::DATA_LOSS => Self::PERMANENT,
            0..=16 => Self::SUCCESS,
            _ => Self::PERMANENT,
        }
    }
}

const LATER: Verdict = Verdict {
    outcome: Outcome::Ignored,
    is_repeatable: true,
    retry_after: None,
};

/// The gRPC status codes that are not the request's own fault, as numbers (`tonic::Code as i32`).
#[derive(Clone, Copy, Debug)]
pub enum GrpcCode {}

impl GrpcCode {
    /// The caller gave up.
    pub const CANCELLED: i32 = 1;
    /// Nobody knows.
    pub const UNKNOWN: i32 = 2;
    /// It was over too late.
    pub const DEADLINE_EXCEEDED: i32 = 4;
    /// A quota is used up.
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    /// A conflict with another call.
    pub const ABORTED: i32 = 10;
    /// The server is broken.
    pub const INTERNAL: i32 = 13;
    /// The service cannot be reached now.
    pub const UNAVAILABLE: i32 = 14;
    /// Data are gone.
    pub const DATA_LOSS: i32 = 15;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_verdict_of_the_table() {
        for status in 100..600 {
            let verdict = Verdict::from_http_status(status);
            let expected = match status {
                408 | 425 | 429 => (Outcome::Ignored, true),
                501 | 505 | ..=499 => (Outcome::Success, false),
                _ => (Outcome::Failure, true),
            };
            assert_eq!(
                (verdict.outcome, verdict.is_repeatable),
                expected,
                "{status}"
            );
        }
        for (code, expected) in [
            (0, Verdict::SUCCESS),
            (1, Verdict::IGNORED),
            (4, Verdict::PERMANENT),
            (5, Verdict::SUCCESS),
            (8, LATER),
            (14, Verdict::FAILURE),
            (16, Verdict::SUCCESS),
            (99, Verdict::PERMANENT),
            (-1, Verdict::PERMANENT),
        ] {
            assert_eq!(Verdict::from_grpc_code(code), expected, "{code}");
        }
    }
}
