//! On a file, appends that come at the same time are committed together, and each ends as if it were alone.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::poll;
use orders::store::{Appended, Database, EventStore, SqliteEventStore, StoreError};
use uuid::Uuid;

use crate::support::{Stand, numbered, result, sqlite};

/// Commits in the write-ahead log: frames that say how large the file is after them. The log must not have been begun anew.
fn commits(stand: &Stand<SqliteEventStore>) -> usize {
    let file = stand.url.strip_prefix("sqlite:").unwrap();
    let log = std::fs::read(Path::new(&format!("{file}-wal"))).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let (header, frames) = log.split_at(32);
    let page = number(&header[8..12]) as usize;
    let frames = frames.chunks_exact(24 + page);
    frames.filter(|frame| number(&frame[4..8]) > 0).count()
}

type Appending = Pin<Box<dyn Future<Output = Result<Appended, StoreError>>>>;

#[tokio::test]
async fn many_are_committed_at_once_and_each_ends_by_itself() {
    const FINE: usize = 20;
    let stand = sqlite().await;
    let Database::Sqlite { writer, .. } = &stand.database else {
        panic!("a file was asked for");
    };
    let known = Uuid::now_v7();
    let first = numbered(0);
    let kept = std::slice::from_ref(&first);
    stand.store.append(known, 0, kept, None).await.unwrap();
    let append = |stream, version, count: u64, key: Option<&str>| -> Appending {
        let (store, result) = (Arc::clone(&stand.store), key.map(result));
        let new: Vec<_> = (0..count).map(numbered).collect();
        Box::pin(async move { store.append(stream, version, &new, result.as_ref()).await })
    };
    let before = commits(&stand);
    // Somebody else writes, and all of them come meanwhile.
    let other = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut fine: Vec<_> = (0..FINE)
        .map(|_| append(Uuid::now_v7(), 0, 2, None))
        .collect();
    let mut late = append(known, 5, 1, None);
    let mut early = append(known, 0, 1, None);
    let mut with_key = append(Uuid::now_v7(), 0, 1, Some("k"));
    let mut same_key = append(Uuid::now_v7(), 0, 1, Some("k"));
    let mut late_with_key = append(known, 7, 1, Some("other"));
    let store = Arc::clone(&stand.store);
    let mut broken: Appending = Box::pin(async move {
        // Its event is there already.
        store.append(Uuid::now_v7(), 0, &[first], None).await
    });
    let given_up = Uuid::now_v7();
    let mut dropped = append(given_up, 0, 1, None);
    let mut after = append(known, 1, 3, None);
    for appending in [
        &mut late,
        &mut early,
        &mut with_key,
        &mut same_key,
        &mut late_with_key,
        &mut broken,
        &mut dropped,
        &mut after,
    ]
    .into_iter()
    .chain(&mut fine)
    {
        assert!(poll!(appending).is_pending());
    }
    drop(dropped);
    other.rollback().await.unwrap();
    let mut stored = Vec::new();
    for appending in fine {
        let appended = appending.await.unwrap();
        assert_eq!(appended.version, 2);
        stored.push(appended.position);
    }
    stored.push(after.await.unwrap().position);
    stored.push(with_key.await.unwrap().position);
    for wrong in [late, early, late_with_key] {
        let wrong = wrong.await;
        assert!(
            matches!(wrong, Err(StoreError::Conflict { .. })),
            "{wrong:?}"
        );
    }
    let answered = same_key.await;
    assert!(
        matches!(answered, Err(StoreError::Answered(_))),
        "{answered:?}"
    );
    let broken = broken.await;
    assert!(matches!(broken, Err(StoreError::Corrupt(_))), "{broken:?}");
    assert!(stand.store.load(given_up, 0, 1).await.unwrap().is_empty());
    let other = stand.store.command_result("other").await.unwrap();
    assert_eq!(other, None);
    // Each says where its own last event is.
    let all = stand.store.read_all(0, 1_000).await.unwrap();
    assert_eq!(all.len(), 1 + FINE * 2 + 3 + 1);
    for position in stored {
        let event = all.iter().find(|event| event.position == position).unwrap();
        let later = all
            .iter()
            .find(|other| other.stream == event.stream && other.version > event.version);
        assert_eq!(later, None);
    }
    // One may have been begun with some of them.
    let commits = commits(&stand) - before;
    assert!((1..=2).contains(&commits), "{commits} commits");
}

/// A file that cannot be written fails all that wait, and the next ones are stored again.
#[tokio::test]
async fn what_cannot_be_written_is_stored_for_nobody() {
    let stand = sqlite().await;
    let Database::Sqlite { writer, .. } = &stand.database else {
        panic!("a file was asked for");
    };
    let pragma = async |pragma| sqlx::raw_sql(pragma).execute(writer).await.unwrap();
    pragma("PRAGMA query_only = 1").await;
    let streams: Vec<_> = (0..5).map(|_| Uuid::now_v7()).collect();
    let new = [numbered(0)];
    let appends = streams
        .iter()
        .map(|stream| stand.store.append(*stream, 0, &new, None));
    for outcome in futures_util::future::join_all(appends).await {
        assert!(outcome.is_err(), "{outcome:?}");
    }
    pragma("PRAGMA query_only = 0").await;
    assert!(stand.store.read_all(0, 10).await.unwrap().is_empty());
    for (stream, number) in streams.into_iter().zip(0..) {
        let new = [numbered(number)];
        stand.store.append(stream, 0, &new, None).await.unwrap();
    }
}
