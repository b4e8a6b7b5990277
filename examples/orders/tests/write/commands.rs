//! Commands on both stores: many at once, again and again, and on a store that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use orders::command::{CommandError, CommandKey, CommandService};
use orders::order::{OrderCommand, OrderStatus, Rejected};
use orders::store::{
    Appended, CommandResult, EventStore, GuardedStore, Heads, NewEvent, Snapshot, SnapshotStore,
    StoreError, StoreGuard, StoredEvent,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Stand, Store, context, create, on_both, settled, sqlite};

on_both!(
    twenty_create_one_order,
    twenty_pay_one_order,
    twenty_send_one_request,
    a_key_is_for_one_request,
    what_is_recorded_says_who_and_why,
);

const USER: Uuid = Uuid::from_u128(2);

fn key(key: &str, body: &str) -> CommandKey {
    CommandKey::new("ann", key, "POST", "/orders", body.as_bytes()).unwrap()
}

async fn twenty_create_one_order<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let order_id = Uuid::now_v7();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let command = create(order_id, USER);
                service.execute(order_id, &command, &context(), None).await
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(executed) => {
                made += 1;
                assert_eq!(executed.order.version, 1);
            }
            Err(CommandError::Rejected(Rejected::Exists)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(stand.store.load(order_id, 0, 100).await.unwrap().len(), 1);
    let numbers = service.snapshot();
    assert_eq!((numbers.executed, numbers.rejected), (1, 19));
}

async fn twenty_pay_one_order<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let order_id = Uuid::now_v7();
    let command = create(order_id, USER);
    service
        .execute(order_id, &command, &context(), None)
        .await
        .unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let payment_id = Uuid::now_v7();
                let pay = OrderCommand::PayOrder { payment_id };
                let outcome = service.execute(order_id, &pay, &context(), None).await;
                (payment_id, outcome)
            })
        })
        .collect();
    let mut paid = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (payment_id, Ok(_)) => paid.push(payment_id),
            (_, Err(CommandError::Rejected(Rejected::WrongStatus { status, .. }))) => {
                assert_eq!(status, OrderStatus::PaymentRequested);
            }
            (_, Err(error)) => panic!("{error}"),
        }
    }
    let order = service.load(order_id).await.unwrap().unwrap();
    assert_eq!(order.version, 2);
    assert_eq!(paid, [order.payment.unwrap().payment_id]);
}

