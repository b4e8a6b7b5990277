//! The hunt: victims are killed at random moments, and those who are left must neither wait nor miss anything.

use crate::scratch::{Record, Word};
use crate::victim::{LEASE, PLACES, Shared};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

mod prey;

use prey::{Prey, Quarry};

/// Killed between two looks at the board.
const WAVE: u64 = 20;
/// Victims alive at once, besides the two that live through it all.
const AT_ONCE: usize = 3;
/// A survivor that has not moved for so long waits for somebody: a hundred times what a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// One more operation than was counted may have been done by each that died in the middle, or is alive.
const SURVIVORS: u64 = 2;

/// Kills so many, and prints figures.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn hunt(kills: u64, command: &[&str]) -> Result<()> {
    let mut hunt = Hunt::new(command)?;
    while hunt.quarry.killed < kills {
        let wave = WAVE.min(kills - hunt.quarry.killed);
        for _ in 0..wave {
            hunt.kill_one()?;
        }
        hunt.look()?;
    }
    hunt.end()
}

struct Hunt {
    folder: PathBuf,
    shared: Shared,
    own: Vec<String>,
    other: Vec<String>,
    survivors: Vec<Prey>,
    victims: Vec<Prey>,
    quarry: Quarry,
    started: u64,
    random: u64,
    began: Instant,
    longest_probe: Duration,
    longest_place: Duration,
}

impl Hunt {
    fn new(command: &[&str]) -> Result<Self> {
        let folder = PathBuf::from(format!("/dev/shm/fuseboard-hunt-{}", process::id()));
        fs::create_dir(&folder)?;
        let shared = Shared::open(&folder.join("board"))?;
        let itself = std::env::current_exe()?;
        let itself = itself.to_str().context("a path of UTF-8")?.to_owned();
        let mut hunt = Self {
            folder,
            shared,
            own: vec![itself, String::from("victim")],
            other: command.iter().map(ToString::to_string).collect(),
            survivors: Vec::new(),
            victims: Vec::new(),
            quarry: Quarry::default(),
            started: 0,
            random: 0x2545_F491_4F6C_DD1D,
            began: Instant::now(),
            longest_probe: Duration::ZERO,
            longest_place: Duration::ZERO,
        };
        for _ in 0..SURVIVORS {
            let survivor = hunt.start()?;
            hunt.survivors.push(survivor);
        }
        Ok(hunt)
    }

