//! [`Keys`]: what a limiter remembers of each key here: who waits, what was fetched ahead, and until when nothing is to be had.

use super::batch::{Batch, MOST};
use super::decision::Answer;
use super::overlap::{FEW, Overlap};
use crate::breaker::fresh_seed;
use crate::clock::{Clock, CoarseClock, MonotonicClock};
use crate::limiter::{Decision, DecisionSource as Source};
use fuseboard_core::{Nanos, hash_key};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// Parts of the table with a lock of their own; each is held for some instructions, and never across an await.
const SHARDS: usize = 64;
/// Trips for one key at a time. With one, those who come just after it set out would wait for two trips, and all would soon travel in two halves.
const MOST_DRIVERS: u8 = 2;
/// A coarse clock is not behind by more, on any common kernel.
const TICK: Nanos = Nanos::from_millis(20);

/// What was fetched ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    pub(super) units: u64,
    pub(super) expires: Option<Nanos>,
    /// Units that somebody is fetching.
    pub(super) coming: u64,
    /// How much is fetched next: it doubles when it was used up in time, and halves when it was not.
    pub(super) size: u64,
}

impl Pool {
    /// Whether its time is not over. Only near its end is that worth a precise reading.
    pub(super) fn is_live(&self) -> bool {
        self.expires.is_some_and(|expires| {
            CoarseClock.now().saturating_add(TICK) < expires || MonotonicClock.now() < expires
        })
    }

    /// Whether it is so far used up that the next one is fetched before anybody waits for it.
    pub(super) fn is_low(&self) -> bool {
        self.units + self.coming <= self.size / 4
    }

    fn take(&mut self, cost: u64) -> bool {
        let is_enough = self.units >= cost;
        if is_enough {
            self.units -= cost;
        }
        is_enough
    }
}

/// The last denial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denied {
    /// Whoever asks for less may get it.
    pub(super) cost: u64,
    pub(super) remaining: u64,
    /// Until then nobody travels for it.
    pub(super) until: Nanos,
    pub(super) retry_at: Option<Nanos>,
    pub(super) reset_at: Nanos,
}

impl Denied {
    /// As the engine would say it at `now`.
    pub(super) fn answer(&self, now: Nanos) -> Answer {
        let from_now = |at: Nanos| Duration::from(at.saturating_sub(now));
        Answer {
            admitted: 0,
            remaining: self.remaining,
            retry_after: self.retry_at.map(from_now),
            reset_after: from_now(self.reset_at),
        }
    }
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    name: Box<str>,
    /// Who goes with the next trips.
    pub(super) waiting: VecDeque<Arc<Batch>>,
    /// Requests that wait or travel.
    pub(super) outstanding: usize,
    /// How many there were when the last trip began.
    pub(super) usual: usize,
    pub(super) overlap: Overlap,
    /// How many travel for it, each with a batch at a time.
    pub(super) drivers: u8,
    /// Those of them that are here, each about to set out with a batch.
    pub(super) boarding: u8,
    pub(super) pool: Pool,
    pub(super) denied: Option<Denied>,
}

/// What a request finds.
pub(super) enum Found {
    /// What it is told.
    Decided(Decision),
    /// Its batch, and its slot in there.
    Joined(Arc<Batch>, usize),
}

