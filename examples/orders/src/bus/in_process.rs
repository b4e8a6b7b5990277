//! [`InProcessBus`]: events between the parts of one process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{
    BusError, BusOptions, Delivery, EventBus, GroupLag, Parked, Subscription, never_finished,
};
use crate::store::StoredEvent;

/// A bus in memory. It forgets with the process; the relay publishes again what a consumer's checkpoint has not passed.
///
/// A clone is another handle of the same bus.
#[derive(Clone)]
pub struct InProcessBus {
    shared: Arc<Shared>,
}

struct Shared {
    options: BusOptions,
    state: Mutex<State>,
    /// Changes when there may be something to hand out.
    news: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// The events kept, by position.
    events: VecDeque<Published>,
    last: u64,
    groups: HashMap<String, Group>,
    /// How many there have been.
    subscriptions: u64,
}

#[derive(Clone)]
struct Published {
    previous: u64,
    event: Arc<StoredEvent>,
}

#[derive(Default)]
struct Group {
    /// The last position handed out for the first time.
    taken: u64,
    pending: BTreeMap<u64, Pending>,
    parked: BTreeMap<u64, Parked>,
}

struct Pending {
    published: Published,
    attempt: u32,
    /// Since when, and with whom; nobody: to be handed out at once.
    holder: Option<(Instant, u64)>,
}

