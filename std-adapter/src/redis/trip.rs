//! A trip to the engine for all who wait for one key at the time.

use super::batch::{Batch, Outcome};
use super::deadline::Timer;
use super::decision::Answer;
use super::engine::Engine;
use super::keys::{Denied, Key, Keys, Pool};
use super::options::Lease;
use super::overlap::look_for;
use super::script::Source as Script;
use crate::clock::{Clock, MonotonicClock};
use crate::limiter::{DecisionSource as Source, Quota, Unavailable};
use ::redis::ScriptInvocation;
use fuseboard_core::Nanos;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// A denial is believed no longer: the limit may be raised, or somebody may give back.
const LONGEST_DENIAL: Duration = Duration::from_secs(1);

/// What a limiter's trips have in common.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) engine: Engine,
    pub(super) script: &'static Script,
    /// What the script is told first.
    pub(super) arguments: Vec<u64>,
    pub(super) prefix: String,
    pub(super) suffix: &'static str,
    pub(super) limit: u64,
    pub(super) quota: Quota,
    pub(super) lease: Option<Lease>,
    pub(super) keys: Keys,
}

impl Route {
    /// Asks the engine for `requests` of `cost` units each; 0 looks, and less gives back. It is waited for as long as from `since`.
    async fn ask_since(
        &self,
        since: Instant,
        timer: &mut Timer,
        key: &str,
        cost: u64,
        requests: i64,
    ) -> Result<Answer, Unavailable> {
        // The braces keep all limits of a key on one server of a cluster.
        let name = format!("{}:{{{key}}}:{}", self.prefix, self.suffix);
        let asked = |call: &mut ScriptInvocation<'_>| {
            call.key(name)
                .arg(&self.arguments[..])
                .arg(cost)
                .arg(requests);
        };
        let run = self.engine.run_since(since, timer, self.script, asked);
        run.await.map(Answer::from_reply)
    }

    /// The same, from now on.
    pub(super) async fn ask(
        &self,
        key: &str,
        cost: u64,
        requests: i64,
    ) -> Result<Answer, Unavailable> {
        let mut timer = Timer::default();
        self.ask_since(Instant::now(), &mut timer, key, cost, requests)
            .await
    }

    /// Gives units back that nobody used. They are lost when the engine cannot be reached.
    pub(super) async fn give_back(&self, key: &str, units: u64) {
        let _ = self.ask(key, units, -1).await;
    }

    /// Gives back what whoever went away was admitted for: to the lease, or in a task of its own.
    pub(super) fn return_units(self: &Arc<Self>, key: &str, units: u64) {
        let kept = self.keys.with_known(key, |known| {
            let is_kept = self.lease.is_some() && known.pool.expires.is_some();
            if is_kept {
                known.pool.units += units;
            }
            is_kept
        });
        if kept != Some(true)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (route, key) = (Arc::clone(self), Box::<str>::from(key));
            runtime.spawn(async move { route.give_back(&key, units).await });
        }
    }
}

/// One trip: who goes, and what is asked for.
struct Trip {
    /// `None`: nobody waits, it is for later.
    batch: Option<Arc<Batch>>,
    cost: u64,
    /// Requests that came with it, those dropped since among them.
    joined: usize,
    /// Whether it is one of two halves, and its answer is looked for.
    is_half: bool,
    /// Requests that a lease covers already.
    covered: u64,
    /// Requests that the engine is asked for, those for later among them.
    asked: u64,
    /// Units for later.
    ahead: u64,
}

/// Somebody who travels for a key. When it is dropped midway or before it set out, with its runtime, those who wait are told, and the
/// next one sets out anew.
pub(super) struct Driver {
    route: Arc<Route>,
    key: Box<str>,
    /// Which one it is on; none while it is about to set out.
    trip: Option<Trip>,
    timer: Timer,
    /// Nobody waited any more, and the next one who does has a driver of his own.
    is_over: bool,
}

impl Driver {
    pub(super) fn new(route: Arc<Route>, key: Box<str>) -> Self {
        Self {
            route,
            key,
            trip: None,
            timer: Timer::default(),
            is_over: false,
        }
    }

    /// Travels until nobody waits.
    pub(super) async fn drive(mut self) {
        while let Some(trip) = self.next() {
            let since = match &trip.batch {
                Some(batch) => batch.since,
                None => Instant::now(),
            };
            let is_half = trip.is_half;
            let (cost, asked) = (trip.cost, i64::try_from(trip.asked).unwrap_or(i64::MAX));
            self.trip = Some(trip);
            let asking = self
                .route
                .ask_since(since, &mut self.timer, &self.key, cost, asked);
            let (answer, came) = if is_half {
                let (answer, came) = look_for(asking).await;
                (answer, Some(came))
            } else {
                (asking.await, None)
            };
            if let Some(trip) = self.trip.take() {
                match answer {
                    Ok(answer) => self.arrive(&trip, answer, came),
                    Err(error) => self.fail(&trip, error),
                }
            }
            if self.route.lease.is_none() && self.stays() {
                // Those who have been told may ask again, and then there is somebody to take them along.
                behind_the_others().await;
            }
        }
    }

    /// Whether nobody waits now and it is not left to the first of the next ones to send somebody, which would make one whole of two halves.
    fn stays(&self) -> bool {
        let stays = |key: &mut Key| key.waiting.is_empty() && key.overlap.pays();
        self.route.keys.with_known(&self.key, stays) == Some(true)
    }

