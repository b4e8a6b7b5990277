//! What each algorithm admits, on a real server, alone and by its clock.

use anyhow::Result;
use fuseboard::Nanos;
use fuseboard::Rate;
use fuseboard::redis::{
    Decision, DecisionSource, Engine, FailurePolicy, FixedWindow, LimiterOptions, RateLimiter,
    SlidingCounter, SlidingWindow, TokenBucket,
};
use fuseboard_redis::server::Server;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// One limiter of each algorithm, seen alike.
enum Any {
    Bucket(RateLimiter<TokenBucket>),
    Window(RateLimiter<SlidingWindow>),
    Counter(RateLimiter<SlidingCounter>),
    Fixed(RateLimiter<FixedWindow>),
}

/// The same operation on whichever it is.
macro_rules! on_any {
    ($any:expr, $limiter:ident => $work:expr) => {
        match $any {
            Any::Bucket($limiter) => $work,
            Any::Window($limiter) => $work,
            Any::Counter($limiter) => $work,
            Any::Fixed($limiter) => $work,
        }
    };
}

impl Any {
    async fn check(&self, key: &str, cost: u64) -> Decision {
        on_any!(self, limiter => limiter.check_many(key, cost).await)
    }

    async fn peek(&self, key: &str) -> Decision {
        on_any!(self, limiter => limiter.peek(key).await)
    }

    async fn refund(&self, key: &str, cost: u64) {
        on_any!(self, limiter => limiter.refund(key, cost).await.expect("the server runs"));
    }
}

fn options() -> LimiterOptions {
    LimiterOptions::new(FailurePolicy::Closed)
}

fn each(engine: &Engine, limit: u64, window: Duration) -> Result<[Any; 4]> {
    let rate = Rate::new(limit, Nanos::from(window));
    Ok([
        Any::Bucket(RateLimiter::on(
            engine,
            &TokenBucket::new(rate, limit)?,
            options(),
        )?),
        Any::Window(RateLimiter::on(
            engine,
            &SlidingWindow::new(limit, window)?,
            options(),
        )?),
        Any::Counter(RateLimiter::on(
            engine,
            &SlidingCounter::new(limit, window)?,
            options(),
        )?),
        Any::Fixed(RateLimiter::on(
            engine,
            &FixedWindow::new(limit, window)?,
            options(),
        )?),
    ])
}

/// On a machine where others run, too: nobody here waits for a short deadline.
fn engine(server: &Server) -> Result<Engine> {
    let deadline = Duration::from_secs(5);
    Ok(Engine::with_options(
        &server.url(),
        fuseboard::redis::EngineOptions { deadline },
    )?)
}

/// `cargo xtask test valkey` would show nothing if it ran on another server.
#[test]
fn the_engine_is_the_one_that_was_asked_for() -> Result<()> {
    let engine = std::env::var("FUSEBOARD_ENGINE").unwrap_or_else(|_| "redis".to_owned());
    let info = Server::start()?.query(&["INFO", "server"])?;
    let has = info.contains(&format!("{engine}_version:"));
    assert!(has, "no {engine}: {info}");
    Ok(())
}

#[tokio::test]
async fn l2_a_limit_is_admitted_and_no_more_and_what_remains_is_told() -> Result<()> {
    let server = Server::start()?;
    for limiter in &each(&engine(&server)?, 5, HOUR)? {
        for left in (0..5).rev() {
            let decision = limiter.check("alice", 1).await;
            assert!(decision.is_allowed);
            assert_eq!((decision.limit, decision.remaining), (5, Some(left)));
            assert_eq!(
                (decision.source, decision.may_have_taken),
                (DecisionSource::Engine, false)
            );
        }
        let denied = limiter.check("alice", 1).await;
        assert!(!denied.is_allowed);
        assert_eq!(
            (denied.remaining, denied.source),
            (Some(0), DecisionSource::Engine)
        );
        let wait = denied.retry_after.expect("there will be room");
        assert!(wait > Duration::ZERO && wait <= 2 * HOUR, "{wait:?}");
        let again = limiter.check("alice", 1).await;
        assert!(!again.is_allowed);
        assert_eq!(again.source, DecisionSource::DenyCache);
        assert!(again.retry_after <= denied.retry_after);
        assert!(
            limiter.check("bob", 5).await.is_allowed,
            "each key for itself"
        );
    }
    Ok(())
}

