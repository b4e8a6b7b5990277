//! [`Coalesce`]: equal calls at the same time are made once.

use crate::tally::{Tally, did};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// While a call with some key is under way, others with that key wait for its answer instead of being made.
///
/// So a cache that expires, or a breaker that closes, lets one request through for each key and not a thousand. Nothing is remembered:
/// a call that comes after the answer is made anew.
///
/// ```
/// use fuseboard::Coalesce;
///
/// # async fn load(id: u64) -> Result<String, String> { Ok(id.to_string()) }
/// # async fn example() {
/// let loads = Coalesce::new();
/// let user = loads.call(7, || load(7)).await;
/// # }
/// ```
///
/// The answer is cloned for each, so an error must be too (an `Arc` around it will do).
///
/// # Cancellation
///
/// When the call that was made is dropped or panics, one of those that wait makes its own. A clone is another handle of the same calls.
pub struct Coalesce<K, V> {
    calls: Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>,
    tally: Tally,
}

impl<K: Clone + Eq + Hash, V: Clone> Coalesce<K, V> {
    /// No call is under way.
    pub fn new() -> Self {
        Self {
            calls: Arc::default(),
            tally: Tally::new::<did::Coalesce>(),
        }
    }

    /// The answer of the call with this key: of the one under way, or of `operation`.
    pub async fn call<F: Future<Output = V>>(&self, key: K, operation: impl FnOnce() -> F) -> V {
        loop {
            let known = self.calls().get(&key).cloned();
            let Some(mut under_way) = known else {
                if let Some(leader) = self.lead(&key) {
                    let answer = leader.make(operation()).await;
                    self.tally.count(did::Coalesce::Made);
                    return answer;
                }
                continue;
            };
            // An error says that the call was dropped without an answer.
            if let Ok(answer) = under_way.wait_for(Option::is_some).await
                && let Some(answer) = answer.clone()
            {
                self.tally.count(did::Coalesce::Joined);
                return answer;
            }
        }
    }

    /// Which of its calls were made.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Calls under way.
    pub fn in_flight(&self) -> usize {
        self.calls().len()
    }

    /// The right to make the call, unless somebody else was faster.
    fn lead(&self, key: &K) -> Option<Leader<'_, K, V>> {
        let mut calls = self.calls();
        if calls.contains_key(key) {
            return None;
        }
        let (answer, receiver) = watch::channel(None);
        calls.insert(key.clone(), receiver);
        Some(Leader {
            coalesce: self,
            key: key.clone(),
            answer,
        })
    }
}

impl<K, V> Coalesce<K, V> {
    fn calls(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        // A key whose `Hash` or `Eq` panics leaves the map as it was.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the call; dropped with or without an answer, the next call with the key is made anew.
struct Leader<'a, K: Eq + Hash, V> {
    coalesce: &'a Coalesce<K, V>,
    key: K,
    answer: watch::Sender<Option<V>>,
}

impl<K: Eq + Hash, V: Clone> Leader<'_, K, V> {
    async fn make(self, operation: impl Future<Output = V>) -> V {
        let answer = operation.await;
        self.answer.send_replace(Some(answer.clone()));
        answer
    }
}

impl<K: Eq + Hash, V> Drop for Leader<'_, K, V> {
    fn drop(&mut self) {
        // Before the sender is dropped: whoever is woken by that finds the key free.
        self.coalesce.calls().remove(&self.key);
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Default for Coalesce<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Coalesce<K, V> {
    fn clone(&self) -> Self {
        Self {
            calls: Arc::clone(&self.calls),
            tally: self.tally.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Coalesce<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coalesce({} under way)", self.calls().len())
    }
}
