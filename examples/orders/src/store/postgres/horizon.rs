//! The last position that nothing can come before any more.
//!
//! Positions are given out when an append begins and seen when it commits, so a later one may be seen first; who remembers only the
//! last position would lose the earlier. Here: every append has its transaction id before its first position. So whoever owns a
//! position up to `last` has an id below one that is given out afterwards; when all transactions below that one have ended, all positions up to
//! `last` are either seen or will never be.

use sqlx::PgPool;
use tokio::sync::Mutex;

/// How far this process knows positions to be final. It begins at 0 and finds its place with the first reader.
#[derive(Debug, Default)]
pub struct Horizon {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    safe: u64,
    waiting: Option<Waiting>,
}

/// Positions up to `last` are final when no transaction below `bound` is under way.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    last: u64,
    bound: i64,
}

impl Horizon {
    /// Moves on as far as it can be without waiting for anybody, and says how far that is. What is read up to there must be read by a
    /// later statement.
    pub async fn advance(&self, pool: &PgPool) -> Result<u64, sqlx::Error> {
        let mut state = self.state.lock().await;
        if let Some(waiting) = state.waiting {
            if !has_ended(pool, waiting.bound).await? {
                return Ok(state.safe);
            }
            state.safe = waiting.last;
            state.waiting = None;
        }
        let last = last_position(pool).await?;
        if last > state.safe {
            // A statement of its own, after the position was read: the order is what the proof needs.
            let bound: i64 = sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
                .fetch_one(pool)
                .await?;
            if has_ended(pool, bound).await? {
                state.safe = last;
            } else {
                state.waiting = Some(Waiting { last, bound });
            }
        }
        Ok(state.safe)
    }
}

async fn has_ended(pool: &PgPool, bound: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1")
        .bind(bound)
        .fetch_one(pool)
        .await
}

/// The last position given out, whether it is seen or not: a sequence knows no transactions.
pub async fn last_position(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let last: i64 = sqlx::query_scalar(
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_position_seq",
    )
    .fetch_one(pool)
    .await?;
    // A sequence begins at 1 and only grows.
    Ok(last.cast_unsigned())
}
