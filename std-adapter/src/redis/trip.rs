//! A trip to the engine for all who wait for one key at the time.

use super::decision::{Answer, Decision};
use super::engine::Engine;
use super::error::Unavailable;
use super::keys::{Denied, Key, Keys, Pool, Waiter};
use super::options::Lease;
use super::script::Source;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most requests in one trip.
const MOST: usize = 1_024;
/// A denial is believed no longer: the limit may be raised, or somebody may give back.
const LONGEST_DENIAL: Duration = Duration::from_secs(1);

/// What a waiting request is told.
pub(super) type Verdict = Result<Decision, Unavailable>;

/// What a limiter's trips have in common.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) engine: Engine,
    pub(super) script: &'static Source,
    /// What the script is told first.
    pub(super) arguments: Vec<String>,
    pub(super) prefix: String,
    pub(super) suffix: &'static str,
    pub(super) limit: u64,
    pub(super) lease: Option<Lease>,
    pub(super) keys: Keys,
}

impl Route {
    /// Asks the engine for `requests` of `cost` units each; 0 looks, and less gives back.
    pub(super) async fn ask(
        &self,
        key: &str,
        cost: u64,
        requests: i64,
    ) -> Result<Answer, Unavailable> {
        // The braces keep all limits of a key on one server of a cluster.
        let name = format!("{}:{{{key}}}:{}", self.prefix, self.suffix);
        let mut arguments = self.arguments.clone();
        arguments.extend([cost.to_string(), requests.to_string()]);
        self.engine
            .run(self.script, &name, &arguments)
            .await
            .map(Answer::from_reply)
    }
}

/// Somebody who travels for a key. When it is dropped midway or before it set out, with its runtime, those who wait are told, and the
/// next one sets out anew.
pub(super) struct Driver {
    route: Arc<Route>,
    key: Box<str>,
    /// Nobody waited any more, and the next one who does has a driver of his own.
    is_over: bool,
}

impl Driver {
    pub(super) fn new(route: Arc<Route>, key: Box<str>) -> Self {
        Self {
            route,
            key,
            is_over: false,
        }
    }

    /// Travels until nobody waits.
    pub(super) async fn drive(mut self) {
        while let Some((waiters, cost, ahead)) = self.next() {
            let requests = waiters.len() as u64 + ahead / cost;
            let asked = i64::try_from(requests).unwrap_or(i64::MAX);
            let answer = self.route.ask(&self.key, cost, asked).await;
            self.tell(waiters, cost, requests, answer);
        }
    }

    /// Those who go next, all of one cost; that cost; and how many units are to be fetched for later.
    fn next(&mut self) -> Option<(Vec<Waiter>, u64, u64)> {
        let now = Instant::now();
        let next = self.route.keys.with_known(&self.key, |key| {
            // Who has gone away meanwhile costs nothing.
            key.waiting.retain(|waiter| !waiter.verdict.is_closed());
            // What came while we travelled may be enough, or say that there is none.
            while let Some(first) = key.waiting.pop_front() {
                let Some(decision) = key.decide(first.cost, self.route.limit, now) else {
                    key.waiting.push_front(first);
                    break;
                };
                if first.verdict.send(Ok(decision)).is_err() && decision.is_allowed {
                    key.pool.units += first.cost;
                }
            }
            let cost = match key.waiting.front() {
                Some(first) => first.cost,
                None if key.is_low(now) => 1,
                None => {
                    key.is_driven = false;
                    return None;
                }
            };
            let alike = key
                .waiting
                .iter()
                .take(MOST)
                .take_while(|waiter| waiter.cost == cost);
            let alike = alike.count();
            let waiters = key.waiting.drain(..alike).collect();
            let ahead = self
                .route
                .lease
                .map_or(0, |lease| resize(&mut key.pool, lease));
            Some((waiters, cost, ahead.min(self.route.limit)))
        });
        let next = next.flatten();
        self.is_over = next.is_none();
        next
    }

    fn tell(
        &self,
        waiters: Vec<Waiter>,
        cost: u64,
        requests: u64,
        answer: Result<Answer, Unavailable>,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                for waiter in waiters {
                    // Whoever has gone away need not be told.
                    let _ = waiter.verdict.send(Err(error));
                }
                return;
            }
        };
        let mut left = answer.admitted;
        for waiter in waiters {
            let is_allowed = left > 0;
            left -= u64::from(is_allowed);
            let remaining = answer.remaining.saturating_add(left.saturating_mul(cost));
            let decision = answer.decision(is_allowed, self.route.limit, remaining);
            if waiter.verdict.send(Ok(decision)).is_err() && is_allowed {
                // It went away while the script ran: its units are there for the next.
                left += 1;
            }
        }
        let is_short = answer.admitted < requests;
        let now = Instant::now();
        let kept = self.route.keys.with_known(&self.key, |key| {
            note(key, cost, is_short.then_some(answer), self.route.lease, now);
            match self.route.lease {
                Some(lease) => {
                    let is_over = key.pool.expires.is_none_or(|expires| expires <= now);
                    let kept = if is_over { 0 } else { key.pool.units };
                    key.pool.units = kept + left * cost;
                    key.pool.expires = Some(now + lease.expires_after);
                    true
                }
                None => left == 0,
            }
        });
        if kept != Some(true) && left > 0 {
            let (route, key) = (Arc::clone(&self.route), self.key.clone());
            // Those who went away have cost nothing, if the engine hears of it.
            tokio::spawn(async move { route.give_back(&key, left * cost).await });
        }
    }
}

impl Route {
    /// Gives units back that nobody used. They are lost when the engine cannot be reached.
    pub(super) async fn give_back(&self, key: &str, units: u64) {
        let _ = self.ask(key, units, -1).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.route.keys.with_known(&self.key, |key| {
            key.is_driven = false;
            key.waiting.clear();
        });
    }
}

/// How many units to fetch for later, by how it went with those fetched before.
fn resize(pool: &mut Pool, lease: Lease) -> u64 {
    let size = match pool.expires {
        None => 1,
        Some(_) if pool.units < pool.size / 2 || pool.units == 0 => pool.size.saturating_mul(2),
        Some(_) => pool.size / 2,
    };
    pool.size = size.clamp(1, lease.most);
    pool.size
}

/// Remembers a denial, or that there is none any more.
fn note(key: &mut Key, cost: u64, denial: Option<Answer>, lease: Option<Lease>, now: Instant) {
    let least = lease.map_or(Duration::ZERO, |lease| lease.least_trip_interval);
    key.denied = denial.map(|answer| {
        let retry_after = answer.retry_after.map(|after| after.max(least));
        let until = retry_after.unwrap_or(LONGEST_DENIAL).min(LONGEST_DENIAL);
        Denied {
            cost,
            remaining: answer.remaining,
            until: now + until,
            retry_at: retry_after.map(|after| now + after),
            reset_at: now + answer.reset_after,
        }
    });
}
