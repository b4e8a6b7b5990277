//! The engine is paused, killed, emptied, filled, cut off, demoted: nobody waits, the chosen policy decides, and it comes back by itself.

use anyhow::Result;
use fuseboard::redis::{
    Decision, DecisionSource, Engine, EngineOptions, FailurePolicy, Lease, LimiterOptions,
    RateLimiter, SlidingWindow, TokenBucket, Unavailable,
};
use fuseboard::{CircuitState, Rate};
use fuseboard_redis::cut::Cut;
use fuseboard_redis::server::{Cluster, Server, eventually};
use std::time::{Duration, Instant};

type Bucket = RateLimiter<TokenBucket>;

/// What a busy machine adds to a deadline. Without deadlines a call would wait for seconds.
const SLACK: Duration = Duration::from_millis(400);

fn bucket(engine: &Engine, burst: u64, options: LimiterOptions) -> Result<Bucket> {
    Ok(RateLimiter::on(
        engine,
        &TokenBucket::new(Rate::per_hour(1), burst)?,
        options,
    )?)
}

/// Where it is not the time that is tested: a busy machine's answers may come late.
fn patient(server: &Server) -> Result<Engine> {
    let deadline = Duration::from_secs(5);
    Ok(Engine::with_options(
        &server.url(),
        EngineOptions { deadline },
    )?)
}

fn options(policy: FailurePolicy) -> LimiterOptions {
    LimiterOptions::new(policy)
}