    /// Who goes next. What came while the last ones travelled may be enough for some, or say that there is none.
    fn next(&mut self) -> Option<Trip> {
        let mut settled = Vec::new();
        let next = self.route.keys.with_known(&self.key, |key| {
            let lease = self.route.lease;
            key.boarding -= 1;
            key.usual = key.outstanding;
            while let Some(batch) = key.waiting.pop_front() {
                let (joined, waiting) = batch.count();
                if waiting == 0 {
                    // Who has gone away costs nothing.
                    key.outstanding -= joined;
                    continue;
                }
                let cost = batch.cost;
                let is_live = key.pool.is_live();
                let held = if is_live { key.pool.units } else { 0 };
                let covered = waiting.min(held / cost);
                let denial = key.denial(cost);
                if covered == waiting || denial.is_some() {
                    key.outstanding -= joined;
                    key.pool.units -= covered * cost;
                    let answer = denial.unwrap_or(Answer::left(key.pool.units));
                    settled.push((batch, covered, answer));
                    continue;
                }
                key.pool.units -= covered * cost;
                let ahead = lease.map_or(0, |lease| resize(&mut key.pool, lease));
                let ahead = ahead.min(self.route.limit) / cost * cost;
                key.pool.coming += ahead;
                return Some(Trip {
                    batch: Some(batch),
                    cost,
                    joined,
                    is_half: lease.is_none() && key.is_hot() && key.overlap.pays(),
                    covered,
                    asked: waiting - covered + ahead / cost,
                    ahead,
                });
            }
            let is_low = key.pool.expires.is_some() && key.pool.is_low() && key.pool.is_live();
            if is_low
                && key.denial(1).is_none()
                && let Some(lease) = lease
            {
                let ahead = resize(&mut key.pool, lease).min(self.route.limit);
                key.pool.coming += ahead;
                return Some(Trip {
                    batch: None,
                    cost: 1,
                    joined: 0,
                    is_half: false,
                    covered: 0,
                    asked: ahead,
                    ahead,
                });
            }
            key.drivers -= 1;
            None
        });
        for (batch, covered, answer) in settled {
            let outcome = Outcome::Answered(answer, [Source::Lease, Source::DenyCache]);
            let unheard = batch.settle(covered, outcome);
            if unheard > 0 {
                self.route.return_units(&self.key, unheard * batch.cost);
            }
        }
        let next = next.flatten();
        self.is_over = next.is_none();
        next
    }

    fn arrive(&self, trip: &Trip, answer: Answer, came: Option<bool>) {
        let Trip { cost, covered, .. } = *trip;
        let is_short = answer.admitted < trip.asked;
        let admitted = answer.admitted + covered;
        let now = MonotonicClock.now();
        let lease = self.route.lease;
        self.route.keys.with_known(&self.key, |key| {
            if key.is_hot() {
                key.overlap.note(came);
            }
            key.arrive(trip.joined);
            note(key, cost, is_short.then_some(answer), lease, now);
        });
        let outcome = Outcome::Answered(answer, [Source::Engine; 2]);
        let left = match &trip.batch {
            Some(batch) => batch.settle(admitted, outcome),
            None => admitted,
        };
        let kept = self.route.keys.with_known(&self.key, |key| {
            let Some(lease) = lease else { return false };
            key.pool.coming -= trip.ahead;
            if !key.pool.is_live() {
                key.pool.units = 0;
            }
            key.pool.units += left * cost;
            key.pool.expires = Some(now.saturating_add(lease.expires_after.into()));
            true
        });
        if kept != Some(true) && left > 0 {
            // Those who went away have cost nothing, if the engine hears of it.
            self.route.return_units(&self.key, left * cost);
        }
    }

    fn fail(&self, trip: &Trip, error: Unavailable) {
        self.route.keys.with_known(&self.key, |key| {
            key.arrive(trip.joined);
            key.pool.coming -= trip.ahead;
            key.pool.units += trip.covered * trip.cost;
        });
        if let Some(batch) = &trip.batch {
            batch.settle(0, Outcome::Failed(error));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let nobody = Unavailable::ConnectionLost;
        if let Some(trip) = self.trip.take() {
            self.fail(&trip, nobody);
        }
        let left = self.route.keys.with_known(&self.key, |key| {
            key.boarding -= 1;
            key.drivers -= 1;
            // The others have gone with the same runtime, or will take them along.
            (key.drivers == 0).then(|| {
                key.outstanding = 0;
                std::mem::take(&mut key.waiting)
            })
        });
        for batch in left.flatten().unwrap_or_default() {
            batch.settle(0, Outcome::Failed(nobody));
        }
    }
}

/// Lets those run who have been woken before.
async fn behind_the_others() {
    let mut has_stepped_back = false;
    poll_fn(|context| {
        if has_stepped_back {
            return Poll::Ready(());
        }
        has_stepped_back = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How many units to fetch for later: with what is left of the last ones no more than the lease, whose size goes by how they were used.
fn resize(pool: &mut Pool, lease: Lease) -> u64 {
    let size = match pool.expires {
        None => 1,
        Some(_) if pool.is_low() => pool.size.saturating_mul(2),
        Some(_) => pool.size / 2,
    };
    pool.size = size.clamp(1, lease.most);
    let kept = if pool.is_live() { pool.units } else { 0 };
    pool.size.saturating_sub(kept + pool.coming)
}

/// Remembers a denial, or that there is none any more.
fn note(key: &mut Key, cost: u64, denial: Option<Answer>, lease: Option<Lease>, now: Nanos) {
    let least = lease.map_or(Duration::ZERO, |lease| lease.least_trip_interval);
    key.denied = denial.map(|answer| {
        let after = |span: Duration| now.saturating_add(span.into());
        let retry_after = answer.retry_after.map(|span| span.max(least));
        let until = retry_after.unwrap_or(LONGEST_DENIAL).min(LONGEST_DENIAL);
        Denied {
            cost,
            remaining: answer.remaining,
            until: after(until),
            retry_at: retry_after.map(after),
            reset_at: after(answer.reset_after),
        }
    });
}