#[tokio::test]
async fn l10_what_is_denied_costs_nothing() -> Result<()> {
    let server = Server::start()?;
    for limiter in &each(&engine(&server)?, 5, HOUR)? {
        assert!(limiter.check("alice", 4).await.is_allowed);
        for _ in 0..20 {
            assert!(!limiter.check("alice", 5).await.is_allowed);
        }
        assert_eq!(limiter.peek("alice").await.remaining, Some(1));
        assert!(
            limiter.check("alice", 1).await.is_allowed,
            "a smaller one is asked for"
        );
        let never = limiter.check("alice", 6).await;
        assert_eq!((never.is_allowed, never.retry_after), (false, None));
    }
    Ok(())
}

#[tokio::test]
async fn l4_a_refund_is_there_again_and_never_more_than_the_limit() -> Result<()> {
    let server = Server::start()?;
    for limiter in &each(&engine(&server)?, 5, HOUR)? {
        assert!(limiter.check("alice", 5).await.is_allowed);
        assert!(!limiter.check("alice", 1).await.is_allowed);
        limiter.refund("alice", 2).await;
        assert_eq!(limiter.peek("alice").await.remaining, Some(2));
        assert!(
            limiter.check("alice", 2).await.is_allowed,
            "a refund ends a denial"
        );
        limiter.refund("alice", 5).await;
        limiter.refund("alice", 5).await;
        assert_eq!(limiter.peek("alice").await.remaining, Some(5));
    }
    Ok(())
}

