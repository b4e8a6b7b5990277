//! Coalescing, leases, cancellation, and places among hosts.

use anyhow::Result;
use fuseboard::redis::{
    ConcurrencyLimit, DecisionSource, Engine, EngineOptions, FailurePolicy, Lease, LimiterOptions,
    RateLimiter, SetUpError, TokenBucket,
};
use fuseboard::{Nanos, Rate};
use fuseboard_redis::server::Server;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

fn engine(server: &Server) -> Result<Engine> {
    let deadline = Duration::from_secs(5);
    Ok(Engine::with_options(
        &server.url(),
        EngineOptions { deadline },
    )?)
}

fn bucket(
    engine: &Engine,
    burst: u64,
    options: LimiterOptions,
) -> Result<RateLimiter<TokenBucket>> {
    Ok(RateLimiter::on(
        engine,
        &TokenBucket::new(Rate::per_hour(1), burst)?,
        options,
    )?)
}

fn trips(server: &Server) -> Result<u64> {
    let stats = server.query(&["INFO", "commandstats"])?;
    let line = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
    Ok(calls.unwrap_or("0").parse()?)
}

#[tokio::test]
async fn requests_that_wait_together_travel_together_and_are_decided_one_by_one() -> Result<()> {
    let server = Server::start()?;
    let limiter = bucket(
        &engine(&server)?,
        1_000,
        LimiterOptions::new(FailurePolicy::Closed),
    )?;
    let _ = limiter.peek("warm").await;
    let before = trips(&server)?;
    let tasks: Vec<_> = (0..2_000)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.check("hot").await })
        })
        .collect();
    let (mut admitted, mut lowest) = (0, u64::MAX);
    for task in tasks {
        let decision = task.await?;
        admitted += u32::from(decision.is_allowed);
        lowest = lowest.min(decision.remaining.expect("the engine knows"));
    }
    assert_eq!((admitted, lowest), (1_000, 0));
    let trips = trips(&server)? - before;
    assert!(trips <= 100, "{trips} trips for 2,000 requests");
    Ok(())
}

#[tokio::test]
async fn requests_of_several_costs_are_all_or_nothing() -> Result<()> {
    let server = Server::start()?;
    let limiter = bucket(
        &engine(&server)?,
        500,
        LimiterOptions::new(FailurePolicy::Closed),
    )?;
    let tasks: Vec<_> = (0..400_u64)
        .map(|task| {
            let limiter = limiter.clone();
            let cost = 1 + task % 5;
            tokio::spawn(async move { (cost, limiter.check_many("hot", cost).await.is_allowed) })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        let (cost, is_allowed) = task.await?;
        taken += if is_allowed { cost } else { 0 };
    }
    assert!(taken <= 500);
    assert_eq!(limiter.peek("hot").await.remaining, Some(500 - taken));
    Ok(())
}

#[tokio::test]
async fn who_goes_away_before_the_answer_has_cost_nothing_in_the_end() -> Result<()> {
    let server = Server::start()?;
    let limiter = bucket(
        &engine(&server)?,
        100,
        LimiterOptions::new(FailurePolicy::Closed),
    )?;
    for round in 0..50 {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move { limiter.check("hot").await })
            })
            .collect();
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.abort();
            if let Ok(decision) = task.await {
                assert!(decision.is_allowed, "round {round}: {decision:?}");
                limiter.refund("hot", 1).await?;
            }
        }
    }
    // What was given back arrives in its own time.
    let begin = std::time::Instant::now();
    while limiter.peek("hot").await.remaining != Some(100) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}",
            limiter.peek("hot").await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn no_more_than_two_trips_for_a_key_are_on_the_way() -> Result<()> {
    let server = Server::start()?;
    let options = LimiterOptions::new(FailurePolicy::Closed);
    let limiter = bucket(&engine(&server)?, 1_000, options)?;
    // Both connections are there, and the engine knows the script.
    for _ in 0..2 {
        let _ = limiter.peek("warm").await;
    }
    let before = trips(&server)?;
    server.pause()?;
    let mut tasks = Vec::new();
    for _ in 0..12 {
        let limiter = limiter.clone();
        tasks.push(tokio::spawn(async move { limiter.check("hot").await }));
        // One that may set out has.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    server.resume()?;
    for task in tasks {
        assert!(task.await?.is_allowed);
    }
    let trips = trips(&server)? - before;
    assert_eq!(trips, 3, "one, one more, and the other ten together");
    Ok(())
}

#[tokio::test]
async fn those_who_come_at_once_travel_in_two_halves_if_they_fill_two_trips() -> Result<()> {
    let server = Server::start()?;
    let options = LimiterOptions::new(FailurePolicy::Closed);
    let limiter = bucket(&engine(&server)?, 1_000, options)?;
    for _ in 0..2 {
        let _ = limiter.peek("warm").await;
    }
    for (requests, halves) in [(32, 1), (64, 2)] {
        let before = trips(&server)?;
        let tasks: Vec<_> = (0..requests)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move { limiter.check("hot").await })
            })
            .collect();
        for task in tasks {
            assert!(task.await?.is_allowed);
        }
        let trips = trips(&server)? - before;
        assert_eq!(trips, halves, "trips for {requests} requests");
    }
    Ok(())
}

