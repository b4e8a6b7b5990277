//! What a store promises to those who append and read.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use orders::store::{NewEvent, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::support::{Stand, Store, numbered, on_both, result, settled};

on_both!(
    events_are_read_as_they_were_appended,
    of_twenty_who_create_one_stream_one_does,
    of_twenty_who_append_at_one_version_one_does,
    an_append_is_whole_or_not_at_all,
    a_key_is_answered_once,
    a_random_history_is_that_of_a_list,
    appends_that_are_cut_off_leave_the_store_whole,
    tables_are_made_once_by_many,
);

async fn events_are_read_as_they_were_appended<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let new: Vec<NewEvent> = (0..5).map(numbered).collect();
    let made = store.append(first, 0, &new[..3], None).await.unwrap();
    store.append(second, 0, &new[3..4], None).await.unwrap();
    let last = store.append(first, 3, &new[4..], None).await.unwrap();
    assert_eq!((made.version, last.version), (3, 4));

    let loaded = store.load(first, 0, u32::MAX).await.unwrap();
    let expected = [&new[0], &new[1], &new[2], &new[4]];
    for (version, (stored, new)) in (1..).zip(loaded.iter().zip(expected)) {
        assert_eq!((stored.stream, stored.version), (first, version));
        assert_eq!(stored.event_id, new.event_id);
        assert_eq!(stored.kind, new.kind);
        assert_eq!(stored.schema_version, new.schema_version);
        assert_eq!(stored.payload, new.payload);
        assert_eq!(stored.metadata, new.metadata);
    }
    assert_eq!(loaded.len(), 4);
    assert_eq!(loaded[2].position, made.position);
    assert_eq!(loaded[3].position, last.position);
    assert_eq!(store.load(first, 2, 1).await.unwrap(), loaded[2..3]);

    let heads = settled(&**store).await;
    assert_eq!((heads.head, heads.safe), (last.position, last.position));
    let all = store.read_all(0, 100).await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.position < b.position), "{all:?}");
    assert_eq!(all.len(), 5);
    assert_eq!(store.read_all(all[1].position, 2).await.unwrap(), all[2..4]);
    store.ping().await.unwrap();
}

async fn of_twenty_who_create_one_stream_one_does<S: Store>(stand: Stand<S>) {
    for _ in 0..5 {
        race(&stand.store, Uuid::now_v7(), 0).await;
    }
}

async fn of_twenty_who_append_at_one_version_one_does<S: Store>(stand: Stand<S>) {
    let stream = Uuid::now_v7();
    for version in (0..10).step_by(2) {
        race(&stand.store, stream, version).await;
    }
}

/// Twenty append two events each at one version.
async fn race<S: Store>(store: &Arc<S>, stream: Uuid, version: u64) {
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let new = [numbered(number), numbered(number)];
                store.append(stream, version, &new, None).await
            })
        })
        .collect();
    let (mut done, mut conflicts) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(appended) => {
                assert_eq!(appended.version, version + 2);
                done += 1;
            }
            Err(StoreError::Conflict { expected }) => {
                assert_eq!(expected, version);
                conflicts += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((done, conflicts), (1, 19));
    let loaded = store.load(stream, version, u32::MAX).await.unwrap();
    assert_eq!(loaded.len(), 2);
    assert_eq!(loaded[0].payload, loaded[1].payload, "one of them alone");
}

async fn an_append_is_whole_or_not_at_all<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    store.append(first, 0, &[numbered(0)], None).await.unwrap();
    let taken = store.load(first, 0, 1).await.unwrap()[0].event_id;
    // The third of five cannot be stored.
    let mut new: Vec<NewEvent> = (0..5).map(numbered).collect();
    new[2].event_id = taken;
    for (stream, version) in [(first, 1), (second, 0)] {
        let failed = store
            .append(stream, version, &new, Some(&result("k")))
            .await;
        assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
        assert_eq!(store.command_result("k").await.unwrap(), None);
        let left = store.load(stream, 0, 10).await.unwrap().len() as u64;
        assert_eq!(left, version);
    }
    // Nor has a version been used up.
    new[2].event_id = Uuid::now_v7();
    assert_eq!(store.append(first, 1, &new, None).await.unwrap().version, 6);
    settled(&**store).await;
    let all = store.read_all(0, 100).await.unwrap();
    assert_eq!(all.len(), 6);
}