#[tokio::test]
async fn r2_every_key_expires() -> Result<()> {
    let server = Server::start()?;
    for window in [Duration::from_millis(500), Duration::from_secs(30), HOUR] {
        for limiter in &each(&engine(&server)?, 3, window)? {
            for cost in [1, 2, 3, 1] {
                let _ = limiter.check(&format!("{window:?}"), cost).await;
                let _ = limiter.peek("never seen").await;
                for (key, left) in server.keys()? {
                    // -2: it went while we asked.
                    let most = 2 * i64::try_from(HOUR.as_millis())?;
                    assert!(
                        left == -2 || left > 0 && left <= most,
                        "{key} has {left} ms left"
                    );
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn l8_who_comes_back_when_told_is_admitted() -> Result<()> {
    let server = Server::start()?;
    for (index, limiter) in each(&engine(&server)?, 4, Duration::from_millis(400))?
        .iter()
        .enumerate()
    {
        for round in 0..3 {
            while limiter.check("alice", 1).await.is_allowed {}
            let denied = limiter.check("alice", 1).await;
            if let Some(wait) = denied.retry_after {
                // The server's clock decides, so there is no other one to turn.
                tokio::time::sleep(wait + Duration::from_millis(1)).await;
            }
            let decision = limiter.check("alice", 1).await;
            assert!(
                decision.is_allowed,
                "algorithm {index}, round {round}: {denied:?}, {decision:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn l12_a_changed_limit_holds_at_once_and_refills_nothing() -> Result<()> {
    let server = Server::start()?;
    let engine = engine(&server)?;
    for (wide, narrow) in each(&engine, 10, HOUR)?
        .iter()
        .zip(&each(&engine, 4, HOUR)?)
    {
        assert!(wide.check("alice", 3).await.is_allowed);
        let left = narrow.peek("alice").await.remaining;
        assert!(left <= Some(3), "{left:?} of 4 after 3 of 10");
        assert!(wide.check("alice", 7).await.is_allowed);
        assert!(!narrow.check("alice", 1).await.is_allowed);
    }
    Ok(())
}

#[tokio::test]
async fn t3_a_server_whose_clock_went_back_locks_nobody_out_for_long() -> Result<()> {
    let server = Server::start()?;
    let [bucket, window, counter, fixed] = each(&engine(&server)?, 10, Duration::from_secs(2))?;
    let time = server.query(&["EVAL", "local t = redis.call('TIME') return t[1]", "0"])?;
    let ahead = time.parse::<u64>()? + 30;
    // State of a server whose clock was 30 s ahead, in each one's words.
    let tat = (ahead - 1_750_000_000) * 8_000_000;
    server.query(&[
        "SET",
        "fuseboard:{alice}:bucket:1",
        &tat.to_string(),
        "PX",
        "60000",
    ])?;
    let score = (ahead * 1_000_000).to_string();
    server.query(&["ZADD", "fuseboard:{alice}:log:1", &score, &score])?;
    let number = (ahead / 2).to_string();
    server.query(&[
        "HSET",
        "fuseboard:{alice}:counter:1",
        "w",
        &number,
        "c",
        "10",
        "p",
        "0",
    ])?;

    // An expiry is a moment of the server's clock: 30 s more are left of it.
    server.query(&["SET", "fuseboard:{alice}:window:1", "10", "PX", "31000"])?;
    let denied = fixed.check("alice", 1).await;
    assert!(
        !denied.is_allowed && denied.retry_after <= Some(Duration::from_secs(2)),
        "what was counted still is, for a window at most: {denied:?}"
    );

    let denied = bucket.check("alice", 1).await;
    assert!(
        !denied.is_allowed,
        "the bucket is empty, and fills at its rate"
    );
    let wait = denied.retry_after.expect("it fills");
    assert!(wait <= Duration::from_millis(200), "{denied:?}");
    tokio::time::sleep(wait + Duration::from_millis(1)).await;
    assert!(bucket.check("alice", 1).await.is_allowed);
    assert!(window.check("alice", 1).await.is_allowed);
    let denied = counter.check("alice", 1).await;
    assert!(!denied.is_allowed, "what was counted still is");
    let held = server.query(&["HGET", "fuseboard:{alice}:counter:1", "w"])?;
    assert!(
        held.parse::<u64>()? < ahead / 2,
        "and counts in a window of now"
    );
    assert!(
        denied.retry_after <= Some(Duration::from_secs(4)),
        "{denied:?}"
    );
    Ok(())
}

#[tokio::test]
async fn l1_requests_of_one_moment_are_each_counted() -> Result<()> {
    let server = Server::start()?;
    for limiter in &each(&engine(&server)?, 100, HOUR)? {
        let mut admitted = 0;
        // In batches, as they coalesce.
        for _ in 0..20 {
            let all: Vec<_> = (0..50).map(|_| limiter.check("alice", 1)).collect();
            for decision in futures_of(all).await {
                admitted += u64::from(decision.is_allowed);
            }
        }
        assert_eq!(admitted, 100);
        assert_eq!(limiter.peek("alice").await.remaining, Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn l1_units_of_one_moment_are_each_in_the_window() -> Result<()> {
    let server = Server::start()?;
    let limiter = RateLimiter::on(
        &engine(&server)?,
        &SlidingWindow::new(10_000, HOUR)?,
        options(),
    )?;
    // Each takes as many microseconds as it has units, and the next comes sooner.
    for left in [6_000, 2_000] {
        let decision = limiter.check_many("alice", 4_000).await;
        assert_eq!(
            (decision.is_allowed, decision.remaining),
            (true, Some(left))
        );
    }
    assert!(!limiter.check_many("alice", 4_000).await.is_allowed);
    Ok(())
}

#[tokio::test]
async fn l1_units_after_one_of_a_clock_ahead_are_each_in_the_window_and_keep_it() -> Result<()> {
    let server = Server::start()?;
    let window = SlidingWindow::new(5, HOUR)?;
    let limiter = RateLimiter::on(&engine(&server)?, &window, options())?;
    let key = "fuseboard:{alice}:log:1";
    // A minute ahead, as before the server's clock went back.
    let ahead = "local t = redis.call('TIME') return string.format('%.0f', (t[1] + 60) * 1000000)";
    let ahead = server.query(&["EVAL", ahead, "0"])?;
    server.query(&["ZADD", key, &ahead, &ahead])?;
    for left in (2..4).rev() {
        assert_eq!(limiter.check("alice").await.remaining, Some(left));
        assert_eq!(limiter.peek("alice").await.remaining, Some(left));
    }
    // It counts until a window after its own moment, and so long its key must live.
    let left: u64 = server.query(&["PTTL", key])?.parse()?;
    let hour = u64::try_from(HOUR.as_millis())?;
    assert!(left > hour + 30_000, "{left} ms");
    Ok(())
}

#[tokio::test]
async fn l1_the_counter_weighs_the_window_before() -> Result<()> {
    let server = Server::start()?;
    let limit = 1_000_000;
    let limiter = RateLimiter::on(
        &engine(&server)?,
        &SlidingCounter::new(limit, HOUR)?,
        options(),
    )?;
    let micros = || -> Result<u64> {
        let time = "local t = redis.call('TIME') return t[1] .. string.format('%06d', t[2])";
        Ok(server.query(&["EVAL", time, "0"])?.parse()?)
    };
    let window = u64::try_from(HOUR.as_micros())?;
    let key = "fuseboard:{alice}:counter:1";
    let before = micros()?;
    let number = (before / window - 1).to_string();
    let full = limit.to_string();
    server.query(&["HSET", key, "w", &number, "c", &full, "p", "0"])?;
    let left = limiter.peek("alice").await.remaining.expect("it answers");
    let after = micros()?;
    // As much of it is over as the window is old; at the turn of an hour all of it.
    let share = |at: u64| at % window * limit / window;
    assert!(
        share(before) <= left && left <= share(after) || share(after) < share(before),
        "{left} left at {before} to {after}"
    );
    Ok(())
}

/// Polls them all from one task until each is done.
async fn futures_of<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, result) in &mut futures {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, result)| result)
        .collect()
}