/// A client, its proxy and its retries send one request twenty times at once. It did not name the order, so each would make another one.
async fn twenty_send_one_request<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let order_id = Uuid::now_v7();
                let command = create(order_id, USER);
                let key = key("k", "one body");
                service
                    .execute(order_id, &command, &context(), Some(&key))
                    .await
            })
        })
        .collect();
    let mut made = 0;
    let mut orders = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(executed) => {
                made += 1;
                orders.push((
                    serde_json::to_value(&executed.order).unwrap(),
                    executed.position,
                ));
            }
            Err(CommandError::Answered(answered)) => {
                assert_eq!(answered.status, 201);
                orders.push((answered.body, Some(answered.position)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((made, orders.len()), (1, 20));
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
    settled(&*stand.store).await;
    assert_eq!(stand.store.read_all(0, 100).await.unwrap().len(), 1);
    assert_eq!(service.snapshot().replayed, 19);
}

async fn a_key_is_for_one_request<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let execute = async |body: &str, command: OrderCommand, order_id| {
        let key = key("k", body);
        service
            .execute(order_id, &command, &context(), Some(&key))
            .await
    };
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    // What is impossible leaves no answer behind.
    let early = execute("a", OrderCommand::DeliverOrder, first).await;
    assert!(matches!(
        early,
        Err(CommandError::Rejected(Rejected::NotFound))
    ));
    execute("a", create(first, USER), first).await.unwrap();
    let other = execute("b", create(second, USER), second).await;
    assert!(matches!(other, Err(CommandError::KeyReused)), "{other:?}");
    assert_eq!(service.load(second).await.unwrap(), None);
    // The order has gone on; the answer is still that one.
    let pay = OrderCommand::PayOrder {
        payment_id: Uuid::now_v7(),
    };
    service
        .execute(first, &pay, &context(), None)
        .await
        .unwrap();
    let again = execute("a", create(first, USER), first).await;
    let Err(CommandError::Answered(answered)) = again else {
        panic!("{again:?}");
    };
    assert_eq!(answered.body["status"], "pending");
    // Another one's key is another key.
    let theirs = CommandKey::new("bob", "k", "POST", "/orders", b"b").unwrap();
    let command = create(second, USER);
    let done = service
        .execute(second, &command, &context(), Some(&theirs))
        .await;
    assert!(done.is_ok(), "{done:?}");
}

async fn what_is_recorded_says_who_and_why<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let order_id = Uuid::now_v7();
    let mut context = context();
    context.traceparent =
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let executed = service
        .execute(order_id, &create(order_id, USER), &context, None)
        .await
        .unwrap();
    let stored = stand.store.load(order_id, 0, 10).await.unwrap().remove(0);
    assert_eq!(Some(stored.event_id), executed.event_id);
    assert_eq!(Some(stored.position), executed.position);
    assert_eq!(stored.metadata.correlation_id, context.correlation_id);
    assert_eq!(stored.metadata.causation_id, context.causation_id);
    assert_eq!(stored.metadata.actor, "ann");
    assert_eq!(stored.metadata.traceparent, context.traceparent);
    // Somebody else's order is not to be touched.
    let cancel = OrderCommand::CancelOrder {
        reason: "mine".to_owned(),
        refund_id: Uuid::now_v7(),
    };
    let owner = Some(Uuid::from_u128(3));
    let foreign = service
        .execute_for(owner, order_id, &cancel, &context, None)
        .await;
    assert!(
        matches!(foreign, Err(CommandError::NotOwner)),
        "{foreign:?}"
    );
    let own = service
        .execute_for(Some(USER), order_id, &cancel, &context, None)
        .await;
    assert_eq!(own.unwrap().order.status, OrderStatus::Cancelled);
}

/// A store whose next appends fail, in one way or another.
struct Failing<S> {
    store: Arc<S>,
    conflicts: AtomicU32,
    unavailable: AtomicU32,
    calls: AtomicU32,
}

impl<S> Failing<S> {
    fn new(store: &Arc<S>, conflicts: u32, unavailable: u32) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            conflicts: AtomicU32::new(conflicts),
            unavailable: AtomicU32::new(unavailable),
            calls: AtomicU32::new(0),
        })
    }

    fn calls(&self) -> u32 {
        // Relaxed, here and below: a number on its own.
        self.calls.load(Ordering::Relaxed)
    }

    fn answer(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if turn(&self.unavailable) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        Ok(())
    }
}

