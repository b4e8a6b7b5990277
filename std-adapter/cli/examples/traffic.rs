//! Traffic on a board, to look at with `fuseboard top`: `cargo run -p fuseboard-cli --example traffic -- /dev/shm/shop`.
//!
//! With `--commands` it does what its standard input says, a line each, and answers each with `ok`:
//! `succeed NAME COUNT`, `fail NAME COUNT`, `try NAME COUNT` (calls whose rejection is counted), `spend NAME COUNT` (tokens),
//! `hold NAME COUNT` (places, kept to the end).

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("boards are for Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use fuseboard::{Board, CircuitBreakerConfig, ConcurrencyLimit, Rate};
    use std::error::Error;
    use std::io::{BufRead, Write};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    const NAMES: [&str; 4] = ["payments", "search", "mail", "inventory"];

    fn config() -> CircuitBreakerConfig {
        CircuitBreakerConfig {
            open_timeout: Duration::from_secs(5),
            record_latency: true,
            ..Default::default()
        }
    }

    fn reports(board: &Board) -> Result<ConcurrencyLimit, Box<dyn Error>> {
        Ok(board.concurrency_limit("reports", 4)?)
    }

    pub fn main() -> Result<(), Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let path = arguments
            .next()
            .ok_or("usage: traffic BOARD [--commands]")?;
        let board = Board::open(path)?;
        match arguments.next().as_deref() {
            Some("--commands") => obey(&board),
            _ => play(&board),
        }
    }

    fn obey(board: &Board) -> Result<(), Box<dyn Error>> {
        let mut held = Vec::new();
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let [verb, name, count] = words[..] else {
                return Err(format!("not a command: {line}").into());
            };
            for _ in 0..count.parse::<u32>()? {
                match verb {
                    "succeed" => {
                        board.breaker(name, config())?.try_acquire()?.success();
                    }
                    "fail" => {
                        board.breaker(name, config())?.try_acquire()?.failure();
                    }
                    "try" => {
                        // A rejection is what there is to see.
                        let _ = board.breaker(name, config())?.try_acquire();
                    }
                    "spend" => {
                        let bucket = board.token_bucket(name, Rate::per_hour(1), 20)?;
                        bucket.try_acquire()?;
                    }
                    "hold" => held.push(reports(board)?.try_acquire()?),
                    other => return Err(format!("no such verb: {other}").into()),
                }
            }
            println!("ok");
            std::io::stdout().flush()?;
        }
        Ok(())
    }

    /// Each dependency has bad times of its own, so that there is something to see.
    fn play(board: &Board) -> Result<(), Box<dyn Error>> {
        let [a, b, c, d] = NAMES.map(|name| board.breaker(name, config()));
        let breakers = [a?, b?, c?, d?];
        let api = board.token_bucket("api", Rate::per_second(100), 20)?;
        let reports = reports(board)?;
        let start = Instant::now();
        for round in 0_u64.. {
            let seconds = start.elapsed().as_secs();
            // A rejection is what there is to see.
            let permits = breakers
                .each_ref()
                .map(|breaker| breaker.try_acquire().ok());
            sleep(Duration::from_millis(1 + round % 4));
            for (index, permit) in (0_u64..).zip(permits) {
                let is_bad = (seconds / 7 + index).is_multiple_of(5);
                let Some(permit) = permit else {
                    continue;
                };
                if is_bad || round % 37 == index {
                    permit.failure();
                } else {
                    permit.success();
                }
            }
            // As above.
            let _ = api.try_acquire();
            let place = round.is_multiple_of(3).then(|| reports.try_acquire());
            sleep(Duration::from_millis(5));
            drop(place);
        }
        Ok(())
    }
}
