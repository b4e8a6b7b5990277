//! [`Call`]: a future under a permit.

use crate::breaker::permit::Held;
use crate::breaker::{CircuitBreakerError, Shared};
use crate::clock::Clock;
use fuseboard_core::Outcome;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// Asks for a permit when first polled, then drives the operation and settles the permit with
    /// its end. Dropped before that, whenever it is, the permit is given back.
    pub(super) struct Call<'a, F, K, C> {
        // Dropped before `held`: the place is free again only when the operation is gone.
        #[pin]
        operation: F,
        held: Option<Held<'a>>,
        classify: Option<K>,
        shared: &'a Shared<C>,
    }
}

impl<'a, F, K, C> Call<'a, F, K, C> {
    pub(super) fn new(shared: &'a Shared<C>, operation: F, classify: K) -> Self {
        Self {
            operation,
            held: None,
            classify: Some(classify),
            shared,
        }
    }
}

impl<F, K, C, T, E> Future for Call<'_, F, K, C>
where
    F: Future<Output = Result<T, E>>,
    K: FnOnce(&Result<T, E>) -> Outcome,
    C: Clock,
{
    type Output = Result<T, CircuitBreakerError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let held = if let Some(held) = this.held.take() {
            held
        } else {
            assert!(
                this.classify.is_some(),
                "a guarded call was polled after it had ended"
            );
            match this.shared.acquire() {
                Ok(raw) => Held::new(&this.shared.store, raw),
                Err(rejected) => {
                    *this.classify = None;
                    return Poll::Ready(Err(rejected.into()));
                }
            }
        };
        let mut lent = Lent {
            held: Some(held),
            place: this.held,
        };
        let result = ready!(this.operation.poll(context));
        if let (Some(classify), Some(held)) = (this.classify.take(), lent.held.take()) {
            // Should the classification panic, `held` is dropped by it: cancelled.
            let outcome = classify(&result);
            held.settle(outcome, &this.shared.clock);
        }
        Poll::Ready(result.map_err(CircuitBreakerError::OperationFailed))
    }
}

/// A permit during a poll, in registers where the poll is short. It is put back when the operation is not ready, or panics.
struct Lent<'l, 'a> {
    held: Option<Held<'a>>,
    place: &'l mut Option<Held<'a>>,
}

impl Drop for Lent<'_, '_> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            *self.place = Some(held);
        }
    }
}
