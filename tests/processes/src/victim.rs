//! A victim: works on a board until it is killed, and says at every moment in a shared file what it is doing. The rules for victims
//! in any language are in this package's README.md.

use crate::scratch::{Scratch, Word};
use anyhow::Result;
use fuseboard::{
    Board, CircuitBreaker, CircuitBreakerConfig, ConcurrencyLimit, ConcurrencyPermit, Outcome,
    Rate, RawPermit, TokenBucketRateLimiter, WhenDifferent,
};
use fuseboard_core::SlotName;
use std::io::{Write, stdout};
use std::path::Path;
use std::time::Duration;

/// Units of `bucket`.
pub const BURST: u64 = 9_000_000;
/// Places of `places`.
pub const PLACES: u32 = 8;
/// After which a probe of `trip` that nobody settles is lost.
pub const LEASE: Duration = Duration::from_millis(20);

/// What an operation is, as word 0 says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A call of `count`.
    Count = 1,
    /// A call or a probe of `trip`.
    Trip,
    /// The end of a probe that was kept.
    Settle,
    /// A unit of `bucket`.
    Take,
    /// A place is taken.
    Enter,
    /// A place is given back.
    Leave,
    /// A name is claimed or removed.
    Name,
}

/// What all victims share.
pub struct Shared {
    board: Board,
    /// Never trips.
    pub count: CircuitBreaker,
    /// Trips all the time.
    pub trip: CircuitBreaker,
    /// Hardly refilled.
    pub bucket: TokenBucketRateLimiter,
    /// For eight.
    pub places: ConcurrencyLimit,
}

impl Shared {
    /// What is on the board at `path`, made if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let board = Board::open(path)?;
        let tripping = CircuitBreakerConfig {
            minimum_requests: 4,
            open_timeout: Duration::from_millis(1),
            probe_lease: Some(LEASE),
            ..Default::default()
        };
        Ok(Self {
            count: board.breaker("count", CircuitBreakerConfig::default())?,
            trip: board.breaker("trip", tripping)?,
            bucket: board.token_bucket("bucket", Rate::per_minute(1), BURST)?,
            places: board.concurrency_limit("places", PLACES)?,
            board,
        })
    }

    /// The names of all breakers.
    pub fn names(&self) -> Vec<String> {
        let entries = self.board.words().breakers().entries();
        entries.map(|(_, name)| name.to_string()).collect()
    }

    /// The board itself.
    pub fn board(&self) -> &Board {
        &self.board
    }
}

/// Works until it is killed. `endures`: goes on where a name cannot be had, because somebody damages the board.
pub fn live(board: &Path, scratch: &Path, seed: u64, endures: bool) -> Result<()> {
    let mut victim = Victim {
        shared: Shared::open(board)?,
        scratch: Scratch::map(scratch)?,
        random: seed.max(1),
        held: Vec::new(),
        probe: None,
    };
    writeln!(stdout(), "ready")?;
    stdout().flush()?;
    loop {
        let operation = victim.next();
        victim.scratch.store(Word::Doing, operation as u64);
        let worked = victim.work(operation);
        if !endures {
            worked?;
        }
        victim.scratch.add(Word::Done, 1);
        victim.scratch.store(Word::Doing, 0);
    }
}

struct Victim {
    shared: Shared,
    scratch: Scratch,
    random: u64,
    held: Vec<ConcurrencyPermit>,
    probe: Option<RawPermit>,
}

impl Victim {
    /// Xorshift.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) % below
    }

    fn next(&mut self) -> Operation {
        match self.draw(16) {
            5..=7 if self.probe.is_none() => Operation::Trip,
            // A probe is kept for a while, so that many die with one.
            5..=7 if self.draw(256) == 0 => Operation::Settle,
            0..=7 => Operation::Count,
            8..=10 => Operation::Take,
            11..=12 if self.held.len() < 2 => Operation::Enter,
            11..=14 if !self.held.is_empty() => Operation::Leave,
            11..=14 => Operation::Enter,
            _ => Operation::Name,
        }
    }

    fn work(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Count => {
                let failed = self.draw(4) == 0;
                let outcome = outcome(failed);
                if let Ok(permit) = self.shared.count.acquire_raw() {
                    self.shared.count.settle_raw(permit, outcome);
                    self.scratch.add(Word::Calls, 1);
                    self.scratch.add(Word::Failures, u64::from(failed));
                }
            }
            Operation::Trip => {
                let failed = self.draw(4) > 0;
                match self.shared.trip.acquire_raw() {
                    Ok(permit) if permit.is_probe() => {
                        self.probe = Some(permit);
                        self.scratch.add(Word::Probes, 1);
                    }
                    Ok(permit) => {
                        self.shared.trip.settle_raw(permit, outcome(failed));
                    }
                    Err(_) => {}
                }
            }
            Operation::Settle => {
                if let Some(permit) = self.probe.take() {
                    self.scratch.store(Word::Probes, 0);
                    self.shared.trip.settle_raw(permit, Outcome::Success);
                }
            }
            Operation::Take => {
                if self.shared.bucket.try_acquire().is_ok() {
                    self.scratch.add(Word::Units, 1);
                }
            }
            Operation::Enter => {
                if let Ok(permit) = self.shared.places.try_acquire() {
                    self.held.push(permit);
                    self.scratch.add(Word::Places, 1);
                }
            }
            Operation::Leave => {
                let rest = self.held.len().saturating_sub(1) as u64;
                self.scratch.store(Word::Places, rest);
                drop(self.held.pop());
            }
            Operation::Name => self.claim_or_remove()?,
        }
        Ok(())
    }

    fn claim_or_remove(&mut self) -> Result<()> {
        let name = format!("name-{}", self.draw(6));
        let board = &self.shared.board;
        let config = CircuitBreakerConfig::default();
        board.breaker_with(&name, config, WhenDifferent::Update)?;
        if self.draw(4) == 0 {
            let breakers = self.shared.board.words().breakers();
            if let Some(id) = breakers.slot_of(&SlotName::new(&name)?) {
                breakers.remove(id);
            }
        }
        Ok(())
    }
}

fn outcome(failed: bool) -> Outcome {
    if failed {
        Outcome::Failure
    } else {
        Outcome::Success
    }
}
