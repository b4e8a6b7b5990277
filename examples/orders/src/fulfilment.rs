//! Finishes what was begun: an order for which money, a parcel or a refund was asked for, and whose service died, or whose provider did not
//! answer, is taken up again, with the same ids, until it is known how it ended.
//!
//! ```text
//! bus ---> follow \
//!                  > agenda (when each order's turn is) -> work (saga: payment <-> refund, shipment) -> events
//! store -> sweep  /
//! ```
//!
//! The bus tells at once; the sweep reads the store, and so finds also what a bus lost and what died with another process. The ids make all
//! of it safe to do twice: two processes that take up one order ask for one payment, and one of them records it.

mod agenda;
mod follow;
mod work;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fuseboard::{Progress, Saga};
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::bus::EventBus;
use crate::command::CommandService;
use crate::observe;
use crate::order::OrderStatus;
use crate::payment::Payments;
use crate::shipping::Shipping;
use crate::store::{EventStore, StoredEvent};
use agenda::Agenda;
use work::{Hindrance, Work};

/// Orders that have been put off so often are counted as stuck.
const STUCK_AFTER: u32 = 10;
/// What is under way when it is told to stop has so long to end; what does not is taken up at the next start.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the fulfilment works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FulfilmentOptions {
    /// Its group on the bus.
    pub group: String,
    /// Its name in the group; each process another one.
    pub consumer: String,
    /// An order is left to the service that asked for so long. Longer than a client waits. Default 10 s.
    pub grace: Duration,
    /// How often the store is read for orders that nobody finishes. Default 10 s.
    pub sweep_every: Duration,
    /// Orders worked on at once. Default 16.
    pub max_at_once: usize,
    /// After the first failure an order rests for so long, then twice as long each time, scattered. Default 1 s.
    pub first_pause: Duration,
    /// But no longer than this. Default 60 s.
    pub longest_pause: Duration,
}

impl Default for FulfilmentOptions {
    fn default() -> Self {
        Self {
            group: "fulfilment".to_owned(),
            consumer: Uuid::now_v7().to_string(),
            grace: Duration::from_secs(10),
            sweep_every: Duration::from_secs(10),
            max_at_once: 16,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// What a fulfilment has done, and what it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FulfilmentSnapshot {
    /// Times that an order was taken up.
    pub taken_up: u64,
    /// Orders brought to a known end of what was asked for.
    pub finished: u64,
    /// Times that an order was put off, because nobody knows yet.
    pub put_off: u64,
    /// Sweeps of the store.
    pub sweeps: u64,
    /// Orders on the agenda.
    pub planned: u64,
    /// Of these, orders put off ten times and more: somebody should look at them.
    pub stuck: u64,
}

#[derive(Default)]
struct Counts {
    taken_up: AtomicU64,
    finished: AtomicU64,
    put_off: AtomicU64,
    sweeps: AtomicU64,
    planned: AtomicU64,
    stuck: AtomicU64,
}

/// The process manager of orders. A clone is another handle.
#[derive(Clone)]
pub struct Fulfilment {
    shared: Arc<Shared>,
}

struct Shared {
    service: CommandService,
    store: Arc<dyn EventStore>,
    bus: Option<Arc<dyn EventBus>>,
    payments: Arc<dyn Payments>,
    shipping: Arc<dyn Shipping>,
    saga: Saga<Arc<Work>, Hindrance>,
    options: FulfilmentOptions,
    counts: Counts,
}

/// How working on an order ended.
enum End {
    /// It is known how that ended which was asked for.
    Finished,
    /// Not yet: not before this.
    PutOff(Duration),
}

impl Fulfilment {
    /// Over a store, with the providers behind their edges. Without a bus the sweep finds everything by itself, only later.
    pub fn new(
        service: CommandService,
        store: Arc<dyn EventStore>,
        bus: Option<Arc<dyn EventBus>>,
        payments: Arc<dyn Payments>,
        shipping: Arc<dyn Shipping>,
        options: FulfilmentOptions,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                service,
                store,
                bus,
                payments,
                shipping,
                saga: work::saga(),
                options,
                counts: Counts::default(),
            }),
        }
    }

    /// What it has done.
    pub fn snapshot(&self) -> FulfilmentSnapshot {
        // Relaxed: each is a number on its own.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        FulfilmentSnapshot {
            taken_up: read(&counts.taken_up),
            finished: read(&counts.finished),
            put_off: read(&counts.put_off),
            sweeps: read(&counts.sweeps),
            planned: read(&counts.planned),
            stuck: read(&counts.stuck),
        }
    }

    /// Works until `stop` is ready. Dropped at any point, nothing is lost: the next one finds it in the store.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let shared = &self.shared;
        let (asked, mut news) = mpsc::channel(1_024);
        let mut sources = JoinSet::new();
        sources.spawn(follow::sweep(Arc::clone(shared), asked.clone()));
        if let Some(bus) = shared.bus.clone() {
            sources.spawn(follow::follow(Arc::clone(shared), bus, asked));
        }
        let mut agenda = Agenda::new(&shared.options);
        let mut working: JoinSet<(Uuid, End)> = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            while working.len() < shared.options.max_at_once
                && let Some(event) = agenda.take_due(Instant::now())
            {
                let work = Arc::clone(shared).work(event);
                working.spawn(work);
            }
            self.count_planned(&agenda);
            let is_free = working.len() < shared.options.max_at_once;
            let next = agenda.next().filter(|_| is_free);
            tokio::select! {
                () = &mut stop => break,
                Some((event, at)) = news.recv() => agenda.plan(event, at),
                Some(Ok((order_id, end))) = working.join_next() => match end {
                    End::Finished => agenda.finished(order_id),
                    End::PutOff(pause) => agenda.put_off(order_id, pause),
                },
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        let rest = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, rest).await.is_err() {
            tracing::info!("orders were left in the middle; they are taken up at the next start");
        }
    }

    fn count_planned(&self, agenda: &Agenda) {
        let counts = &self.shared.counts;
        // Relaxed: each is a number on its own.
        counts.planned.store(agenda.len() as u64, Ordering::Relaxed);
        let stuck = agenda.stuck(STUCK_AFTER) as u64;
        counts.stuck.store(stuck, Ordering::Relaxed);
    }
}

