//! [`Hedge`]: a slow call is made a second time beside the first, and the faster one counts.

use crate::call::CallError;
use crate::classify::{ByResult, Classify, judge};
use crate::retry::RetryBudget;
use crate::tally::{Tally, did};
use fuseboard_core::ConfigError;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Begins another attempt when the last has not ended after `delay`, and takes the first good answer; the others are dropped.
///
/// Set `delay` near the 95th percentile of the latency: then one call in twenty is made twice, and the slowest of them get as fast as
/// the rest. Only for calls that are safe to make twice at once. An attempt that fails in a way that may be repeated does not decide:
/// the others go on, and if there is none the next is begun at once.
///
/// ```
/// use fuseboard::{Hedge, RetryBudget};
/// use std::time::Duration;
///
/// # async fn read() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hedge = Hedge::new(Duration::from_millis(50))?.budget(RetryBudget::default());
/// let row = hedge.call(read).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped at any point, all attempts are dropped. A panic in one drops the others.
#[derive(Clone, Debug)]
pub struct Hedge {
    delay: Duration,
    max_attempts: u32,
    budget: Option<RetryBudget>,
    tally: Tally,
}

impl Hedge {
    /// A second attempt after `delay`.
    ///
    /// # Errors
    /// `hedge.delay` where it is zero.
    pub fn new(delay: Duration) -> Result<Self, ConfigError> {
        if delay.is_zero() {
            return Err(ConfigError::span(
                "hedge.delay",
                delay.into(),
                "more than 0 s: with no delay every call would be made twice",
            ));
        }
        Ok(Self {
            delay,
            max_attempts: 2,
            budget: None,
            tally: Tally::new::<did::Hedge>(),
        })
    }

    /// Attempts in all, the first included. Default 2; fewer than 1 is 1.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Where further attempts are taken from. Default: each call may use all of its.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// When the next attempt begins.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// What became of its calls, and their attempts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes a call; any error is waited out as long as an attempt is left.
    ///
    /// # Errors
    /// That of the attempt that ended last.
    pub async fn call<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_with(&ByResult, operation).await
    }

    /// Makes a call; `classify` says which ends may be waited out.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with<T, E, F>(
        &self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let answer = self.run(classify, || {
            let attempt = operation();
            async { attempt.await.map_err(CallError::OperationFailed) }
        });
        match answer.await {
            Ok(value) => Ok(value),
            Err(CallError::OperationFailed(error)) => Err(error),
            Err(_) => unreachable!("nothing but the operation answers here"),
        }
    }

    pub(crate) async fn run<T, E, F>(
        &self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, CallError<E>>>,
    {
        let mut attempt = || {
            self.tally.attempt();
            operation()
        };
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        let mut left = self.max_attempts - 1;
        let mut attempts = vec![(0, Box::pin(attempt()))];
        let mut begun = 0;
        let mut next = Instant::now() + self.delay;
        loop {
            let ended = if left == 0 {
                Some(first(&mut attempts).await)
            } else {
                let first = pin!(first(&mut attempts));
                tokio::time::timeout_at(next, first).await.ok()
            };
            if let Some((number, answer)) = ended {
                let did = match number {
                    _ if begun == 0 => did::Hedge::Alone,
                    0 => did::Hedge::First,
                    _ => did::Hedge::Later,
                };
                // What was not even called decides nothing while another attempt is under way.
                let is_rejected = matches!(answer, Err(CallError::Rejected { .. }));
                let is_final = !judge(classify, &answer).is_repeatable;
                if is_final && (!is_rejected || attempts.is_empty()) {
                    self.tally.count(did);
                    return answer;
                }
                if attempts.is_empty() && (left == 0 || !self.may_begin()) {
                    self.tally.count(did);
                    return answer;
                }
                if !attempts.is_empty() {
                    continue;
                }
            } else if !self.may_begin() {
                left = 0;
                continue;
            }
            left -= 1;
            begun += 1;
            attempts.push((begun, Box::pin(attempt())));
            next = Instant::now() + self.delay;
        }
    }

    fn may_begin(&self) -> bool {
        self.budget
            .as_ref()
            .is_none_or(|budget| budget.withdraw().is_ok())
    }
}

/// The first attempt to end, and its number; it is taken out.
async fn first<F: Future>(attempts: &mut Vec<(u32, Pin<Box<F>>)>) -> (u32, F::Output) {
    poll_fn(|context| {
        for index in 0..attempts.len() {
            if let Poll::Ready(output) = attempts[index].1.as_mut().poll(context) {
                let (number, _) = attempts.swap_remove(index);
                return Poll::Ready((number, output));
            }
        }
        Poll::Pending
    })
    .await
}
