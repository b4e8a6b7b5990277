//! Hosts tell each other that they have opened, and nobody opens for that alone.

use anyhow::Result;
use fuseboard::redis::{BreakerHints, Engine, EngineOptions, HintOptions};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitState};
use fuseboard_redis::server::Server;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        minimum_requests: 20,
        window_size: Duration::from_secs(600),
        open_timeout: Duration::from_secs(600),
        ..Default::default()
    }
}

fn host(server: &Server, counts_for: Duration) -> Result<(CircuitBreaker, BreakerHints)> {
    let deadline = Duration::from_secs(5);
    let engine = Engine::with_options(&server.url(), EngineOptions { deadline })?;
    let breaker = CircuitBreaker::new("payments", config());
    let options = HintOptions {
        counts_for,
        ask_every: Duration::from_millis(10),
        ..Default::default()
    };
    let hints = BreakerHints::share(&engine, &breaker, config(), options)?;
    Ok((breaker, hints))
}

fn fail(breaker: &CircuitBreaker, calls: u32) -> Result<()> {
    for _ in 0..calls {
        breaker.try_acquire()?.failure();
    }
    Ok(())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn b8_a_host_that_opened_makes_others_quicker_and_opens_nobody() -> Result<()> {
    let server = Server::start()?;
    let (first, _first_hints) = host(&server, Duration::from_secs(600))?;
    let (second, second_hints) = host(&server, Duration::from_secs(600))?;
    let (third, third_hints) = host(&server, Duration::from_secs(600))?;
    fail(&second, 4)?;
    fail(&first, 20)?;
    assert_eq!(first.state(), CircuitState::Open);
    for hints in [&second_hints, &third_hints] {
        until("the hint arrives", async || hints.others().await == Ok(1)).await;
    }
    // It has come; whatever it changes is changed with the next question.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(second.state(), CircuitState::Closed, "nobody opens blindly");
    until("one failure more is enough", async || {
        second.state() == CircuitState::Open || fail(&second, 1).is_err()
    })
    .await;
    assert!(second.snapshot().totals.failures < 20);
    for _ in 0..50 {
        third.try_acquire()?.success();
    }
    assert_eq!(
        third.state(),
        CircuitState::Closed,
        "what works here goes on"
    );
    Ok(())
}

#[tokio::test]
async fn b16_a_hint_is_over_in_its_time_and_with_the_server() -> Result<()> {
    let mut server = Server::start()?;
    let (first, _first_hints) = host(&server, Duration::from_secs(1))?;
    let (second, second_hints) = host(&server, Duration::from_secs(1))?;
    fail(&first, 20)?;
    until("the hint arrives", async || {
        second_hints.others().await == Ok(1)
    })
    .await;
    until("and is over", async || second_hints.others().await == Ok(0)).await;
    server.kill()?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    fail(&second, 19)?;
    assert_eq!(second.state(), CircuitState::Closed, "its own minimum");
    fail(&second, 1)?;
    assert_eq!(second.state(), CircuitState::Open);
    Ok(())
}

#[tokio::test]
async fn b14_hints_that_end_leave_the_breaker_as_it_was() -> Result<()> {
    let server = Server::start()?;
    let (first, _first_hints) = host(&server, Duration::from_secs(600))?;
    let (second, second_hints) = host(&server, Duration::from_secs(600))?;
    fail(&first, 20)?;
    until("the hint arrives", async || {
        second_hints.others().await == Ok(1)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(second_hints);
    fail(&second, 19)?;
    assert_eq!(second.state(), CircuitState::Closed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b16_a_hint_that_is_being_applied_does_not_outlive_its_end() -> Result<()> {
    let server = Server::start()?;
    let (first, _first_hints) = host(&server, Duration::from_secs(600))?;
    fail(&first, 20)?;

    let deadline = Duration::from_secs(5);
    let engine = Engine::with_options(&server.url(), EngineOptions { deadline })?;
    let applied = Arc::new(Mutex::new(Vec::new()));
    let (begins, begun) = channel();
    let (goes_on, may_go_on) = channel();
    let may_go_on = Mutex::new(may_go_on);
    let seen = Arc::clone(&applied);
    let options = HintOptions {
        ask_every: Duration::from_millis(10),
        ..Default::default()
    };
    let hints = BreakerHints::about(&engine, "payments", 20, options, move |minimum| {
        if minimum != 20 {
            begins.send(()).expect("somebody listens");
            let may_go_on = may_go_on.lock().expect("nobody panicked");
            may_go_on.recv().expect("somebody lets it go on");
        }
        seen.lock().expect("nobody panicked").push(minimum);
    })?;
    begun.recv_timeout(Duration::from_secs(20))?;
    let (ends, ended) = channel();
    let ending = std::thread::spawn(move || {
        drop(hints);
        ends.send(())
    });
    // It waits for the other, or would have overtaken it by now.
    let _ = ended.recv_timeout(Duration::from_millis(50));
    goes_on.send(())?;
    ending.join().expect("nobody panicked")?;
    until("both are applied", async || {
        applied.lock().expect("nobody panicked").len() == 2
    })
    .await;
    assert_eq!(*applied.lock().expect("nobody panicked"), [5, 20]);
    Ok(())
}
