//! A request through the gateway's policies and nothing else, for `orders bench` to measure.

use axum::response::Response;
use tokio::time::{Instant, timeout_at};

use super::Gateway;
use super::admit::{WRITE, until};
use super::forward::returned;

impl Gateway {
    /// A command of `client` that is let in and answered at once: its rate, shedding, both time limits, and the policies before the command service.
    /// None: a policy kept it away.
    pub(crate) async fn through(
        &self,
        client: &str,
        answer: impl Fn() -> reqwest::Response + Send + Sync,
    ) -> Option<Response> {
        let shared = &self.shared;
        shared.limit.take(client).await.ok()?;
        let permit = shared.shedding.try_acquire(WRITE).ok()?;
        let deadline = Instant::now() + shared.timeout;
        let attempt = || std::future::ready(Ok(answer()));
        let sent = shared.command.through(true, attempt);
        let answer = timeout_at(deadline, sent).await.ok()?.ok()?;
        Some(until(deadline, permit, returned(answer)))
    }
}

/// The same answer without any policy.
pub(crate) fn without(answer: reqwest::Response) -> Response {
    returned(answer)
}
