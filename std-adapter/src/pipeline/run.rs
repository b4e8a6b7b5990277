//! The way of a call through the stages.

use crate::call::CallError;
use crate::classify::{Classify, judge};
use crate::pipeline::CallOptions;
use crate::pipeline::admission::{Called, Held};
use crate::pipeline::stage::Stage;
use crate::tally::did;
use fuseboard_core::Outcome;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

pub(super) type Answer<T, E> = Result<T, CallError<E>>;
type Boxed<'a, T, E> = Pin<Box<dyn Future<Output = Answer<T, E>> + Send + 'a>>;

/// What every stage knows about the call.
pub(super) struct Context<'a, K> {
    pub(super) classify: &'a K,
    /// The earliest of the timeouts outside.
    pub(super) deadline: Option<Deadline>,
    pub(super) options: CallOptions,
    /// The admission around, which is to know when the operation is called.
    pub(super) called: Option<&'a Called<'a>>,
}

impl<K> Clone for Context<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Context<'_, K> {}

/// When a timeout ends, and how long it is.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

/// The operation inside of these stages, the first of them outermost.
pub(super) fn run<'a, T, E, F, O, K>(
    stages: &'a [Stage],
    context: Context<'a, K>,
    operation: &'a O,
) -> Boxed<'a, T, E>
where
    T: Send + 'a,
    E: Send + 'a,
    F: Future<Output = Answer<T, E>> + Send + 'a,
    O: Fn() -> F + Sync,
    K: Classify<T, E> + Sync,
{
    let Some((stage, inner)) = stages.split_first() else {
        return Box::pin(async move {
            if let Some(called) = context.called {
                called.set();
            }
            operation().await
        });
    };
    match stage {
        Stage::Timeout(timeout) => {
            let limit = timeout.limit();
            Box::pin(async move {
                let own = Deadline {
                    at: Instant::now() + limit,
                    limit,
                };
                let earlier = context.deadline.filter(|outer| outer.at <= own.at);
                let deadline = Some(earlier.unwrap_or(own));
                let context = Context {
                    deadline,
                    ..context
                };
                let answer = timeout_at(own.at, run(inner, context, operation)).await;
                let is_over = match &answer {
                    Err(_) => true,
                    // An admission inside has cut it off in its name; a timeout inside is shorter.
                    Ok(Err(CallError::TimedOut { limit: of })) => *of == limit,
                    Ok(_) => false,
                };
                timeout.tally().count(if is_over {
                    did::Timeout::TimedOut
                } else {
                    did::Timeout::Ended
                });
                answer.unwrap_or(Err(CallError::TimedOut { limit }))
            })
        }
        Stage::Retry(_) | Stage::Hedge(_) if !context.options.is_repeatable => {
            run(inner, context, operation)
        }
        Stage::Retry(retry) => Box::pin(retry.run(
            context.classify,
            context.deadline.map(|deadline| deadline.at),
            move || run(inner, context, operation),
        )),
        Stage::Hedge(hedge) => {
            Box::pin(hedge.run(context.classify, move || run(inner, context, operation)))
        }
        Stage::Chaos(chaos) => Box::pin(async move {
            chaos.strike().await?;
            run(inner, context, operation).await
        }),
        Stage::Admission(admission) => Box::pin(async move {
            let called = Called::inside(context.called);
            let held = admission.acquire(context.options, &called).await?;
            let context = Context {
                called: Some(&called),
                ..context
            };
            admitted(held, context, run(inner, context, operation)).await
        }),
    }
}

/// A call that holds a place, a turn and a permit.
async fn admitted<T, E, K>(
    held: Held<'_>,
    context: Context<'_, K>,
    call: Boxed<'_, T, E>,
) -> Answer<T, E>
where
    K: Classify<T, E>,
{
    let answer = match context.deadline {
        None => call.await,
        Some(Deadline { at, limit }) => {
            let started = Instant::now();
            let Ok(answer) = timeout_at(at, call).await else {
                // Cut off by a timeout outside, which would else be a cancellation: neutral, so that a dependency that hangs would
                // never trip the breaker. What had less than half of the time may just have begun too late.
                if started.elapsed().saturating_mul(2) >= limit {
                    held.settle(Outcome::Failure, Outcome::Failure);
                }
                return Err(CallError::TimedOut { limit });
            };
            answer
        }
    };
    let outcome = judge(context.classify, &answer).outcome;
    match &answer {
        // As if it had never been asked.
        Err(CallError::Rejected { .. }) => drop(held),
        Err(CallError::TimedOut { .. }) => held.settle(outcome, Outcome::Failure),
        _ if outcome == Outcome::Success => held.settle(outcome, Outcome::Success),
        // An error says nothing about load.
        _ => held.settle(outcome, Outcome::Ignored),
    }
    answer
}
