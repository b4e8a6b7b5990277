//! [`Keys`]: what a limiter remembers of each key here: who waits, what was fetched ahead, and until when nothing is to be had.

use super::decision::{Decision, Source};
use super::error::Unavailable;
use super::trip::Verdict;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Parts of the table with a lock of their own; each is held for some instructions, and never across an await.
const SHARDS: usize = 64;

/// A request that waits for a trip.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) cost: u64,
    pub(super) verdict: oneshot::Sender<Verdict>,
}

/// What was fetched ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    pub(super) units: u64,
    pub(super) expires: Option<Instant>,
    /// How much is fetched next: it doubles when it was used up in time, and halves when it was not.
    pub(super) size: u64,
}

/// The last denial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denied {
    /// Whoever asks for less may get it.
    pub(super) cost: u64,
    pub(super) remaining: u64,
    /// Until then nobody travels for it.
    pub(super) until: Instant,
    pub(super) retry_at: Option<Instant>,
    pub(super) reset_at: Instant,
}

/// One key.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) waiting: VecDeque<Waiter>,
    /// Somebody travels, and will take along who waits.
    pub(super) is_driven: bool,
    pub(super) pool: Pool,
    pub(super) denied: Option<Denied>,
}

impl Key {
    /// Decides here, where that can be done.
    pub(super) fn decide(&mut self, cost: u64, limit: u64, now: Instant) -> Option<Decision> {
        let allowed = |source, remaining| Decision {
            is_allowed: true,
            limit,
            remaining,
            retry_after: Some(Duration::ZERO),
            reset_after: Duration::ZERO,
            source,
            may_have_taken: false,
        };
        if self.pool.units >= cost && self.pool.expires.is_some_and(|expires| now < expires) {
            self.pool.units -= cost;
            return Some(allowed(Source::Lease, Some(self.pool.units)));
        }
        let denied = self.denied.filter(|denied| now < denied.until)?;
        (cost >= denied.cost).then(|| Decision {
            is_allowed: false,
            remaining: Some(denied.remaining),
            retry_after: denied.retry_at.map(|at| at.saturating_duration_since(now)),
            reset_after: denied.reset_at.saturating_duration_since(now),
            ..allowed(Source::DenyCache, None)
        })
    }

    /// Whether the lease is nearly used up, so that the next one is fetched before anybody waits for it.
    pub(super) fn is_low(&self, now: Instant) -> bool {
        self.pool.units < self.pool.size / 2
            && self.pool.expires.is_some_and(|expires| now < expires)
            && self.denied.is_none_or(|denied| denied.until <= now)
    }

    /// Takes from a lease whose time may be over.
    pub(super) fn take_kept(&mut self, cost: u64) -> bool {
        let is_enough = self.pool.units >= cost;
        if is_enough {
            self.pool.units -= cost;
        }
        is_enough
    }

    fn is_idle(&self, now: Instant) -> bool {
        !self.is_driven
            && self.waiting.is_empty()
            && self
                .pool
                .expires
                .is_none_or(|expires| expires <= now || self.pool.units == 0)
            && self.denied.is_none_or(|denied| denied.until <= now)
    }
}

/// All keys that are remembered, not more than a bound.
#[derive(Debug)]
pub(super) struct Keys {
    shards: Vec<Mutex<HashMap<Box<str>, Key>>>,
    hasher: RandomState,
    most: usize,
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most: most.div_ceil(SHARDS),
        }
    }

    /// Does something with a key, which is made when it is not there.
    pub(super) fn with<T>(&self, key: &str, work: impl FnOnce(&mut Key) -> T) -> T {
        let mut shard = self.shard(key);
        if let Some(known) = shard.get_mut(key) {
            return work(known);
        }
        if shard.len() >= self.most {
            self.make_room(&mut shard);
        }
        work(shard.entry(key.into()).or_default())
    }

    /// Does something with a key that is there.
    pub(super) fn with_known<T>(&self, key: &str, work: impl FnOnce(&mut Key) -> T) -> Option<T> {
        self.shard(key).get_mut(key).map(work)
    }

    /// Takes what is left of all leases.
    pub(super) fn drain_leases(&self) -> Vec<(Box<str>, u64)> {
        let mut left = Vec::new();
        for shard in &self.shards {
            for (key, state) in shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter_mut()
            {
                let units = std::mem::take(&mut state.pool).units;
                if units > 0 {
                    left.push((key.clone(), units));
                }
            }
        }
        left
    }

    /// Forgets what is over; and where that is not enough, denials and leases, but nobody who waits.
    #[cold]
    fn make_room(&self, shard: &mut HashMap<Box<str>, Key>) {
        let now = Instant::now();
        shard.retain(|_, key| !key.is_idle(now));
        if shard.len() >= self.most {
            let mut too_many = shard.len() - self.most / 2;
            shard.retain(|_, key| {
                let is_needed = key.is_driven || !key.waiting.is_empty();
                let stays = is_needed || too_many == 0;
                too_many -= usize::from(!stays);
                stays
            });
        }
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, HashMap<Box<str>, Key>> {
        // Below SHARDS.
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        // What a panic left is whole: nothing in here panics halfway.
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Told to those who wait when nobody will answer.
pub(super) const ABANDONED: Unavailable = Unavailable::ConnectionLost;