impl Shared {
    async fn work(self: Arc<Self>, event: Arc<StoredEvent>) -> (Uuid, End) {
        let span = observe::trace::handling("fulfil orders", &event);
        let taking = AssertUnwindSafe(self.take_up(&event)).catch_unwind();
        // What panics would panic again: others first.
        let rest = self.options.longest_pause;
        let end = taking.instrument(span).await;
        let end = end.unwrap_or(End::PutOff(rest));
        let count = match end {
            End::Finished => &self.counts.finished,
            End::PutOff(_) => &self.counts.put_off,
        };
        // Relaxed: each is a number on its own.
        count.fetch_add(1, Ordering::Relaxed);
        (event.stream, end)
    }

    /// Goes on where the order stands: its events are the saga's progress, kept where it survives a crash.
    async fn take_up(&self, event: &StoredEvent) -> End {
        // Relaxed: each is a number on its own.
        self.counts.taken_up.fetch_add(1, Ordering::Relaxed);
        let work = Arc::new(Work::new(self, event));
        let status = match work.order().await {
            Ok(order) => order.status,
            Err(hindrance) => return self.put_off(event, hindrance),
        };
        let progress = match status {
            OrderStatus::PaymentRequested => Progress::Making(work::PAYMENT),
            OrderStatus::ShipmentRequested => Progress::Making(work::SHIPMENT),
            OrderStatus::RefundRequested => Progress::Undoing(work::PAYMENT),
            _ => return End::Finished,
        };
        let record = |progress| tracing::debug!(order_id = %event.stream, %progress, "fulfilment");
        match self.saga.run(Arc::clone(&work), progress, record).await {
            Ok(()) => End::Finished,
            Err(error) => match work::hindrance(error) {
                None => End::Finished,
                Some(hindrance) => self.put_off(event, hindrance),
            },
        }
    }

    fn put_off(&self, event: &StoredEvent, hindrance: Hindrance) -> End {
        let order_id = event.stream;
        match hindrance {
            Hindrance::Later(pause) => {
                tracing::info!(%order_id, "nobody knows yet: it is put off");
                End::PutOff(pause)
            }
            Hindrance::Refused(reason) => {
                tracing::error!(%order_id, reason, "what was taken cannot be given back");
                End::PutOff(self.options.longest_pause)
            }
        }
    }
}