/// Asks until the engine decides again.
async fn until_engine_decides(limiter: &Bucket) -> Decision {
    let begin = Instant::now();
    loop {
        let decision = limiter.check("recovery").await;
        if decision.source == DecisionSource::Engine {
            return decision;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "not back: {decision:?}, {:?}",
            limiter.engine()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The longest of some calls, each for a key of its own, one after the other.
async fn slowest(limiter: &Bucket, calls: u32, mut each: impl FnMut(Decision)) -> Duration {
    let mut longest = Duration::ZERO;
    for call in 0..calls {
        let begin = Instant::now();
        each(limiter.check(&format!("key {call}")).await);
        longest = longest.max(begin.elapsed());
    }
    longest
}

#[tokio::test]
async fn a_paused_server_holds_nobody_up_and_each_policy_decides_as_chosen() -> Result<()> {
    let server = Server::start()?;
    let engine = Engine::new(&server.url())?;
    let share = 0.1;
    let open = bucket(&engine, 100, options(FailurePolicy::Open))?;
    let closed = bucket(&engine, 100, options(FailurePolicy::Closed))?;
    let local = bucket(&engine, 100, options(FailurePolicy::LocalShare(share)))?;
    let _ = until_engine_decides(&open).await;

    server.pause()?;
    let mut uncertain = 0;
    let longest = slowest(&open, 200, |decision| {
        assert!(
            decision.is_allowed && decision.is_fallback(),
            "{decision:?}"
        );
        uncertain += u32::from(decision.may_have_taken);
    });
    let longest = longest.await;
    assert!(longest < engine.deadline() + SLACK, "{longest:?}");
    assert!(
        (1..=10).contains(&uncertain),
        "the first requests were sent and may have been counted, as many as open a breaker that counts ten; then none: {uncertain}"
    );
    assert_ne!(engine.breaker().state(), CircuitState::Closed);

    let denied = closed.check("alice").await;
    assert!(!denied.is_allowed && denied.is_fallback());
    assert!(denied.retry_after.is_some());
    let mut admitted = 0;
    for _ in 0..50 {
        admitted += u32::from(local.check("alice").await.is_allowed);
    }
    assert_eq!(admitted, 10, "a tenth of a hundred");

    server.resume()?;
    let _ = until_engine_decides(&open).await;
    assert_eq!(engine.breaker().state(), CircuitState::Closed);
    Ok(())
}

#[tokio::test]
async fn a_killed_server_is_missed_by_nobody_and_found_again_with_or_without_its_words()
-> Result<()> {
    let persistent = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--save",
        "",
    ];
    let forgetful = ["--appendonly", "no", "--save", ""];
    for (server_options, left) in [(&persistent[..], 6), (&forgetful, 9)] {
        let mut server = Server::with(server_options)?;
        let engine = Engine::new(&server.url())?;
        let limiter = bucket(&engine, 10, options(FailurePolicy::Closed))?;
        assert_eq!(limiter.check_many("alice", 3).await.remaining, Some(7));
        server.kill()?;
        let longest = slowest(&limiter, 200, |decision| {
            assert!(decision.is_fallback(), "{decision:?}");
        });
        let longest = longest.await;
        assert!(longest < engine.deadline() + SLACK, "{longest:?}");
        server.restart()?;
        let _ = until_engine_decides(&limiter).await;
        assert_eq!(limiter.check("alice").await.remaining, Some(left));
    }
    Ok(())
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again_unnoticed() -> Result<()> {
    let server = Server::start()?;
    let engine = patient(&server)?;
    let limiter = bucket(&engine, 10_000, options(FailurePolicy::Closed))?;
    let _ = until_engine_decides(&limiter).await;
    for round in 0..50 {
        server.query(&["SCRIPT", "FLUSH"])?;
        let calls: Vec<_> = (0..8)
            .map(|task| {
                let limiter = limiter.clone();
                tokio::spawn(async move { limiter.check(&format!("{round} {task}")).await })
            })
            .collect();
        for call in calls {
            let decision = call.await?;
            assert_eq!(
                (decision.source, decision.remaining),
                (DecisionSource::Engine, Some(9_999))
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_full_server_refuses_and_the_policy_decides() -> Result<()> {
    let server = Server::with(&["--save", "", "--maxmemory-policy", "noeviction"])?;
    let engine = patient(&server)?;
    let limiter = bucket(&engine, 10, options(FailurePolicy::Open))?;
    let _ = until_engine_decides(&limiter).await;
    server.query(&["CONFIG", "SET", "maxmemory", "1"])?;
    let decision = limiter.check("alice").await;
    assert_eq!(
        decision.source,
        DecisionSource::Fallback(Unavailable::Refusing)
    );
    assert!(
        decision.is_allowed && !decision.may_have_taken,
        "it said that it has not"
    );
    server.query(&["CONFIG", "SET", "maxmemory", "0"])?;
    let _ = until_engine_decides(&limiter).await;
    assert_eq!(limiter.check("alice").await.remaining, Some(9));
    Ok(())
}

#[tokio::test]
async fn a_wire_cut_in_the_middle_of_an_answer_is_told_and_nothing_is_sent_twice() -> Result<()> {
    let server = Server::start()?;
    let wire = Cut::to(server.port()).await?;
    let engine = Engine::new(&wire.url())?;
    let limiter = bucket(&engine, 1_000, options(FailurePolicy::Closed))?;
    let _ = until_engine_decides(&limiter).await;
    for round in 1..=20_u64 {
        wire.cut_after(3);
        let decision = limiter.check("alice").await;
        let DecisionSource::Fallback(error) = decision.source else {
            panic!("round {round}: {decision:?}");
        };
        assert!(!decision.is_allowed);
        assert_eq!(decision.may_have_taken, error.may_have_taken());
        wire.mend();
        let _ = until_engine_decides(&limiter).await;
        // What may have been taken was, at most once a round.
        let direct = bucket(
            &Engine::new(&server.url())?,
            1_000,
            options(FailurePolicy::Closed),
        )?;
        let taken = 1_000 - direct.peek("alice").await.remaining.expect("it answers");
        assert!(taken <= round, "{taken} after {round} requests");
    }
    Ok(())
}

#[tokio::test]
async fn a_demoted_server_is_refused_and_promoted_again_used() -> Result<()> {
    let (main, replica) = (Server::start()?, Server::start()?);
    let engine = patient(&replica)?;
    let limiter = bucket(&engine, 10, options(FailurePolicy::Closed))?;
    let _ = until_engine_decides(&limiter).await;
    replica.query(&["REPLICAOF", "127.0.0.1", &main.port().to_string()])?;
    eventually("the replica follows", || {
        Ok(replica
            .query(&["INFO", "replication"])?
            .contains("master_link_status:up"))
    })?;
    let decision = limiter.check("alice").await;
    assert_eq!(
        decision.source,
        DecisionSource::Fallback(Unavailable::Refusing)
    );
    assert!(!decision.may_have_taken);
    replica.query(&["REPLICAOF", "NO", "ONE"])?;
    let _ = until_engine_decides(&limiter).await;
    Ok(())
}

#[tokio::test]
async fn a_promoted_replica_goes_on_where_the_one_that_died_ended() -> Result<()> {
    let (mut main, replica) = (Server::start()?, Server::start()?);
    let wire = Cut::to(main.port()).await?;
    let engine = Engine::new(&wire.url())?;
    let limiter = bucket(&engine, 10, options(FailurePolicy::Closed))?;
    let _ = until_engine_decides(&limiter).await;
    assert_eq!(limiter.check_many("alice", 3).await.remaining, Some(7));
    replica.query(&["REPLICAOF", "127.0.0.1", &main.port().to_string()])?;
    eventually("the replica has it", || {
        Ok(replica.query(&["EXISTS", "fuseboard:{alice}:bucket:1"])? == "1")
    })?;
    main.kill()?;
    let longest = slowest(&limiter, 100, |decision| {
        assert!(
            !decision.is_allowed && decision.is_fallback(),
            "{decision:?}"
        );
    });
    let longest = longest.await;
    assert!(longest < engine.deadline() + SLACK, "{longest:?}");
    // Sooner led there than promoted: what still is a replica refuses, and nothing is lost by it.
    wire.lead_to(replica.port());
    let begin = Instant::now();
    while limiter.check("early").await.source != DecisionSource::Fallback(Unavailable::Refusing) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{engine:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    replica.query(&["REPLICAOF", "NO", "ONE"])?;
    let _ = until_engine_decides(&limiter).await;
    assert_eq!(limiter.check("alice").await.remaining, Some(6));
    Ok(())
}

#[tokio::test]
async fn however_many_wait_for_a_key_nobody_waits_longer_than_the_deadline() -> Result<()> {
    let server = Server::start()?;
    let deadline = Duration::from_secs(1);
    let engine = Engine::with_options(&server.url(), EngineOptions { deadline })?;
    let limiter = bucket(&engine, 1_000, options(FailurePolicy::Open))?;
    let _ = until_engine_decides(&limiter).await;
    server.pause()?;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        // The first two lots travel; the others wait until those have been given up.
        for _ in 0..50 {
            let limiter = limiter.clone();
            tasks.push(tokio::spawn(async move {
                let begin = Instant::now();
                let decision = limiter.check("hot").await;
                (begin.elapsed(), decision)
            }));
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    for task in tasks {
        let (waited, decision) = task.await?;
        assert!(
            decision.is_fallback() && decision.is_allowed,
            "{decision:?}"
        );
        assert!(waited < deadline + SLACK, "{waited:?}: {decision:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_slot_that_moves_loses_no_word() -> Result<()> {
    let cluster = Cluster::start()?;
    let urls = cluster.urls();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let deadline = Duration::from_secs(2);
    let engine = Engine::cluster(&urls, EngineOptions { deadline })?;
    let limiter = bucket(&engine, 1_000, options(FailurePolicy::Closed))?;
    let _ = until_engine_decides(&limiter).await;
    for left in (993..1_000).rev() {
        assert_eq!(limiter.check("alice").await.remaining, Some(left));
        cluster.move_slot_of("fuseboard:{alice}:bucket:1")?;
    }
    for key in 0..100 {
        // Every server of the three has some.
        assert_eq!(
            limiter.check(&format!("key {key}")).await.remaining,
            Some(999)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_key_of_another_type_is_told_and_does_not_open_the_breaker() -> Result<()> {
    let server = Server::start()?;
    let engine = patient(&server)?;
    let limiter = bucket(&engine, 10, options(FailurePolicy::Closed))?;
    server.query(&["LPUSH", "fuseboard:{alice}:bucket:1", "somebody else's"])?;
    for _ in 0..20 {
        let decision = limiter.check("alice").await;
        assert_eq!(
            decision.source,
            DecisionSource::Fallback(Unavailable::Misunderstood)
        );
    }
    assert_eq!(limiter.check("bob").await.source, DecisionSource::Engine);
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_never_there_costs_no_time_and_nothing_panics_without_a_port()
-> Result<()> {
    for url in [
        "redis://127.0.0.1:1/",
        "redis://192.0.2.1:6379/",
        "redis://no-such-host.invalid/",
    ] {
        let engine = Engine::new(url)?;
        let limiter = bucket(&engine, 10, options(FailurePolicy::Open))?;
        let longest = slowest(&limiter, 50, |decision| assert!(decision.is_fallback())).await;
        assert!(longest < engine.deadline() + SLACK, "{url}: {longest:?}");
    }
    for url in ["", "http://127.0.0.1/", "redis://:secret@/x/y/z"] {
        let error = Engine::new(url).expect_err("no address").to_string();
        assert!(
            error.contains("redis://") && !error.contains("secret"),
            "{error}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_lease_is_kept_while_the_server_is_away_where_that_was_chosen() -> Result<()> {
    let mut server = Server::start()?;
    let engine = Engine::new(&server.url())?;
    let lease = Lease {
        expires_after: Duration::from_millis(20),
        ..Lease::up_to(64)
    };
    let limiter = bucket(
        &engine,
        10_000,
        options(FailurePolicy::KeepLease).lease(lease),
    )?;
    let mut last = until_engine_decides(&limiter).await;
    // It grows while it is used up.
    for _ in 0..500 {
        last = limiter.check("recovery").await;
    }
    assert!(last.is_allowed);
    let DecisionSource::Lease = last.source else {
        panic!("no lease: {last:?}");
    };
    let held = last.remaining.expect("a lease knows");
    server.kill()?;
    tokio::time::sleep(2 * lease.expires_after).await;
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += u64::from(limiter.check("recovery").await.is_allowed);
    }
    assert_eq!(admitted, held, "what was left, and then nothing");
    Ok(())
}

/// The window's own words in a word's place: what was admitted stays in the window through a restart of the client.
#[tokio::test]
async fn another_client_continues_where_the_first_one_ended() -> Result<()> {
    let server = Server::start()?;
    for expected in [true, true, true, false] {
        let engine = Engine::new(&server.url())?;
        let window = SlidingWindow::new(3, Duration::from_secs(3600))?;
        let limiter = RateLimiter::on(&engine, &window, options(FailurePolicy::Closed))?;
        let decision = loop {
            let decision = limiter.check("alice").await;
            if decision.source == DecisionSource::Engine {
                break decision;
            }
        };
        assert_eq!(decision.is_allowed, expected);
    }
    Ok(())
}