/// How often it was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Relaxed: read by the same thread.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn p6_who_goes_away_after_the_answer_and_before_hearing_of_it_has_cost_nothing() -> Result<()>
{
    let server = Server::start()?;
    for lease in [None, Some(Lease::up_to(10))] {
        let mut options = LimiterOptions::new(FailurePolicy::Closed);
        if let Some(lease) = lease {
            options = options.prefix("leased").lease(lease);
        }
        let limiter = bucket(&engine(&server)?, 5, options)?;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let context = &mut Context::from_waker(&waker);
        {
            let (mut stays, mut leaves) = (
                pin!(limiter.check("alice")),
                Box::pin(limiter.check("alice")),
            );
            assert!(stays.as_mut().poll(context).is_pending());
            assert!(leaves.as_mut().poll(context).is_pending());
            let begin = Instant::now();
            while woken.0.load(Ordering::Relaxed) < 2 {
                assert!(begin.elapsed() < Duration::from_secs(20), "nobody answers");
                tokio::task::yield_now().await;
            }
            let Poll::Ready(decision) = stays.as_mut().poll(context) else {
                panic!("woken for nothing");
            };
            assert!(decision.is_allowed);
            let held = u64::from(lease.is_some());
            assert_eq!(limiter.peek("alice").await.remaining, Some(3 - held));
            drop(leaves);
        }
        if lease.is_some() {
            // One was fetched ahead, one came back, and this is one of them.
            let decision = limiter.check("alice").await;
            assert_eq!(
                (decision.source, decision.remaining),
                (DecisionSource::Lease, Some(1))
            );
            continue;
        }
        // What was given back arrives in its own time.
        let begin = Instant::now();
        while limiter.peek("alice").await.remaining != Some(4) {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "it does not come back"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

#[test]
fn a_runtime_that_ends_before_anybody_set_out_leaves_the_key_to_the_next() -> Result<()> {
    let server = Server::start()?;
    let options = LimiterOptions::new(FailurePolicy::Closed);
    let limiter = bucket(&engine(&server)?, 5, options)?;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let first = runtime()?;
    first.block_on(async {
        // Polled once: it waits, and what travels for it has not been polled at all.
        let mut waits = std::pin::pin!(limiter.check("alice"));
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(waits.as_mut().poll(context).is_pending())
        });
        assert!(once.await);
    });
    drop(first);
    let decision = runtime()?.block_on(limiter.check("alice"));
    assert_eq!(
        (decision.source, decision.remaining),
        (DecisionSource::Engine, Some(4))
    );
    Ok(())
}

#[tokio::test]
async fn h1_a_lease_spares_trips_and_gives_back_what_it_did_not_use() -> Result<()> {
    let server = Server::start()?;
    let options = LimiterOptions::new(FailurePolicy::Closed).lease(Lease::up_to(100));
    let limiter = bucket(&engine(&server)?, 5_000, options)?;
    let _ = limiter.peek("warm").await;
    let before = trips(&server)?;
    let mut from_lease = 0;
    for _ in 0..3_000 {
        let decision = limiter.check("alice").await;
        assert!(decision.is_allowed);
        from_lease += u32::from(decision.source == DecisionSource::Lease);
    }
    let trips = trips(&server)? - before;
    assert!(
        from_lease >= 2_800 && trips <= 100,
        "{from_lease} of 3,000, {trips} trips"
    );
    limiter.close().await;
    assert_eq!(
        limiter.peek("alice").await.remaining,
        Some(2_000),
        "all that was not used"
    );
    Ok(())
}

#[tokio::test]
async fn h1_no_more_than_the_lease_is_held_also_when_the_next_one_is_fetched_early() -> Result<()> {
    let server = Server::start()?;
    let options = LimiterOptions::new(FailurePolicy::Closed).lease(Lease::up_to(100));
    let limiter = bucket(&engine(&server)?, 50_000, options)?;
    let mut highest = 0;
    for _ in 0..2_000 {
        let decision = limiter.check("alice").await;
        assert!(decision.is_allowed);
        if decision.source == DecisionSource::Lease {
            let left = decision.remaining.expect("a lease knows");
            highest = highest.max(left);
            if left == 25 {
                // It is low, and somebody sets out now: until that one is back.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    // What is told is what is left behind the request.
    assert!((50..100).contains(&highest), "{highest} held");
    Ok(())
}

#[tokio::test]
async fn k1_places_are_never_more_than_the_limit_and_come_back() -> Result<()> {
    let server = Server::start()?;
    let lease = Duration::from_secs(30);
    // Two hosts.
    let first = ConcurrencyLimit::new(&engine(&server)?, 3, lease)?;
    let second = ConcurrencyLimit::new(&engine(&server)?, 3, lease)?;
    let held = [
        first.try_acquire("reports").await?.expect("free"),
        second.try_acquire("reports").await?.expect("free"),
        first.try_acquire("reports").await?.expect("free"),
    ];
    assert!(second.try_acquire("reports").await?.is_none());
    assert_eq!(second.available("reports").await?, 0);
    assert!(second.try_acquire("others").await?.is_some());
    let [one, two, three] = held;
    one.give_back().await?;
    assert!(
        second.try_acquire("reports").await?.is_some(),
        "and it is dropped here"
    );
    drop((two, three));
    let begin = std::time::Instant::now();
    while first.available("reports").await? != 3 {
        assert!(begin.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn t3_places_of_a_clock_that_went_back_are_not_held_longer_than_a_lease() -> Result<()> {
    let server = Server::start()?;
    let lease = Duration::from_secs(30);
    let limit = ConcurrencyLimit::new(&engine(&server)?, 2, lease)?;
    let key = "fuseboard:{reports}:places:1";
    let now: u64 = server
        .query(&["EVAL", "return redis.call('TIME')[1]", "0"])?
        .parse()?;
    // Leased just now, and by a clock that was an hour ahead.
    for (ahead, holder) in [(30, "living"), (3_600, "ahead")] {
        let ends = ((now + ahead) * 1_000).to_string();
        server.query(&["ZADD", key, &ends, holder])?;
    }
    assert_eq!(limit.available("reports").await?, 1);
    Ok(())
}

#[tokio::test]
async fn s5_places_of_a_host_that_died_come_back_with_their_lease_and_of_one_that_lives_do_not()
-> Result<()> {
    let server = Server::start()?;
    let lease = Duration::from_millis(300);
    let living = ConcurrencyLimit::new(&engine(&server)?, 2, lease)?;
    let _kept = living.try_acquire("reports").await?.expect("free");
    // A runtime that ends renews nothing and gives nothing back, as a host that dies.
    let url = server.url();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let deadline = Duration::from_secs(5);
        let engine = Engine::with_options(&url, EngineOptions { deadline })?;
        let limit = ConcurrencyLimit::new(&engine, 2, Duration::from_millis(300))?;
        let place = runtime
            .block_on(limit.try_acquire("reports"))?
            .expect("free");
        drop(runtime);
        std::mem::forget(place);
        anyhow::Ok(())
    })
    .join()
    .expect("no panic")?;
    assert_eq!(living.available("reports").await?, 0);
    // The server's own clock decides, so the test waits by it.
    let begin = std::time::Instant::now();
    let mut places = Vec::new();
    while begin.elapsed() < 5 * lease || places.is_empty() {
        places.extend(living.try_acquire("reports").await?);
        assert!(places.len() <= 1, "the living one keeps its place");
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the dead one's place comes back"
        );
        tokio::time::sleep(lease / 10).await;
    }
    Ok(())
}

#[tokio::test]
async fn r6_settings_out_of_their_range_are_refused_by_name() -> Result<()> {
    let engine = Engine::new("redis://127.0.0.1/")?;
    let closed = || LimiterOptions::new(FailurePolicy::Closed);
    let text = |error: SetUpError| error.to_string();
    let bucket = |options| bucket(&engine, 5, options).map_err(|error| error.to_string());
    assert!(
        text(TokenBucket::new(Rate::per_second(1), 0).unwrap_err())
            .starts_with("burst is 0; allowed: 1 to")
    );
    // What fits each range by itself may not be kept by any engine.
    let year = Nanos::from(Duration::from_secs(366 * 24 * 3600));
    let error = text(TokenBucket::new(Rate::new(1, year), 11).unwrap_err());
    assert!(
        error.starts_with("burst is 11; allowed: as many as"),
        "{error}"
    );
    assert!(TokenBucket::new(Rate::new(1, year), 10).is_ok());
    for (options, begin) in [
        (
            LimiterOptions::new(FailurePolicy::LocalShare(0.0)),
            "on_failure.local_share is 0; ",
        ),
        (
            LimiterOptions::new(FailurePolicy::LocalShare(f64::NAN)),
            "on_failure.local_share is NaN; ",
        ),
        (
            LimiterOptions::new(FailurePolicy::KeepLease),
            "on_failure is KeepLease without a lease; ",
        ),
        (
            closed().lease(Lease::up_to(0)),
            "lease.most is 0; allowed: 1 to 1,000,000",
        ),
        (closed().prefix("a{b"), "prefix is \"a{b\"; "),
        (closed().remembered_keys(0), "remembered_keys is 0; "),
    ] {
        let error = bucket(options).expect_err("out of range");
        assert!(error.starts_with(begin), "{error}");
    }
    assert!(ConcurrencyLimit::new(&engine, 0, Duration::from_secs(1)).is_err());
    assert!(EngineOptions::default().deadline == Duration::from_millis(50));
    Ok(())
}