    /// Starts a victim and waits until it is ready.
    fn start(&mut self) -> Result<Prey> {
        self.started += 1;
        let is_other = !self.other.is_empty() && self.started.is_multiple_of(2);
        let command = if is_other { &self.other } else { &self.own };
        let scratch = self.folder.join(format!("scratch-{}", self.started));
        Prey::start(command, &self.folder.join("board"), scratch, self.started)
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) % below
    }

    /// Kills one at a random moment; the survivors must go on.
    fn kill_one(&mut self) -> Result<()> {
        while self.victims.len() < AT_ONCE {
            let victim = self.start()?;
            self.victims.push(victim);
        }
        let before = self.progress()?;
        let moment = Duration::from_micros(self.draw(3_000));
        thread::sleep(moment);
        let chosen = self.draw(AT_ONCE as u64) as usize;
        let victim = self.victims.swap_remove(chosen);
        self.quarry.take(victim)?;
        let since = Instant::now();
        while self
            .progress()?
            .iter()
            .zip(&before)
            .any(|(now, then)| now <= then)
        {
            ensure!(since.elapsed() < PATIENCE, "a survivor waits for the dead");
            thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    fn progress(&self) -> Result<Vec<u64>> {
        let survivors = self.survivors.iter();
        survivors.map(|one| one.record.read(Word::Done)).collect()
    }

    /// Kills the rest of the wave, and looks whether anything is missing.
    fn look(&mut self) -> Result<()> {
        while let Some(victim) = self.victims.pop() {
            self.quarry.take(victim)?;
        }
        self.look_at_counts(SURVIVORS)?;
        // The survivors have two places each, at most.
        self.look_at_places(PLACES - 2 * SURVIVORS as u32)?;
        self.look_at_probes()?;
        self.look_at_names()
    }

    /// The totals are what all victims counted, and at most one more for each that died in the middle or is alive.
    fn look_at_counts(&self, alive: u64) -> Result<()> {
        let sum = |word: Word| -> Result<u64> {
            let living: Result<Vec<_>> = self
                .survivors
                .iter()
                .map(|one| one.record.read(word))
                .collect();
            Ok(self.quarry.of(word) + living?.iter().sum::<u64>())
        };
        let least = [sum(Word::Calls)?, sum(Word::Failures)?, sum(Word::Units)?];
        let totals = self.shared.count.snapshot().totals;
        let minutes = self.began.elapsed().as_secs() / 60 + 1;
        let units = crate::victim::BURST - self.shared.bucket.available();
        let found = [totals.calls, totals.failures, units];
        let most = [sum(Word::Calls)?, sum(Word::Failures)?, sum(Word::Units)?];
        let slack = self.quarry.in_the_middle() + alive;
        for (index, what) in ["calls", "failures", "units"].into_iter().enumerate() {
            // A unit comes back each minute.
            let refilled = if what == "units" { minutes } else { 0 };
            ensure!(
                found[index] + refilled >= least[index] && found[index] <= most[index] + slack,
                "{what}: {} on the board; the victims counted {} to {}, and {slack} may be missing",
                found[index],
                least[index],
                most[index]
            );
        }
        Ok(())
    }

    /// So many places can be had at once.
    fn look_at_places(&mut self, expected: u32) -> Result<()> {
        let since = Instant::now();
        loop {
            let places: Vec<_> = (0..expected)
                .map_while(|_| self.shared.places.try_acquire().ok())
                .collect();
            if places.len() == expected as usize {
                break;
            }
            drop(places);
            ensure!(
                since.elapsed() < PATIENCE,
                "{expected} places cannot be had; {} of {PLACES} are in flight",
                self.shared.places.in_flight()
            );
            thread::sleep(Duration::from_millis(1));
        }
        self.longest_place = self.longest_place.max(since.elapsed());
        Ok(())
    }

    /// Whatever probes the dead held, the breaker admits again when their lease is over.
    fn look_at_probes(&mut self) -> Result<()> {
        let since = Instant::now();
        while self.shared.trip.call_blocking(|| Ok::<_, ()>(())).is_err() {
            ensure!(
                since.elapsed() < PATIENCE,
                "`trip` admits nobody: {:?}",
                self.shared.trip.snapshot()
            );
            thread::sleep(Duration::from_micros(100));
        }
        self.longest_probe = self.longest_probe.max(since.elapsed());
        Ok(())
    }

    /// No name has two slots.
    fn look_at_names(&self) -> Result<()> {
        let names = self.shared.names();
        let distinct: BTreeSet<_> = names.iter().collect();
        ensure!(
            distinct.len() == names.len(),
            "a name has two slots: {names:?}"
        );
        Ok(())
    }

    /// The survivors go too, and then everything must be there.
    fn end(mut self) -> Result<()> {
        let survived: u64 = self.progress()?.iter().sum();
        while let Some(survivor) = self.survivors.pop() {
            self.quarry.take(survivor)?;
        }
        self.look_at_counts(0)?;
        self.look_at_places(PLACES)?;
        self.look_at_probes()?;
        self.look_at_names()?;
        ensure!(
            self.shared.places.in_flight() == 0,
            "places are taken by nobody"
        );
        let named = self.shared.names().len();
        for number in named..64 {
            let claim = self.shared.board().breaker(
                &format!("new-{number}"),
                fuseboard::CircuitBreakerConfig::default(),
            );
            claim.with_context(|| {
                format!("the slot of a dead draft is not free again, at {number}")
            })?;
        }
        let totals = self.shared.count.snapshot().totals;
        println!("{}", self.quarry);
        println!(
            "the two survivors did {survived} operations; calls counted {}, on the board {}; failures {}, {}",
            self.quarry.of(Word::Calls),
            totals.calls,
            self.quarry.of(Word::Failures),
            totals.failures,
        );
        println!(
            "after a wave, places came back within {:.1} ms, and a probe (lease {} ms) within {:.1} ms",
            self.longest_place.as_secs_f64() * 1e3,
            LEASE.as_millis(),
            self.longest_probe.as_secs_f64() * 1e3,
        );
        self.quarry.was_cruel()
    }
}

impl Drop for Hunt {
    fn drop(&mut self) {
        self.survivors.clear();
        self.victims.clear();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
