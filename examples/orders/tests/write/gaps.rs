//! Nothing that was committed is ever missed by a reader that remembers only a position.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orders::store::{Database, EventStore};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{numbered, postgres, settled};

/// Some writers commit late, or not at all. The naive reader beside the store's own shows that there is something to miss.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_misses_nothing_while_eight_write_and_some_take_it_back() {
    let is_deep = std::env::var_os("FUSEBOARD_DEEP").is_some();
    let length = Duration::from_secs(if is_deep { 30 } else { 4 });
    let stand = postgres().await;
    let Database::Postgres(pool) = stand.database.clone() else {
        panic!("a server was asked for");
    };
    let end = Instant::now() + length;
    let streams: Arc<[Uuid]> = (0..40).map(|_| Uuid::now_v7()).collect();
    let writers: Vec<_> = (0..8)
        .map(|seed| {
            let (store, pool) = (Arc::clone(&stand.store), pool.clone());
            let (streams, random) = (Arc::clone(&streams), StdRng::seed_from_u64(seed));
            tokio::spawn(async move { write(&*store, &pool, &streams, random, end).await })
        })
        .collect();
    // Until a while after the last writer.
    let until = end + Duration::from_millis(300);
    let naive = tokio::spawn(naively(pool.clone(), until));
    let mut seen: Vec<(u64, Uuid, u64)> = Vec::new();
    let mut lag = 0;
    while Instant::now() < until {
        let after = seen.last().map_or(0, |(position, ..)| *position);
        let events = stand.store.read_all(after, 50).await.unwrap();
        seen.extend(events.iter().map(|e| (e.position, e.stream, e.version)));
        let heads = stand.store.heads().await.unwrap();
        assert!(heads.safe <= heads.head);
        lag = lag.max(heads.head - heads.safe);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut taken_back = 0;
    for writer in writers {
        taken_back += writer.await.unwrap();
    }
    settled(&*stand.store).await;
    loop {
        let after = seen.last().map_or(0, |(position, ..)| *position);
        let events = stand.store.read_all(after, 1_000).await.unwrap();
        if events.is_empty() {
            break;
        }
        seen.extend(events.iter().map(|e| (e.position, e.stream, e.version)));
    }
    let committed: Vec<(i64, Uuid, i64)> =
        sqlx::query_as("SELECT position, stream, version FROM events ORDER BY position")
            .fetch_all(&pool)
            .await
            .unwrap();
    let committed: Vec<_> = committed
        .into_iter()
        .map(|(position, stream, version)| {
            (position.cast_unsigned(), stream, version.cast_unsigned())
        })
        .collect();
    assert_eq!(seen.len(), committed.len());
    assert_eq!(seen, committed, "each once, in order of position");
    let mut versions: BTreeMap<Uuid, u64> = BTreeMap::new();
    for (position, stream, version) in &seen {
        let last = versions.insert(*stream, *version).unwrap_or_default();
        assert_eq!(*version, last + 1, "of {stream} at {position}");
    }
    let naive = naive.await.unwrap();
    let missed = committed
        .iter()
        .filter(|(position, ..)| !naive.contains(position))
        .count();
    println!(
        "{} events, {taken_back} appends taken back, naive reader missed {missed}, horizon at most {lag} behind",
        committed.len()
    );
    assert!(missed > 0, "nothing here could have been missed");
    assert!(taken_back > 0 && lag > 0);
}

/// Appends of the store's own, and transactions as it makes them that stay open for a while. How many were taken back.
async fn write(
    store: &impl EventStore,
    pool: &PgPool,
    streams: &[Uuid],
    mut random: StdRng,
    end: Instant,
) -> u32 {
    let mut taken_back = 0;
    while Instant::now() < end {
        let stream = streams[random.random_range(0..streams.len())];
        let version: Option<i64> =
            sqlx::query_scalar("SELECT version FROM streams WHERE stream = $1")
                .bind(stream)
                .fetch_optional(pool)
                .await
                .unwrap();
        let version = version.unwrap_or_default();
        let count = random.random_range(1..4);
        if version == 0 || random.random_bool(0.4) {
            let new: Vec<_> = (0..count).map(numbered).collect();
            // A conflict is as good as a rollback.
            let _ = store
                .append(stream, version.cast_unsigned(), &new, None)
                .await;
            continue;
        }
        let mut transaction = pool.begin().await.unwrap();
        let moved =
            sqlx::query("UPDATE streams SET version = $3 WHERE stream = $1 AND version = $2")
                .bind(stream)
                .bind(version)
                .bind(version + count.cast_signed())
                .execute(&mut *transaction)
                .await
                .unwrap();
        if moved.rows_affected() == 0 {
            continue;
        }
        for number in 1..=count.cast_signed() {
            let new = numbered(0);
            sqlx::query(
                "INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata)
                 VALUES ($1, $2, $3, $4, 2, $5, $6)",
            )
            .bind(stream)
            .bind(version + number)
            .bind(new.event_id)
            .bind(new.kind)
            .bind(new.payload)
            .bind(sqlx::types::Json(new.metadata))
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..15))).await;
        if random.random_bool(0.1) {
            transaction.rollback().await.unwrap();
            taken_back += 1;
        } else {
            transaction.commit().await.unwrap();
        }
    }
    taken_back
}

/// What everybody writes first: everything after the last position that was seen.
async fn naively(pool: PgPool, until: Instant) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    while Instant::now() < until {
        let after = seen.last().copied().unwrap_or(0_u64);
        let events: Vec<i64> =
            sqlx::query_scalar("SELECT position FROM events WHERE position > $1 ORDER BY position")
                .bind(after.cast_signed())
                .fetch_all(&pool)
                .await
                .unwrap();
        seen.extend(events.into_iter().map(i64::cast_unsigned));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen
}

/// All of it is final when nothing is under way, also past positions that were given out and given up.
#[tokio::test]
async fn a_gap_at_the_end_does_not_hold_the_horizon() {
    let stand = postgres().await;
    let heads = stand.store.heads().await.unwrap();
    assert_eq!((heads.head, heads.safe), (0, 0));
    let new = [numbered(0), numbered(1)];
    stand
        .store
        .append(Uuid::now_v7(), 0, &new, None)
        .await
        .unwrap();
    // The events' ids are taken.
    let second = stand.store.append(Uuid::now_v7(), 0, &new, None).await;
    assert!(second.is_err());
    assert!(settled(&*stand.store).await.head > 2);
    assert_eq!(stand.store.read_all(0, 10).await.unwrap().len(), 2);
    assert!(stand.store.read_all(2, 10).await.unwrap().is_empty());
}
