//! What a decision costs beside an `INCR` of the same client, in one run: `cargo run --release -p fuseboard-redis --bin redis-speed`.

use anyhow::Result;
use fuseboard::Rate;
use fuseboard::redis::{
    Engine, EngineOptions, FailurePolicy, Lease, LimiterOptions, RateLimiter, SlidingCounter,
    SlidingWindow, TokenBucket,
};
use fuseboard_redis::server::Server;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TASKS: usize = 64;
const BURST: Duration = Duration::from_millis(300);
const ROUNDS: usize = 5;

/// A row: what it is, the ratio that is wanted, and one request, by task and number.
struct Row {
    name: &'static str,
    target: Option<f64>,
    request: Arc<dyn Fn(usize, u64) -> Request + Send + Sync>,
}

type Request = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn main() -> Result<()> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let rows = rows(&server).await?;
        let mut counts = vec![Vec::new(); rows.len()];
        for _ in 0..ROUNDS {
            for (row, counts) in rows.iter().zip(&mut counts) {
                counts.push(burst(row).await);
            }
        }
        println!("redis-server on loopback, {TASKS} tasks on one thread, median of {ROUNDS} interleaved rounds\n");
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
    let leased = RateLimiter::on(
        &engine,
        &many,
        options().prefix("leased").lease(Lease::up_to(100)),
    )?;
    let denied = RateLimiter::on(&engine, &none, options().prefix("denied"))?;
    let _ = denied.check("hot").await;
    let connection = redis::Client::open(server.url())?
        .get_multiplexed_async_connection()
        .await?;

    Ok(vec![
        Row {
            name: "INCR, the same client",
            target: None,
            request: Arc::new(move |task, _| {
                let mut connection = connection.clone();
                Box::pin(async move {
                    let key = format!("counter {}", task % 16);
                    let _: Result<i64, _> = redis::cmd("INCR")
                        .arg(key)
                        .query_async(&mut connection)
                        .await;
                })
            }),
        },
        row(
            "token bucket, a key for each task",
            Some(0.2),
            &bucket,
            |task, _| format!("key {task}"),
        ),
        row(
            "sliding counter, a key for each task",
            None,
            &counter,
            |task, _| format!("key {task}"),
        ),
        row(
            "sliding window, a key for each task",
            None,
            &window,
            |task, _| format!("key {task}"),
        ),
        row("token bucket, one hot key", Some(1.5), &bucket, |_, _| {
            "hot".to_owned()
        }),
        row(
            "sixteen keys, with a lease of 100",
            Some(10.0),
            &leased,
            |_, _| "hot".to_owned(),
        ),
        row("one hot key, denied", Some(10.0), &denied, |_, _| {
            "hot".to_owned()
        }),
    ])
}

fn row<A: 'static>(
    name: &'static str,
    target: Option<f64>,
    limiter: &RateLimiter<A>,
    key: fn(usize, u64) -> String,
) -> Row {
    let limiter = limiter.clone();
    Row {
        name,
        target,
        request: Arc::new(move |task, number| {
            let limiter = limiter.clone();
            Box::pin(async move {
                let _ = std::hint::black_box(limiter.check(&key(task, number)).await);
            })
        }),
    }
}

/// Requests a second of all tasks together.
async fn burst(row: &Row) -> f64 {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let request = Arc::clone(&row.request);
            tokio::spawn(async move {
                let mut count = 0;
                while count % 8 != 0 || begin.elapsed() < BURST {
                    request(task, count).await;
                    count += 1;
                    if count % 256 == 0 {
                        // What never waits must let the others run.
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
