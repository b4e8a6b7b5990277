//! [`Keyed`]: a breaker or limiter for each host or tenant, but not without bound.

use crate::breaker::{CircuitBreaker, CircuitBreakerConfig};
use crate::limiter::TokenBucketRateLimiter;
use fuseboard_core::{ConfigError, Rate, State};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// One policy for each key, made when it is first asked for, for at most `max_keys` keys.
///
/// When it is full, the key that was not asked for the longest makes room, of those whose policy stands as a new one would: a
/// closed breaker, a full bucket. An open breaker is never evicted, so nobody can wash it away with made-up keys. When no key can go, new
/// ones share one policy, the *overflow*: the number of policies (and of their metrics) is `max_keys` and one.
///
/// ```
/// use fuseboard::{CircuitBreakerConfig, Keyed};
///
/// let hosts = Keyed::breakers(CircuitBreakerConfig::default(), 1_000)?;
/// hosts.get("api.example.com").force_open();
/// assert!(hosts.get("api.example.com").try_acquire().is_err());
/// assert!(hosts.get("www.example.com").try_acquire().is_ok());
/// # Ok::<(), fuseboard::ConfigError>(())
/// ```
///
/// Whoever holds a handle of an evicted policy keeps it; the key gets a new one when it is asked for again.
pub struct Keyed<P> {
    max_keys: usize,
    make: Box<dyn Fn(&str) -> P + Send + Sync>,
    may_go: Box<dyn Fn(&P) -> bool + Send + Sync>,
    overflow: P,
    table: Mutex<Table<P>>,
}

struct Table<P> {
    last: u64,
    policies: HashMap<Box<str>, (u64, P)>,
    /// Keys by when they were last asked for.
    turns: BTreeMap<u64, Box<str>>,
}

/// What stands for all keys that find no room.
const OVERFLOW: &str = "overflow";

impl Keyed<CircuitBreaker> {
    /// Breakers of one configuration, named after their keys.
    ///
    /// # Errors
    /// The first setting that is out of its range, or `max_keys` where it is 0.
    pub fn breakers(config: CircuitBreakerConfig, max_keys: usize) -> Result<Self, ConfigError> {
        config.validate()?;
        Self::new(
            max_keys,
            move |key| CircuitBreaker::new(key, config),
            |breaker: &CircuitBreaker| breaker.state() == State::Closed,
        )
    }
}

impl Keyed<TokenBucketRateLimiter> {
    /// Token buckets of one quota.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range, or `max_keys` where it is 0.
    pub fn token_buckets(rate: Rate, burst: u64, max_keys: usize) -> Result<Self, ConfigError> {
        TokenBucketRateLimiter::try_new(rate, burst)?;
        Self::new(
            max_keys,
            move |_| TokenBucketRateLimiter::new(rate, burst),
            move |bucket: &TokenBucketRateLimiter| bucket.available() >= burst,
        )
    }
}

impl<P: Clone> Keyed<P> {
    /// Policies of any kind, whose clones are handles: how to make one, and whether one stands as a new one would, so that it may
    /// be evicted.
    ///
    /// # Errors
    /// `max_keys` where it is 0.
    pub fn new(
        max_keys: usize,
        make: impl Fn(&str) -> P + Send + Sync + 'static,
        may_go: impl Fn(&P) -> bool + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        if max_keys == 0 {
            return Err(ConfigError::integer("max_keys", 0, "at least 1 key"));
        }
        Ok(Self {
            max_keys,
            overflow: make(OVERFLOW),
            make: Box::new(make),
            may_go: Box::new(may_go),
            table: Mutex::new(Table {
                last: 0,
                policies: HashMap::new(),
                turns: BTreeMap::new(),
            }),
        })
    }

    /// The key's policy, or the overflow where there is no room for another.
    pub fn get(&self, key: &str) -> P {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *table;
        let turn = table.last + 1;
        if let Some((last, policy)) = table.policies.get_mut(key) {
            let key = table.turns.remove(last);
            table.turns.extend(key.map(|key| (turn, key)));
            (*last, table.last) = (turn, turn);
            return policy.clone();
        }
        if table.policies.len() >= self.max_keys && !self.evict(table) {
            return self.overflow.clone();
        }
        let policy = (self.make)(key);
        table.last = turn;
        table.turns.insert(turn, key.into());
        table.policies.insert(key.into(), (turn, policy.clone()));
        policy
    }

    /// The policy shared by keys that found no room.
    pub fn overflow(&self) -> &P {
        &self.overflow
    }

    /// Keys that have a policy of their own.
    pub fn len(&self) -> usize {
        self.locked(|table| table.policies.len())
    }

    /// Whether no key has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every key and its policy, the one that was not asked for the longest first.
    pub fn entries(&self) -> Vec<(String, P)> {
        self.locked(|table| {
            let entry = |key: &str| {
                let (_, policy) = table.policies.get(key)?;
                Some((key.to_owned(), policy.clone()))
            };
            let keys = table.turns.values();
            keys.filter_map(|key| entry(key)).collect()
        })
    }

    /// Makes room, if any policy may go.
    fn evict(&self, table: &mut Table<P>) -> bool {
        let may_go = |key: &str| {
            table
                .policies
                .get(key)
                .is_none_or(|(_, policy)| (self.may_go)(policy))
        };
        let oldest = table.turns.iter().find(|(_, key)| may_go(key));
        let Some((turn, key)) = oldest.map(|(turn, key)| (*turn, key.clone())) else {
            return false;
        };
        table.turns.remove(&turn);
        table.policies.remove(&key);
        true
    }

    fn locked<T>(&self, read: impl FnOnce(&Table<P>) -> T) -> T {
        read(&self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<P: Clone> fmt::Debug for Keyed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyed({} of {} keys)", self.len(), self.max_keys)
    }
}