/// Whether this is one of those that are to fail.
fn turn(left: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

#[async_trait]
impl<S: EventStore> EventStore for Failing<S> {
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        self.answer()?;
        if turn(&self.conflicts) {
            return Err(StoreError::Conflict {
                expected: expected_version,
            });
        }
        self.store
            .append(stream, expected_version, events, result)
            .await
    }

    async fn load(
        &self,
        stream: Uuid,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.answer()?;
        self.store.load(stream, after_version, limit).await
    }

    async fn read_all(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.answer()?;
        self.store.read_all(after, limit).await
    }

    async fn unfinished(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.answer()?;
        self.store.unfinished(after, limit).await
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        self.answer()?;
        self.store.heads().await
    }

    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError> {
        self.answer()?;
        self.store.command_result(key).await
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.answer()?;
        self.store.forget_command_results(before, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answer()
    }
}

#[async_trait]
impl<S: EventStore + SnapshotStore> SnapshotStore for Failing<S> {
    async fn save(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.store.save(snapshot).await
    }

    async fn find(&self, stream: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.store.find(stream).await
    }

    async fn forget(&self, stream: Uuid) -> Result<(), StoreError> {
        self.store.forget(stream).await
    }
}

#[tokio::test]
async fn a_conflict_is_tried_again_a_few_times() {
    let stand = sqlite().await;
    for (conflicts, is_done) in [(0, true), (5, true), (6, false)] {
        let service = CommandService::new(Failing::new(&stand.store, conflicts, 0));
        let order_id = Uuid::now_v7();
        let outcome = service
            .execute(order_id, &create(order_id, USER), &context(), None)
            .await;
        match outcome {
            Ok(_) => assert!(is_done),
            Err(CommandError::Store(StoreError::Conflict { .. })) => assert!(!is_done),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(service.snapshot().conflicts, u64::from(conflicts));
    }
}

/// Many who always come too late do not multiply the load: after the first, their retries come out of one budget.
#[tokio::test]
async fn the_retries_of_all_are_bounded() {
    let stand = sqlite().await;
    let service = CommandService::new(Failing::new(&stand.store, u32::MAX, 0));
    let tasks: Vec<_> = (0..300)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let order_id = Uuid::now_v7();
                let command = create(order_id, USER);
                service.execute(order_id, &command, &context(), None).await
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_err());
    }
    // Without a budget: 1,800. A fifth of the calls and ten a second for ten seconds are 160 retries.
    let attempts = service.snapshot().conflicts;
    assert!((301..=600).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn a_guarded_store_repeats_reads_and_never_appends() {
    let stand = sqlite().await;
    let order_id = Uuid::now_v7();
    let failing = Failing::new(&stand.store, 0, 2);
    let guarded = GuardedStore::new(Arc::clone(&failing), StoreGuard::default()).unwrap();
    assert!(guarded.load(order_id, 0, 10).await.unwrap().is_empty());
    assert_eq!(failing.calls(), 3);

    let failing = Failing::new(&stand.store, 0, 1);
    let guarded = GuardedStore::new(Arc::clone(&failing), StoreGuard::default()).unwrap();
    let new = [crate::support::numbered(0)];
    let outcome = guarded.append(order_id, 0, &new, None).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    assert_eq!(failing.calls(), 1);
    guarded.append(order_id, 0, &new, None).await.unwrap();
    let conflict = guarded.append(order_id, 0, &new, None).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })));
    let numbers = guarded.snapshot();
    assert_eq!((numbers.appends, numbers.events), (1, 1));
    assert_eq!((numbers.conflicts, numbers.unavailable), (1, 1));
}

/// A store that is away is left alone, and those who ask are told when to come back; conflicts say nothing against it.
#[tokio::test]
async fn a_store_that_fails_is_left_alone() {
    let stand = sqlite().await;
    let order_id = Uuid::now_v7();
    let new = [crate::support::numbered(0)];
    let failing = Failing::new(&stand.store, 100, 100);
    let guard = StoreGuard {
        open_timeout: Duration::from_secs(3600),
        ..StoreGuard::default()
    };
    let guarded = GuardedStore::new(Arc::clone(&failing), guard).unwrap();
    let mut rejected = None;
    for _ in 0..100 {
        if let Err(StoreError::Rejected { retry_after }) =
            guarded.append(order_id, 0, &new, None).await
        {
            rejected = Some(retry_after);
        }
    }
    assert_eq!(
        failing.calls(),
        10,
        "the fewest calls that its breaker judges"
    );
    assert!(rejected.unwrap() > Duration::from_secs(60));
    assert_eq!(guarded.snapshot().rejected, 90);
    // Whether it is there is still asked.
    assert!(guarded.ping().await.is_err());
    assert_eq!(failing.calls(), 11);

    let failing = Failing::new(&stand.store, 100, 0);
    let guarded = GuardedStore::new(Arc::clone(&failing), guard).unwrap();
    for _ in 0..100 {
        let conflict = guarded.append(order_id, 0, &new, None).await;
        assert!(matches!(conflict, Err(StoreError::Conflict { .. })));
    }
}

#[tokio::test]
async fn a_guard_that_cannot_be_is_refused() {
    let stand = sqlite().await;
    let guard = StoreGuard {
        concurrency: 0,
        ..StoreGuard::default()
    };
    let refused = GuardedStore::new(stand.store.clone(), guard).err();
    assert!(refused.unwrap().to_string().contains("concurrency"));
}
