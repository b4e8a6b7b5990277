//! [`Settling`]: a response whose permit is settled by how it ended.

use crate::call::{CallError, PolicyKind};
use crate::classify::{Classify, Verdict, judge};
use crate::tower::error::{BoxError, boxed, unboxed};
#[cfg(feature = "adaptive")]
use fuseboard_core::Outcome;
use fuseboard_core::Rejected;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A permit that learns from the end of its call.
pub trait Settle {
    /// The call has ended so.
    fn settle(self, end: End);
}

/// The end of a call, for a permit.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// What it says about the dependency.
    pub verdict: Verdict,
    /// Whether a time limit inside cut it off.
    pub is_timed_out: bool,
}

impl End {
    /// What it says about load: an error that is no timeout says nothing.
    #[cfg(feature = "adaptive")]
    pub(crate) fn load(self) -> Outcome {
        match self.verdict.outcome {
            _ if self.is_timed_out => Outcome::Failure,
            Outcome::Success => Outcome::Success,
            _ => Outcome::Ignored,
        }
    }
}

impl<C: crate::Clock> Settle for crate::breaker::Permit<C> {
    fn settle(self, end: End) {
        self.settle(end.verdict.outcome);
    }
}

#[cfg(feature = "adaptive")]
impl Settle for crate::adaptive::AdaptivePermit {
    fn settle(self, end: End) {
        self.settle(end.load());
    }
}

#[cfg(feature = "shedding")]
impl Settle for crate::shedding::SheddingPermit {
    fn settle(self, end: End) {
        self.settle(end.load());
    }
}

#[cfg(feature = "throttle")]
impl Settle for crate::throttle::ThrottlePermit {
    fn settle(self, end: End) {
        self.settle(end.verdict.outcome);
    }
}

pin_project! {
    /// The response of a service under a permit. Dropped before its end, the permit is given back.
    #[derive(Debug)]
    pub struct Settling<F, P, K> {
        // Dropped before the permit.
        #[pin]
        inner: Option<F>,
        permit: Option<P>,
        rejected: Option<(PolicyKind, Rejected)>,
        classify: K,
    }
}

impl<F, P, K> Settling<F, P, K> {
    /// A response that is under way.
    pub(crate) fn admitted(inner: F, permit: P, classify: K) -> Self {
        Self {
            inner: Some(inner),
            permit: Some(permit),
            rejected: None,
            classify,
        }
    }

    /// A request that was not passed on.
    pub(crate) fn rejected(policy: PolicyKind, rejected: Rejected, classify: K) -> Self {
        Self {
            inner: None,
            permit: None,
            rejected: Some((policy, rejected)),
            classify,
        }
    }
}

impl<F, P, K, T, E> Future for Settling<F, P, K>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    P: Settle,
    K: Classify<T, BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some((policy, rejected)) = this.rejected.take() {
            return Poll::Ready(Err(boxed(CallError::rejected(policy, rejected))));
        }
        let inner = this.inner.as_pin_mut();
        let result = ready!(inner.expect("polled after a rejection").poll(context));
        let answer = result.map_err(|error| unboxed(error.into()));
        if let Some(permit) = this.permit.take() {
            let end = End {
                verdict: judge(this.classify, &answer),
                is_timed_out: matches!(answer, Err(CallError::TimedOut { .. })),
            };
            match &answer {
                // As if it had never been asked.
                Err(CallError::Rejected { .. }) => drop(permit),
                _ => permit.settle(end),
            }
        }
        Poll::Ready(answer.map_err(boxed))
    }
}
