//! The load: calls at fixed moments, whatever becomes of those before.

use super::screen::Screen;
use super::script::SCRIPT;
use super::upstream::{Counted, Upstream};
use fuseboard::{
    CircuitBreakerConfig, CircuitBreakerError, CircuitState, Clock, MonotonicClock, Nanos, Rate,
    ResilientHttpClient, TokenBucketRateLimiter,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How much is asked of the upstream.
pub(crate) struct Load {
    /// Calls each second.
    pub(crate) rate: u32,
    /// Calls on top, all at once, at this moment.
    pub(crate) spike: (Duration, u32),
    /// What the limiter lets through each second, and at once.
    pub(crate) limit: (u64, u64),
    /// When a caller gives up.
    pub(crate) timeout: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 200,
            spike: (Duration::from_millis(500), 60),
            limit: (250, 40),
            timeout: Duration::from_millis(400),
        }
    }
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Served,
    Failed,
    Rejected,
    Limited,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// When, from the run's beginning.
    pub(crate) begun: Duration,
    /// How long the caller waited.
    pub(crate) waited: Duration,
    pub(crate) ending: Ending,
}

/// One run's result.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) calls: Vec<Call>,
    pub(crate) upstream: Counted,
    /// Times the breaker opened, and its state at the end; `None` in the run without one.
    pub(crate) breaker: Option<(u64, CircuitState)>,
}

impl Finished {
    pub(crate) fn count(&self, ending: Ending) -> usize {
        count(&self.calls, ending)
    }
}

pub(crate) fn count(calls: &[Call], ending: Ending) -> usize {
    calls.iter().filter(|call| call.ending == ending).count()
}

/// What stands between a caller and the upstream, the limiter apart.
pub(crate) enum Guard {
    None {
        client: reqwest::Client,
        timeout: Duration,
    },
    Breaker {
        client: ResilientHttpClient,
        openings: Arc<AtomicU64>,
        began: Arc<AtomicU64>,
    },
}

impl Guard {
    /// Only a time limit.
    pub(crate) fn none(timeout: Duration) -> anyhow::Result<Self> {
        Ok(Self::None {
            client: plain_client()?,
            timeout,
        })
    }

    /// The same behind a breaker, whose changes go to the screen.
    pub(crate) fn breaker(
        timeout: Duration,
        config: CircuitBreakerConfig,
        screen: &Arc<Screen>,
    ) -> anyhow::Result<Self> {
        let client = ResilientHttpClient::with_config("upstream", config)?
            .client(plain_client()?)
            .timeout(timeout);
        let openings = Arc::new(AtomicU64::new(0));
        let began = Arc::new(AtomicU64::new(0));
        let (screen, opened, since) = (
            Arc::clone(screen),
            Arc::clone(&openings),
            Arc::clone(&began),
        );
        client.breaker().on_transition(move |transition| {
            // Counts for display; they order nothing.
            if transition.to == CircuitState::Open {
                opened.fetch_add(1, Ordering::Relaxed);
            }
            let began = Nanos::new(since.load(Ordering::Relaxed));
            screen.transition(
                transition.at.saturating_sub(began).into(),
                transition,
                &config,
            );
        });
        Ok(Self::Breaker {
            client,
            openings,
            began,
        })
    }

    async fn get(&self, url: &str) -> Ending {
        let (client, timeout) = match self {
            Self::None { client, timeout } => (client, *timeout),
            Self::Breaker { client, .. } => {
                return match client.get(url).await {
                    Ok(_) => Ending::Served,
                    Err(CircuitBreakerError::OperationFailed(_)) => Ending::Failed,
                    Err(_) => Ending::Rejected,
                };
            }
        };
        let body = async {
            client
                .get(url)
                .timeout(timeout)
                .send()
                .await?
                .error_for_status()?
                .text()
                .await
        };
        if body.await.is_ok() {
            Ending::Served
        } else {
            Ending::Failed
        }
    }
}

