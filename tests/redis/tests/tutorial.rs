//! The script that tutorials show, with what is wrong about it; and the same requests on ours.

use anyhow::Result;
use fuseboard::redis::{
    Engine, EngineOptions, FailurePolicy, LimiterOptions, RateLimiter, SlidingWindow,
};
use fuseboard_redis::server::Server;
use redis::aio::MultiplexedConnection;
use std::time::Duration;

/// As it is told again and again: the client's milliseconds are score and member, and the key lives for a minute.
const TUTORIAL: &str = "
    redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ARGV[1] - ARGV[2])
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
    redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1])
    redis.call('EXPIRE', KEYS[1], 60)
    return 1";

const HOUR_MS: u64 = 3_600_000;

async fn connect(server: &Server) -> Result<MultiplexedConnection> {
    Ok(redis::Client::open(server.url())?
        .get_multiplexed_async_connection()
        .await?)
}

async fn tutorial(
    connection: &mut MultiplexedConnection,
    now_ms: u64,
    window_ms: u64,
    limit: u64,
) -> Result<bool> {
    let script = redis::Script::new(TUTORIAL);
    let mut call = script.prepare_invoke();
    call.key("tutorial").arg(now_ms).arg(window_ms).arg(limit);
    Ok(call.invoke_async(connection).await?)
}

fn ours(server: &Server, limit: u64, window: Duration) -> Result<RateLimiter<SlidingWindow>> {
    let deadline = Duration::from_secs(5);
    let engine = Engine::with_options(&server.url(), EngineOptions { deadline })?;
    let options = LimiterOptions::new(FailurePolicy::Closed);
    Ok(RateLimiter::on(
        &engine,
        &SlidingWindow::new(limit, window)?,
        options,
    )?)
}

#[tokio::test]
async fn requests_of_one_millisecond_count_as_one_there_and_as_many_here() -> Result<()> {
    let server = Server::start()?;
    let mut connection = connect(&server).await?;
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += u32::from(tutorial(&mut connection, 1_000_000, HOUR_MS, 5).await?);
    }
    assert_eq!(admitted, 100, "the tutorial's over-admission");

    let limiter = ours(&server, 5, Duration::from_millis(HOUR_MS))?;
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += u32::from(limiter.allow("alice").await);
    }
    assert_eq!(admitted, 5);
    Ok(())
}

#[tokio::test]
async fn a_window_longer_than_a_minute_is_forgotten_there_and_kept_here() -> Result<()> {
    let server = Server::start()?;
    let mut connection = connect(&server).await?;
    tutorial(&mut connection, 1_000_000, HOUR_MS, 5).await?;
    let limiter = ours(&server, 5, Duration::from_millis(HOUR_MS))?;
    assert!(limiter.allow("alice").await);
    for (key, left) in server.keys()? {
        let is_ours = key != "tutorial";
        assert_eq!(left > 60_000, is_ours, "{key} has {left} ms");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_ahead_takes_others_entries_away_there_and_has_no_say_here() -> Result<()> {
    let server = Server::start()?;
    let mut connection = connect(&server).await?;
    let (now, window) = (10_000_000, 10_000);
    let mut admitted = 0;
    for request in 0..10 {
        admitted += u32::from(tutorial(&mut connection, now + request, window, 10).await?);
    }
    // A host whose clock is 15 s ahead, at the same moment.
    for request in 0..10 {
        admitted += u32::from(tutorial(&mut connection, now + 15_000 + request, window, 10).await?);
    }
    assert_eq!(admitted, 20, "the tutorial's over-admission");
    // And then the one whose clock is right waits until its clock has come there.
    assert!(
        !tutorial(&mut connection, now + 20_000, window, 10).await?,
        "the tutorial's lock-out"
    );

    // Ours asks the server for the time: no request carries one.
    let limiter = ours(&server, 10, Duration::from_secs(10))?;
    assert!(limiter.check_many("alice", 10).await.is_allowed);
    let monitored = server.query(&["ZRANGE", "fuseboard:{alice}:log:1", "-1", "-1"])?;
    let time = server.query(&["EVAL", "local t = redis.call('TIME') return t[1]", "0"])?;
    assert!(monitored.contains(&time[..9]), "{monitored} is of {time} s");
    Ok(())
}

#[tokio::test]
async fn a_denial_says_nothing_there_and_when_to_come_back_here_without_another_trip() -> Result<()>
{
    let server = Server::start()?;
    let calls = || -> Result<u64> {
        let stats = server.query(&["INFO", "commandstats"])?;
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
        Ok(calls.unwrap_or("0").parse()?)
    };
    let mut connection = connect(&server).await?;
    assert!(tutorial(&mut connection, 1_000_000, HOUR_MS, 1).await?);
    let before = calls()?;
    for request in 1..=100 {
        // All that a client learns is "no", so it asks again, and the server works for each.
        assert!(!tutorial(&mut connection, 1_000_000 + request, HOUR_MS, 1).await?);
    }
    assert_eq!(calls()? - before, 100, "the tutorial's trips");

    let limiter = ours(&server, 1, Duration::from_millis(HOUR_MS))?;
    assert!(limiter.allow("alice").await);
    let denied = limiter.check("alice").await;
    assert!(denied.retry_after > Some(Duration::from_millis(HOUR_MS - 60_000)));
    let before = calls()?;
    for _ in 0..10_000 {
        assert!(!limiter.allow("alice").await);
    }
    // A denial is believed for a second at most.
    assert!(calls()? - before <= 30, "{} trips", calls()? - before);
    Ok(())
}

#[tokio::test]
async fn each_request_connects_there_and_two_connections_serve_all_here() -> Result<()> {
    let server = Server::start()?;
    let limiter = ours(&server, 10_000, Duration::from_millis(HOUR_MS))?;
    let received = || -> Result<u64> {
        let stats = server.query(&["INFO", "stats"])?;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        Ok(line.unwrap_or("0").trim().parse()?)
    };
    let before = received()?;
    for request in 0..1_000 {
        assert!(limiter.allow(&format!("user {}", request % 7)).await);
    }
    // Our two, and the one that asks.
    assert!(received()? - before <= 3);

    let before = received()?;
    for request in 0..50 {
        // As it is told: a connection for each call.
        let mut connection = connect(&server).await?;
        assert!(tutorial(&mut connection, 1_000_000 + request, HOUR_MS, 100).await?);
    }
    assert!(received()? - before >= 50, "the tutorial's connections");
    Ok(())
}