async fn a_key_is_answered_once<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                // Another stream each: only the key is the same.
                let stream = Uuid::now_v7();
                store
                    .append(stream, 0, &[numbered(number)], Some(&result("k")))
                    .await
            })
        })
        .collect();
    let mut positions = BTreeSet::new();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(appended) => {
                done += 1;
                positions.insert(appended.position);
            }
            Err(StoreError::Answered(answered)) => {
                positions.insert(answered.position);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((done, positions.len()), (1, 1));
    settled(&**store).await;
    assert_eq!(store.read_all(0, 100).await.unwrap().len(), 1);
    let answered = store.command_result("k").await.unwrap().unwrap();
    let mut expected = result("k");
    expected.position = *positions.first().unwrap();
    assert_eq!(answered, expected);
    // One that lost the stream finds its own answer, too.
    let stream = Uuid::now_v7();
    store.append(stream, 0, &[numbered(1)], None).await.unwrap();
    let lost = store
        .append(stream, 0, &[numbered(2)], Some(&result("k")))
        .await;
    assert!(matches!(lost, Err(StoreError::Answered(_))), "{lost:?}");
}

/// Appends at right and wrong versions, with fresh and used keys, beside a list of what should be there.
async fn a_random_history_is_that_of_a_list<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let mut random = StdRng::seed_from_u64(12);
    let streams: Vec<Uuid> = (0..6).map(|_| Uuid::now_v7()).collect();
    let mut model: Vec<(Uuid, u64, Uuid)> = Vec::new();
    let mut versions: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for step in 0..250 {
        let stream = streams[random.random_range(0..streams.len())];
        let version = versions.get(&stream).copied().unwrap_or_default();
        let expected = (version + random.random_range(0..5)).saturating_sub(2);
        let new: Vec<NewEvent> = (0..random.random_range(1..4)).map(numbered).collect();
        let key = random
            .random_bool(0.3)
            .then(|| random.random_range(0..40).to_string());
        let result = key.as_deref().map(result);
        let outcome = store.append(stream, expected, &new, result.as_ref()).await;
        let is_used = key.as_ref().is_some_and(|key| keys.contains(key));
        match outcome {
            Ok(appended) => {
                assert!(expected == version && !is_used, "step {step}");
                for (version, event) in (version + 1..).zip(&new) {
                    model.push((stream, version, event.event_id));
                }
                assert_eq!(appended.version, version + new.len() as u64);
                versions.insert(stream, appended.version);
                keys.extend(key);
            }
            Err(StoreError::Answered(_)) => assert!(is_used, "step {step}"),
            Err(StoreError::Conflict { .. }) => {
                assert!(expected != version && !is_used, "step {step}");
            }
            Err(error) => panic!("step {step}: {error}"),
        }
    }
    settled(&**store).await;
    let all = store.read_all(0, u32::MAX).await.unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|e| (e.stream, e.version, e.event_id))
        .collect();
    assert_eq!(seen, model);
    assert!(model.len() > 50, "{}", model.len());
    for stream in streams {
        let loaded = store.load(stream, 0, u32::MAX).await.unwrap();
        let expected: Vec<_> = all.iter().filter(|e| e.stream == stream).cloned().collect();
        assert_eq!(loaded, expected);
    }
}

async fn tables_are_made_once_by_many<S: Store>(stand: Stand<S>) {
    let (first, second) = tokio::join!(stand.database.migrate(), stand.database.migrate());
    first.unwrap();
    second.unwrap();
    let again = orders::store::Database::open(&stand.url, 2).unwrap();
    again.migrate().await.unwrap();
    again.close().await;
    assert!(matches!(
        again.migrate().await,
        Err(StoreError::Unavailable(_))
    ));
    let nonsense = orders::store::Database::open("no address", 2);
    assert!(matches!(nonsense, Err(StoreError::Unavailable(_))));
}

/// What comes of so many steps of a future; it is dropped after the last, at once or when it could go on.
async fn within<F: Future>(steps: u32, at_once: bool, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if at_once && left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Whoever waits no longer drops the append, wherever it is then.
async fn appends_that_are_cut_off_leave_the_store_whole<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let mut random = StdRng::seed_from_u64(3);
    let mut cut_off = 0;
    let mut streams = Vec::new();
    // Until some of both kinds have been seen.
    while cut_off < 20 || streams.len() < cut_off + 20 {
        let stream = Uuid::now_v7();
        streams.push(stream);
        // Steps, not time: a fast store would seldom be cut off.
        let (steps, at_once) = (random.random_range(1..=30), random.random());
        let new = [numbered(0), numbered(1), numbered(2)];
        let append = store.append(stream, 0, &new, None);
        match within(steps, at_once, append).await {
            Some(appended) => assert_eq!(appended.unwrap().version, 3),
            None => cut_off += 1,
        }
        assert!(streams.len() < 5_000, "{cut_off} of them were cut off");
    }
    // What was cut off is done or not, and nothing of it stands in the way.
    let mut done = 0;
    for stream in streams {
        loop {
            let version = store.load(stream, 0, 10).await.unwrap().len() as u64;
            assert!(matches!(version, 0 | 3), "{version} events");
            match store.append(stream, version, &[numbered(3)], None).await {
                Ok(appended) => {
                    assert_eq!(appended.version, version + 1);
                    done += u64::from(version == 3);
                    break;
                }
                // It was still being done.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(done >= 20, "{done}");
}
