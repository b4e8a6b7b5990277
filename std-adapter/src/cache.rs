//! [`LastGood`]: the last good answer to each request, for when there is no other.

use crate::call::CallError;
use crate::clock::{Clock, CoarseClock};
use crate::fallback::Fallback;
use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Nanos};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Remembers the last good answer to each of so many requests, for so long. It answers only in the place of a failure: a call
/// that can be made is made.
///
/// ```
/// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, FallbackService, LastGood};
/// use std::time::Duration;
///
/// # async fn get_user(id: u64) -> std::io::Result<String> { Ok(id.to_string()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let breaker = CircuitBreaker::new("users", CircuitBreakerConfig::default());
/// let seen = LastGood::new(10_000, Duration::from_secs(3600))?;
/// let users = FallbackService::new(get_user, seen, breaker);
/// let ada = users.call(7).await?;
/// # Ok(())
/// # }
/// ```
///
/// When it is full, the answer that was stored longest ago makes room.
pub struct LastGood<R, T> {
    max_age: Nanos,
    max_entries: usize,
    clock: Box<dyn Clock + Send + Sync>,
    entries: Mutex<Entries<R, T>>,
    tally: Tally,
}

struct Entries<R, T> {
    last: u64,
    answers: HashMap<R, Answer<T>>,
    /// Requests by when they were stored.
    turns: BTreeMap<u64, R>,
}

struct Answer<T> {
    value: T,
    stored: Nanos,
    turn: u64,
}

impl<R: Clone + Eq + Hash, T: Clone> LastGood<R, T> {
    /// Room for so many requests, each answer good for so long.
    ///
    /// # Errors
    /// `max_entries` where it is 0.
    pub fn new(max_entries: usize, max_age: Duration) -> Result<Self, ConfigError> {
        Self::with_clock(max_entries, max_age, CoarseClock)
    }

    /// The same on a clock of the caller's choice.
    ///
    /// # Errors
    /// `max_entries` where it is 0.
    pub fn with_clock(
        max_entries: usize,
        max_age: Duration,
        clock: impl Clock + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        if max_entries == 0 {
            let allowed = "at least 1; leave the cache out where nothing is to be remembered";
            return Err(ConfigError::integer("max_entries", 0, allowed));
        }
        Ok(Self {
            max_age: max_age.into(),
            max_entries,
            clock: Box::new(clock),
            entries: Mutex::new(Entries {
                last: 0,
                answers: HashMap::new(),
                turns: BTreeMap::new(),
            }),
            tally: Tally::new::<did::Cache>(),
        })
    }

    /// Remembers an answer.
    pub fn store(&self, request: R, value: T) {
        let stored = self.clock.now();
        let mut entries = self.entries();
        let entries = &mut *entries;
        entries.last += 1;
        let turn = entries.last;
        entries.turns.insert(turn, request.clone());
        let answer = Answer {
            value,
            stored,
            turn,
        };
        if let Some(replaced) = entries.answers.insert(request, answer) {
            entries.turns.remove(&replaced.turn);
        }
        if entries.answers.len() > self.max_entries
            && let Some((_, oldest)) = entries.turns.pop_first()
        {
            entries.answers.remove(&oldest);
        }
    }

    /// The last good answer, if it is not too old.
    pub fn last(&self, request: &R) -> Option<T> {
        let now = self.clock.now();
        let entries = self.entries();
        let Some(answer) = entries.answers.get(request) else {
            self.tally.count(did::Cache::Missing);
            return None;
        };
        let is_good = now.saturating_sub(answer.stored) <= self.max_age;
        self.tally.count(if is_good {
            did::Cache::Found
        } else {
            did::Cache::Stale
        });
        is_good.then(|| answer.value.clone())
    }

    /// What its look-ups found.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn entries(&self) -> MutexGuard<'_, Entries<R, T>> {
        // A `Hash` or `Clone` that panics may lose an entry; the rest is as good as before.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, T, E> Fallback<R, T, E> for LastGood<R, T>
where
    R: Clone + Eq + Hash + Send,
    T: Clone + Send,
    E: Send,
{
    async fn answer(&self, request: R, failed: Result<T, CallError<E>>) -> Result<T, CallError<E>> {
        match self.last(&request) {
            Some(value) => Ok(value),
            None => failed,
        }
    }

    fn learn(&self, request: &R, value: &T) {
        self.store(request.clone(), value.clone());
    }
}

impl<R, T> fmt::Debug for LastGood<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastGood")
            .field("max_age", &self.max_age)
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}