impl InProcessBus {
    /// An empty one.
    pub fn new(options: BusOptions) -> Self {
        let shared = Shared {
            options,
            state: Mutex::default(),
            news: watch::Sender::new(()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a few moves between collections, none of which panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to hand out now, and when something may be without news.
    fn hand_out(&self, group: &str, holder: u64, max: usize) -> (Vec<Delivery>, Option<Instant>) {
        let now = Instant::now();
        let mut state = self.state();
        let State { events, groups, .. } = &mut *state;
        let group = groups.entry(group.to_owned()).or_default();
        group.park_given_up(now, self.options);
        let mut deliveries = Vec::new();
        let mut next_reclaim = None;
        for pending in group.pending.values_mut() {
            let free_at = pending.free_at(self.options.reclaim_after);
            if deliveries.len() < max && free_at.is_none_or(|at| at <= now) {
                pending.attempt += 1;
                pending.holder = Some((now, holder));
                deliveries.push(pending.delivery());
            } else if let Some(at) = free_at {
                next_reclaim = Some(next_reclaim.map_or(at, |earlier: Instant| earlier.min(at)));
            }
        }
        let from = events.partition_point(|kept| kept.event.position <= group.taken);
        for published in events.range(from..).take(max - deliveries.len()) {
            let pending = Pending {
                published: published.clone(),
                attempt: 1,
                holder: Some((now, holder)),
            };
            deliveries.push(pending.delivery());
            group.taken = published.event.position;
            group.pending.insert(group.taken, pending);
        }
        (deliveries, next_reclaim)
    }
}

impl Pending {
    fn free_at(&self, after: Duration) -> Option<Instant> {
        self.holder.map(|(since, _)| since + after)
    }

    fn delivery(&self) -> Delivery {
        Delivery {
            event: StoredEvent::clone(&self.published.event),
            previous: self.published.previous,
            attempt: self.attempt,
        }
    }
}

impl Group {
    /// Parks what was handed out too often.
    fn park_given_up(&mut self, now: Instant, options: BusOptions) {
        let given_up: Vec<Delivery> = self
            .pending
            .values()
            .filter(|pending| pending.attempt >= options.max_attempts)
            .filter(|pending| {
                let free_at = pending.free_at(options.reclaim_after);
                free_at.is_none_or(|at| at <= now)
            })
            .map(Pending::delivery)
            .collect();
        for delivery in given_up {
            self.park(&delivery, never_finished(delivery.attempt));
        }
    }

    fn park(&mut self, delivery: &Delivery, reason: String) {
        let position = delivery.event.position;
        tracing::warn!(position, reason, "an event was parked");
        let parked = Parked {
            event: delivery.event.clone(),
            previous: delivery.previous,
            reason,
            attempts: delivery.attempt,
            parked_at: OffsetDateTime::now_utc(),
        };
        self.pending.remove(&position);
        self.parked.insert(position, parked);
    }
}

#[async_trait]
impl EventBus for InProcessBus {
    async fn publish(&self, after: u64, events: &[StoredEvent]) -> Result<(), BusError> {
        let mut state = self.shared.state();
        let mut previous = after;
        for event in events {
            if event.position > state.last {
                state.last = event.position;
                state.events.push_back(Published {
                    previous,
                    event: Arc::new(event.clone()),
                });
            }
            previous = event.position;
        }
        let surplus = state
            .events
            .len()
            .saturating_sub(self.shared.options.retained);
        state.events.drain(..surplus);
        drop(state);
        self.shared.news.send_replace(());
        Ok(())
    }

    async fn last_published(&self) -> Result<u64, BusError> {
        Ok(self.shared.state().last)
    }

    async fn subscribe(
        &self,
        group: &str,
        _consumer: &str,
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut state = self.shared.state();
        state.subscriptions += 1;
        state.groups.entry(group.to_owned()).or_default();
        Ok(Box::new(InProcessSubscription {
            holder: state.subscriptions,
            shared: Arc::clone(&self.shared),
            group: group.to_owned(),
            news: self.shared.news.subscribe(),
        }))
    }

    async fn lag(&self, group: &str) -> Result<GroupLag, BusError> {
        let state = self.shared.state();
        let Some(group) = state.groups.get(group) else {
            return Ok(GroupLag::default());
        };
        let since = group.pending.values().filter_map(|pending| pending.holder);
        let oldest = since.map(|(since, _)| since.elapsed()).max();
        Ok(GroupLag {
            pending: group.pending.len() as u64,
            oldest_pending: oldest.unwrap_or_default(),
            parked: group.parked.len() as u64,
        })
    }

    async fn parked(&self, group: &str) -> Result<Vec<Parked>, BusError> {
        let state = self.shared.state();
        let group = state.groups.get(group);
        Ok(group.map_or_else(Vec::new, |group| group.parked.values().cloned().collect()))
    }

    async fn unpark(&self, group: &str, position: u64) -> Result<bool, BusError> {
        let mut state = self.shared.state();
        let Some(group) = state.groups.get_mut(group) else {
            return Ok(false);
        };
        let Some(parked) = group.parked.remove(&position) else {
            return Ok(false);
        };
        let pending = Pending {
            published: Published {
                previous: parked.previous,
                event: Arc::new(parked.event),
            },
            attempt: 0,
            holder: None,
        };
        group.pending.insert(position, pending);
        drop(state);
        self.shared.news.send_replace(());
        Ok(true)
    }
}

struct InProcessSubscription {
    shared: Arc<Shared>,
    group: String,
    /// Which subscription it is.
    holder: u64,
    news: watch::Receiver<()>,
}

impl InProcessSubscription {
    fn with_group<T>(&self, change: impl FnOnce(&mut Group) -> T) -> T {
        change(
            self.shared
                .state()
                .groups
                .entry(self.group.clone())
                .or_default(),
        )
    }
}

#[async_trait]
impl Subscription for InProcessSubscription {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let end = Instant::now() + wait;
        loop {
            // Before looking, so that what comes meanwhile is news.
            self.news.borrow_and_update();
            let (deliveries, next_reclaim) = self.shared.hand_out(&self.group, self.holder, max);
            let now = Instant::now();
            if !deliveries.is_empty() || now >= end {
                return Ok(deliveries);
            }
            let until = next_reclaim.map_or(end, |at| at.min(end));
            // The sender is as old as the bus, which this subscription keeps: there is news, or the time is over.
            let _ = timeout_at(until, self.news.changed()).await;
        }
    }

    async fn acknowledge(&mut self, positions: &[u64]) -> Result<(), BusError> {
        self.with_group(|group| {
            for position in positions {
                group.pending.remove(position);
            }
        });
        Ok(())
    }

    async fn park(&mut self, delivery: &Delivery, reason: &str) -> Result<(), BusError> {
        self.with_group(|group| group.park(delivery, reason.to_owned()));
        Ok(())
    }
}

impl Drop for InProcessSubscription {
    /// What it held is handed to others at once.
    fn drop(&mut self) {
        let holder = self.holder;
        self.with_group(|group| {
            for pending in group.pending.values_mut() {
                if pending.holder.is_some_and(|(_, who)| who == holder) {
                    pending.holder = None;
                }
            }
        });
        self.shared.news.send_replace(());
    }
}