impl Key {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            waiting: VecDeque::new(),
            outstanding: 0,
            usual: 0,
            overlap: Overlap::new(),
            drivers: 0,
            boarding: 0,
            pool: Pool::default(),
            denied: None,
        }
    }

    /// Decides here where that can be done, and lines up for the next trip where it cannot. And whether somebody has to set out.
    pub(super) fn ask(&mut self, cost: u64, limit: u64, waker: &Waker) -> (Found, bool) {
        if self.pool.units >= cost && self.pool.is_live() {
            self.pool.units -= cost;
            let decision =
                Answer::left(self.pool.units).decision(true, limit, self.pool.units, Source::Lease);
            let begins = self.pool.is_low() && self.denial(1).is_none() && self.sets_out();
            return (Found::Decided(decision), begins);
        }
        if let Some(answer) = self.denial(cost) {
            let decision = answer.decision(false, limit, answer.remaining, Source::DenyCache);
            return (Found::Decided(decision), false);
        }
        let joined = self.join(cost, waker);
        (joined, self.sets_out())
    }

    /// Whether one more has to set out: not while there is one for each batch, or all are on the way.
    fn sets_out(&mut self) -> bool {
        // What somebody fetches for later is waited for.
        let most = if self.pool.coming > 0 {
            1
        } else {
            MOST_DRIVERS
        };
        let batches = self.waiting.len().max(1);
        let begins = usize::from(self.boarding) < batches && self.drivers < most;
        if begins {
            self.boarding += 1;
            self.drivers += 1;
        }
        begins
    }

    /// Out of the way of those who are decided here.
    #[inline(never)]
    fn join(&mut self, cost: u64, waker: &Waker) -> Found {
        let waker = waker.clone();
        self.outstanding += 1;
        let waker = match self.waiting.back() {
            Some(last) if last.cost == cost => match last.join(waker) {
                Ok(slot) => return Found::Joined(Arc::clone(last), slot),
                Err(waker) => waker,
            },
            _ => waker,
        };
        let usual = self.outstanding.max(self.usual);
        // A lease is fetched for all at once.
        let has_halves = self.pool.size == 0 && self.overlap.pays();
        let room = if has_halves {
            usual.div_ceil(2).clamp(FEW, MOST)
        } else {
            MOST
        };
        let batch = Arc::new(Batch::new(cost, room, usual, waker));
        self.waiting.push_back(Arc::clone(&batch));
        Found::Joined(batch, 0)
    }

    /// A driver is back with so many requests.
    pub(super) fn arrive(&mut self, joined: usize) {
        self.outstanding -= joined;
        self.boarding += 1;
    }

    /// Whether there were enough for two halves when the last trip began.
    pub(super) fn is_hot(&self) -> bool {
        self.usual > FEW
    }

    /// What a request is told whose denial is remembered.
    pub(super) fn denial(&self, cost: u64) -> Option<Answer> {
        let denied = self.denied.filter(|denied| cost >= denied.cost)?;
        // The coarse clock is never ahead: what it says to be over is.
        if CoarseClock.now() >= denied.until {
            return None;
        }
        let now = MonotonicClock.now();
        (now < denied.until).then(|| denied.answer(now))
    }

    /// Takes from a lease whose time may be over.
    pub(super) fn take_kept(&mut self, cost: u64) -> bool {
        self.pool.take(cost)
    }

    fn is_idle(&self, now: Nanos) -> bool {
        self.drivers == 0
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
    shards: Vec<Mutex<HashTable<Key>>>,
    seed: [u64; 2],
    most: usize,
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            seed: [fresh_seed(), fresh_seed()],
            most: most.div_ceil(SHARDS),
        }
    }

    /// Does something with a key, which is made when it is not there.
    pub(super) fn with<T>(&self, key: &str, work: impl FnOnce(&mut Key) -> T) -> T {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        if let Some(known) = shard.find_mut(hash, |known| *known.name == *key) {
            return work(known);
        }
        if shard.len() >= self.most {
            make_room(&mut shard, self.most);
        }
        let is_it = |known: &Key| *known.name == *key;
        let rehash = |known: &Key| self.hash(&known.name);
        work(match shard.entry(hash, is_it, rehash) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Key::new(key)).into_mut(),
        })
    }

    /// Does something with a key that is there.
    pub(super) fn with_known<T>(&self, key: &str, work: impl FnOnce(&mut Key) -> T) -> Option<T> {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        shard.find_mut(hash, |known| *known.name == *key).map(work)
    }

    /// Takes what is left of all leases.
    pub(super) fn drain_leases(&self) -> Vec<(Box<str>, u64)> {
        let mut left = Vec::new();
        for shard in &self.shards {
            for key in lock(shard).iter_mut() {
                let units = std::mem::take(&mut key.pool.units);
                if units > 0 {
                    left.push((key.name.clone(), units));
                }
            }
        }
        left
    }

    fn hash(&self, key: &str) -> u64 {
        hash_key(self.seed, key.as_bytes())
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, HashTable<Key>> {
        // The table goes by the lowest and the highest bits. Below SHARDS.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<HashTable<Key>>) -> MutexGuard<'_, HashTable<Key>> {
    // What a panic left is whole: nothing in here panics halfway.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what is over; and where that is not enough, denials and leases, but nobody who waits.
#[cold]
fn make_room(shard: &mut HashTable<Key>, most: usize) {
    let now = MonotonicClock.now();
    shard.retain(|key| !key.is_idle(now));
    if shard.len() >= most {
        let mut too_many = shard.len() - most / 2;
        shard.retain(|key| {
            let is_needed = key.drivers > 0 || !key.waiting.is_empty();
            let stays = is_needed || too_many == 0;
            too_many -= usize::from(!stays);
            stays
        });
    }
}
