//! [`ConcurrencyLimit`]: so many at once among all hosts, each for as long as its lease.

use super::engine::Engine;
use super::error::SetUpError;
use super::script;
use crate::limiter::Unavailable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;

/// At most `limit` holders of a key at once, on an [`Engine`].
///
/// A place is leased, and renewed after every third of the lease while its holder lives; that of a host which dies is free when
/// the lease is over. A clone is another handle of the same limit. Needs a tokio runtime.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    limit: u64,
    lease: Duration,
    /// Tells this process's holders from all others'.
    process: u64,
    next: AtomicU64,
}

/// A place, until it is dropped or given back.
#[derive(Debug)]
#[must_use = "a place that is dropped at once is given back at once"]
pub struct Place {
    holder: Option<Holder>,
    renewing: AbortHandle,
}

#[derive(Clone, Debug)]
struct Holder {
    shared: Arc<Shared>,
    key: String,
    name: String,
}

impl ConcurrencyLimit {
    /// `limit` places a key, 1 to 10,000; a lease of 100 ms to an hour: no longer does a host that died keep its places.
    ///
    /// # Errors
    /// What is out of its range.
    pub fn new(engine: &Engine, limit: u64, lease: Duration) -> Result<Self, SetUpError> {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        SetUpError::span("lease", lease, range, "100 ms to an hour")?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine: engine.clone(),
                limit: SetUpError::integer("limit", limit, 1..=10_000, "1 to 10,000")?,
                lease,
                process: crate::breaker::fresh_seed(),
                next: AtomicU64::new(0),
            }),
        })
    }

    /// A place of `key`; `None`: all are taken.
    ///
    /// # Errors
    /// Why the engine did not say. A place that it gave unseen is free again when its lease is over.
    pub async fn try_acquire(&self, key: &str) -> Result<Option<Place>, Unavailable> {
        // Relaxed: only no two may be alike.
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let holder = Holder {
            shared: Arc::clone(&self.shared),
            key: format!("fuseboard:{{{key}}}:places:1"),
            name: format!("{:016x}.{number}", self.shared.process),
        };
        // Dropped before the answer, it gives back what it may have got.
        let mut guard = GiveBack(Some(holder.clone()));
        let has_place = holder.tell("take").await?;
        guard.0 = None;
        Ok(has_place.then(|| {
            let renewing = tokio::spawn(holder.clone().renew()).abort_handle();
            let holder = Some(holder);
            Place { holder, renewing }
        }))
    }

    /// Places of `key` that are free.
    ///
    /// # Errors
    /// Why the engine did not say.
    pub async fn available(&self, key: &str) -> Result<u64, Unavailable> {
        let nobody = Holder {
            shared: Arc::clone(&self.shared),
            key: format!("fuseboard:{{{key}}}:places:1"),
            name: String::new(),
        };
        let [_, left, _] = nobody.ask("renew").await?;
        Ok(u64::try_from(left).unwrap_or(0))
    }
}

impl Place {
    /// Gives it back, and waits until the engine knows.
    ///
    /// # Errors
    /// Why it may not know; then the place is free when its lease is over.
    pub async fn give_back(mut self) -> Result<(), Unavailable> {
        self.renewing.abort();
        match self.holder.take() {
            Some(holder) => holder.tell("give").await.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.renewing.abort();
        drop(GiveBack(self.holder.take()));
    }
}

/// Gives a place back in a task of its own.
struct GiveBack(Option<Holder>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        if let Some(holder) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { holder.tell("give").await });
        }
    }
}

impl Holder {
    async fn ask(&self, what: &str) -> Result<[i64; 3], Unavailable> {
        let Shared {
            engine,
            limit,
            lease,
            ..
        } = &*self.shared;
        let lease = lease.as_millis().to_string();
        let arguments = [limit.to_string(), lease, self.name.clone(), what.to_owned()];
        engine.run(&script::PLACES, &self.key, &arguments).await
    }

    async fn tell(&self, what: &str) -> Result<bool, Unavailable> {
        self.ask(what).await.map(|[has, ..]| has == 1)
    }

    /// Keeps the place; also where the engine was away for longer than the lease, if it is still free then.
    async fn renew(self) {
        loop {
            tokio::time::sleep(self.shared.lease / 3).await;
            if let Ok(false) = self.tell("renew").await {
                let _ = self.tell("take").await;
            }
        }
    }
}
