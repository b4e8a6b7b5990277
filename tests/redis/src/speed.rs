//! What a decision costs beside an `INCR` of the same client, in one run: `cargo run --release -p fuseboard-redis --bin redis-speed [--tabs] [WORD…]`,
//! of the rows whose names hold one of the words, all when there is none. `--tabs`: for `cargo xtask peers`, nanoseconds a request.

use anyhow::Result;
use fuseboard::Rate;
use fuseboard::redis::{
    Engine, EngineOptions, FailurePolicy, FixedWindow, Lease, LimiterOptions, RateLimiter,
    SlidingCounter, SlidingWindow, TokenBucket,
};
use fuseboard_redis::server::Server;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TASKS: usize = 64;
const BURST: Duration = Duration::from_millis(300);
const ROUNDS: usize = 5;

/// A row: what it is, the ratio that is wanted, and a burst of it, which says how many a second there were.
struct Row {
    name: &'static str,
    target: Option<f64>,
    burst: Box<dyn Fn() -> Pin<Box<dyn Future<Output = f64>>>>,
}

impl Row {
    fn new<R, F>(name: &'static str, target: Option<f64>, waits: bool, request: R) -> Self
    where
        R: Fn(usize) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let burst = Box::new(move || Box::pin(burst(request.clone(), waits)) as _);
        Self {
            name,
            target,
            burst,
        }
    }
}

fn main() -> Result<()> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (tabs, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--tabs");
        let mut rows = rows(&server).await?;
        // The first one is what all are compared with.
        let is_wanted = |row: &Row| row.name == "INCR" || words.iter().any(|word| row.name.contains(word));
        rows.retain(|row| words.is_empty() || is_wanted(row));
        let mut counts = vec![Vec::new(); rows.len()];
        for _ in 0..ROUNDS {
            for (row, counts) in rows.iter().zip(&mut counts) {
                counts.push((row.burst)().await);
            }
        }
        if !tabs.is_empty() {
            for (row, counts) in rows.iter().zip(&mut counts) {
                println!("fuseboard, from Rust\t{}\t{:.2}", row.name, 1e9 / median(counts));
            }
            return Ok(());
        }
        println!("redis-server on loopback, an INCR of the same client, {TASKS} tasks on one thread, median of {ROUNDS} interleaved rounds\n");
        println!("{:<44} {:>12} {:>8} {:>8}", "a request", "a second", "INCR x", "target");
        let base = median(&mut counts[0].clone());
        for (row, counts) in rows.iter().zip(&mut counts) {
            let each = median(counts);
            let target = row.target.map_or(String::new(), |target| {
                let holds = if each / base >= target { "holds" } else { "MISSED" };
                format!("{target} {holds}")
            });
            println!("{:<44} {each:>12.0} {:>8.2} {target:>12}", row.name, each / base);
        }
        Ok(())
    })
}

async fn rows(server: &Server) -> Result<Vec<Row>> {
    let deadline = Duration::from_secs(5);
    let engine = Engine::with_options(&server.url(), EngineOptions { deadline })?;
    let options = || LimiterOptions::new(FailurePolicy::Closed);
    let many = TokenBucket::new(Rate::per_second(100_000_000), 1_000_000_000)?;
    let none = TokenBucket::new(Rate::per_hour(1), 1)?;
    let hour = Duration::from_secs(3600);
    let bucket = RateLimiter::on(&engine, &many, options())?;
    let counter = RateLimiter::on(
        &engine,
        &SlidingCounter::new(1_000_000_000, hour)?,
        options(),
    )?;
    let window = RateLimiter::on(
        &engine,
        &SlidingWindow::new(100, Duration::from_millis(2))?,
        options(),
    )?;
    let fixed = RateLimiter::on(&engine, &FixedWindow::new(1_000_000_000, hour)?, options())?;
    let leased = RateLimiter::on(
        &engine,
        &many,
        options().prefix("leased").lease(Lease::up_to(100)),
    )?;
    let denied = RateLimiter::on(&engine, &none, options().prefix("denied"))?;
    let _ = denied.check("key 0").await;
    let connection = redis::Client::open(server.url())?
        .get_multiplexed_async_connection()
        .await?;

    // One string for each task, made once: what is measured is the limiter.
    let keys: Arc<[String]> = (0..TASKS).map(|task| format!("key {task}")).collect();
    let incr_keys = Arc::clone(&keys);
    Ok(vec![
        Row::new("INCR", None, true, move |task| {
            let (mut connection, keys) = (connection.clone(), Arc::clone(&incr_keys));
            async move {
                let mut incr = redis::cmd("INCR");
                let incr = incr.arg(&keys[task % 16]);
                let _: Result<i64, _> = incr.query_async(&mut connection).await;
            }
        }),
        row(
            "token bucket, a key for each task",
            Some(0.2),
            &bucket,
            &keys,
            TASKS,
        ),
        row(
            "sliding counter, a key for each task",
            None,
            &counter,
            &keys,
            TASKS,
        ),
        row(
            "fixed window, a key for each task",
            None,
            &fixed,
            &keys,
            TASKS,
        ),
        row(
            "sliding window, a key for each task",
            None,
            &window,
            &keys,
            TASKS,
        ),
        row("token bucket, one hot key", Some(1.5), &bucket, &keys, 1),
        row(
            "sixteen keys, with a lease of 100",
            Some(10.0),
            &leased,
            &keys,
            16,
        ),
        row("one hot key, with a lease of 100", None, &leased, &keys, 1),
        row("one hot key, denied", Some(10.0), &denied, &keys, 1),
    ])
}

/// Of `keys`, the tasks share the first `few`.
fn row<A: 'static>(
    name: &'static str,
    target: Option<f64>,
    limiter: &RateLimiter<A>,
    keys: &Arc<[String]>,
    few: usize,
) -> Row {
    let (limiter, keys) = (limiter.clone(), Arc::clone(keys));
    // What is decided here waits for nobody.
    let waits = !name.contains("lease") && !name.contains("denied");
    Row::new(name, target, waits, move |task| {
        let (limiter, keys) = (limiter.clone(), Arc::clone(&keys));
        async move {
            let _ = std::hint::black_box(limiter.check(&keys[task % few]).await);
        }
    })
}

/// Requests a second of all tasks together.
async fn burst<R, F>(request: R, waits: bool) -> f64
where
    R: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let begin = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut count = 0_u64;
                while !count.is_multiple_of(8) || begin.elapsed() < BURST {
                    request(task).await;
                    count += 1;
                    if !waits && count.is_multiple_of(32) {
                        // What never waits must let the others run; what does, has.
                        tokio::task::yield_now().await;
                    }
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap_or(0);
    }
    total as f64 / begin.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