/// A client that goes straight to the loopback interface, whatever proxy the environment names.
fn plain_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// One run of the script.
pub(crate) struct Run {
    listener: Arc<TcpListener>,
    address: SocketAddr,
    guard: Arc<Guard>,
    screen: Arc<Screen>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Run {
    pub(crate) fn new(
        listener: &Arc<TcpListener>,
        guard: Guard,
        screen: &Arc<Screen>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener: Arc::clone(listener),
            guard: Arc::new(guard),
            screen: Arc::clone(screen),
            calls: Arc::default(),
        })
    }

    /// Makes all the calls and waits for their ends.
    pub(crate) async fn drive(self, load: &Load) -> anyhow::Result<Finished> {
        let limiter =
            TokenBucketRateLimiter::try_new(Rate::per_second(load.limit.0), load.limit.1)?;
        let started = Instant::now();
        if let Guard::Breaker { began, .. } = &*self.guard {
            began.store(MonotonicClock.now().get(), Ordering::Relaxed);
        }
        let upstream = Arc::new(Upstream::new(SCRIPT, started));
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&upstream).serve(Arc::clone(&self.listener)));

        let url: Arc<str> = format!("http://{}/", self.address).into();
        let mut calling = JoinSet::new();
        let mut phase = None;
        for moment in moments(load) {
            tokio::time::sleep_until(started + moment).await;
            let now = Some(SCRIPT.index_at(moment));
            if phase != now {
                phase = now;
                self.screen
                    .phase(moment, &SCRIPT.phases()[SCRIPT.index_at(moment)]);
            }
            self.screen.progress(moment, || {
                progress(
                    &self.calls.lock().unwrap_or_else(PoisonError::into_inner),
                    &upstream,
                )
            });
            let (guard, limiter, url, calls) = (
                Arc::clone(&self.guard),
                limiter.clone(),
                Arc::clone(&url),
                Arc::clone(&self.calls),
            );
            calling.spawn(async move {
                let begun = Instant::now();
                let ending = match limiter.try_acquire() {
                    Ok(()) => guard.get(&url).await,
                    Err(_) => Ending::Limited,
                };
                let call = Call {
                    begun: begun - started,
                    waited: begun.elapsed(),
                    ending,
                };
                calls
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(call);
            });
            while calling.try_join_next().is_some() {}
        }
        while calling.join_next().await.is_some() {}
        self.screen.clear();

        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        let breaker = match &*self.guard {
            Guard::None { .. } => None,
            Guard::Breaker {
                client, openings, ..
            } => Some((openings.load(Ordering::Relaxed), client.circuit_state())),
        };
        Ok(Finished {
            calls,
            upstream: upstream.counted(),
            breaker,
        })
    }
}

/// When each call is made, in order.
fn moments(load: &Load) -> impl Iterator<Item = Duration> {
    let (spike, extra) = load.spike;
    let gap = Duration::from_secs(1) / load.rate;
    (0..)
        .map(move |index| gap * index)
        .take_while(|moment| *moment < SCRIPT.length())
        .flat_map(move |moment| {
            let here = spike >= moment && spike < moment + gap;
            std::iter::repeat_n(moment, if here { 1 + extra as usize } else { 1 })
        })
}

fn progress(calls: &[Call], upstream: &Upstream) -> String {
    format!(
        "served {:>3} · failed {:>3} · rejected {:>3} · upstream holds {:>3}",
        count(calls, Ending::Served),
        count(calls, Ending::Failed),
        count(calls, Ending::Rejected),
        upstream.holds(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_rate_over_the_script_and_the_spike() {
        let load = Load::default();
        let moments: Vec<_> = moments(&load).collect();
        let steady = SCRIPT.length().as_millis() * u128::from(load.rate) / 1_000;
        assert_eq!(moments.len() as u128, steady + u128::from(load.spike.1));
        assert!(moments.is_sorted());
        let at_once = moments
            .iter()
            .filter(|moment| **moment == load.spike.0)
            .count();
        assert_eq!(at_once, 1 + load.spike.1 as usize);
    }
}
