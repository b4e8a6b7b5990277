//! [`FallbackService`]: a service with a breaker, and what stands in for it.

mod answer;

pub use answer::{Fallback, OrElse, OrService, OrValue};

use crate::breaker::CircuitBreaker;
use crate::call::CallError;
use crate::classify::{ByResult, Classify, judge};
use crate::clock::{Clock, CoarseClock};
use crate::tally::{Tally, did};
use fuseboard_core::Outcome;

/// Something that answers requests. Every function from a request to a future is one; `&self` in between lets it be a client
/// with state of its own.
pub trait Service<Request>: Send + Sync {
    /// What it answers.
    type Response;
    /// Why it does not.
    type Error;

    /// Answers one request.
    fn call(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;
}

impl<Request, F, A, T, E> Service<Request> for F
where
    F: Fn(Request) -> A + Send + Sync,
    A: Future<Output = Result<T, E>> + Send,
{
    type Response = T;
    type Error = E;

    fn call(&self, request: Request) -> impl Future<Output = Result<T, E>> + Send {
        self(request)
    }
}

/// Asks a service under a breaker, and something else when that has no answer: it failed, or it is being left alone.
///
/// ```
/// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, FallbackService, OrValue};
///
/// # async fn recommend(user: u64) -> std::io::Result<Vec<u64>> { Ok(vec![user]) }
/// # async fn example() {
/// let breaker = CircuitBreaker::new("recommendations", CircuitBreakerConfig::default());
/// let service = FallbackService::new(recommend, OrValue(vec![1, 2, 3]), breaker);
/// let books = service.call(7).await; // the best sellers, while recommendations are down
/// # }
/// ```
///
/// | stand-in | answers with |
/// |---|---|
/// | [`OrValue`] | the same value each time |
/// | [`OrElse`] | a function of the request and the error |
/// | [`OrService`] | a second service, whose own error counts then |
/// | `LastGood` (feature `cache`) | the last good answer to the same request |
///
/// What the classification does not call a failure (a missing user, a wrong request) is the service's answer, and no reason to ask
/// another.
///
/// # Cancellation
///
/// Dropped at any point, the breaker's permit is given back and whatever was being asked is dropped.
#[derive(Clone, Debug)]
pub struct FallbackService<P, F, K = ByResult, C = CoarseClock> {
    primary: P,
    fallback: F,
    breaker: CircuitBreaker<C>,
    classify: K,
    tally: Tally,
}

impl<P, F, C: Clock> FallbackService<P, F, ByResult, C> {
    /// `primary` under `breaker`, and `fallback` in its place. Every `Err` is a failure.
    pub fn new(primary: P, fallback: F, breaker: CircuitBreaker<C>) -> Self {
        Self {
            primary,
            fallback,
            breaker,
            classify: ByResult,
            tally: Tally::new::<did::Fallback>(),
        }
    }
}

impl<P, F, K, C: Clock> FallbackService<P, F, K, C> {
    /// Another judgement of what is a failure.
    pub fn classify<L>(self, classify: L) -> FallbackService<P, F, L, C> {
        FallbackService {
            primary: self.primary,
            fallback: self.fallback,
            breaker: self.breaker,
            classify,
            tally: self.tally,
        }
    }

    /// The breaker, for its state, its counts and its manual verbs.
    pub fn breaker(&self) -> &CircuitBreaker<C> {
        &self.breaker
    }

    /// Who answered its calls.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The service's answer, or its stand-in's.
    ///
    /// # Errors
    /// The stand-in had no answer either; or the service's error is no failure.
    pub async fn call<R, T, E>(&self, request: R) -> Result<T, CallError<E>>
    where
        R: Clone,
        P: Service<R, Response = T, Error = E>,
        F: Fallback<R, T, E>,
        K: Classify<T, E>,
    {
        let judged = |result: &Result<T, E>| self.classify.classify(result.as_ref()).outcome;
        let call = self
            .breaker
            .call_with(self.primary.call(request.clone()), judged);
        let answer = call.await.map_err(CallError::from);
        let is_failure = match &answer {
            Err(error) if error.is_rejected() => true,
            _ => judge(&self.classify, &answer).outcome == Outcome::Failure,
        };
        if !is_failure {
            self.tally.count(did::Fallback::Own);
            if let Ok(value) = &answer {
                self.fallback.learn(&request, value);
            }
            return answer;
        }
        let answer = self.fallback.answer(request, answer).await;
        self.tally.count(stood_in(&answer));
        answer
    }
}

/// Whether the stand-in had an answer.
pub(crate) fn stood_in<T, E>(answer: &Result<T, E>) -> did::Fallback {
    if answer.is_ok() {
        did::Fallback::StandIn
    } else {
        did::Fallback::Nothing
    }
}
