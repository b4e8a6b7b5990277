//! Breakers with each kind of window: outcomes, cancels, panics, lost permits, handles, manual verbs and new settings.

mod own;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};

use fuseboard_core::{
    Cause, CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, RawPermit, State,
    Transition, Window,
};

use crate::storm::Walker;
pub use crate::storm::breaker::own::Held;
use crate::storm::breaker::own::{Breaker, Own};

// Relaxed throughout: the counters bound what the core did, and each says why its order of counting is enough.
const ORDER: Ordering = Ordering::Relaxed;

/// Generations of a round that are followed one by one.
const GENERATIONS: usize = 1 << 14;
const MILLISECOND: u64 = 1_000_000;
const OPEN: u64 = 2 * MILLISECOND;
const LEASE: u64 = 3 * MILLISECOND;
const PROBES: u32 = 3;
const SUCCESSES: u32 = 4;

/// One breaker for each kind of window.
pub struct Breakers {
    all: Vec<Watched>,
}

pub struct Watched {
    breaker: Breaker,
    config: CircuitBreakerConfig,
    told: Told,
    rounds: Vec<Round>,
    attempts: AtomicU64,
    admitted: AtomicU64,
    cancelled: AtomicU64,
    /// Calls whose outcome was counted, by their weight.
    counted: AtomicU64,
}

/// What is known of one generation's half-open round, each number counted on the safe side.
#[derive(Default)]
struct Round {
    /// Counted after the admission and before the settling: never more than there are.
    in_flight: AtomicU32,
    /// Counted after the admission: never more than there were.
    given: AtomicU32,
    /// Failed or cancelled; counted before the settling: never fewer than there were.
    given_back: AtomicU32,
}

#[derive(Default)]
struct Told(Mutex<Vec<Transition>>);

impl Observer for Told {
    fn transition(&self, transition: &Transition) {
        self.0.lock().expect("no panic inside").push(*transition);
    }
}

fn config(window: Window) -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .window(window)
        .minimum_requests(10)
        .open_timeout(Nanos::new(OPEN))
        .open_timeout_max(Nanos::new(4 * OPEN))
        .open_backoff(1.5)
        .open_jitter(0.2)
        .probe_lease(Some(Nanos::new(LEASE)))
        .half_open_requests(PROBES)
        .half_open_successes(Some(SUCCESSES))
        .half_open_failures(1)
        .slow_call_duration(Some(Nanos::new(4 * MILLISECOND)))
        .slow_call_threshold(0.8)
}

fn generation(permit: RawPermit) -> usize {
    // The layout of the words is documented: the generation stands above three bits of purpose.
    (permit.to_words()[0] >> 3) as usize
}

impl Breakers {
    pub fn new(round: u64) -> Self {
        let time = Window::Time {
            length: Nanos::new(20 * MILLISECOND),
            slots: 10,
        };
        let decay = Window::Decay {
            half_life: Nanos::new(10 * MILLISECOND),
        };
        let windows = [time, Window::Count(60), Window::Consecutive(4), decay];
        let ramp = Nanos::new(if round.is_multiple_of(3) {
            MILLISECOND
        } else {
            0
        });
        let watched = |config: CircuitBreakerConfig| Watched {
            breaker: CircuitBreaker::try_new(config).expect("good settings"),
            config,
            told: Told::default(),
            rounds: (0..GENERATIONS).map(|_| Round::default()).collect(),
            attempts: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        };
        let plain = windows.map(|window| watched(config(window).ramp_up(ramp)));
        let mut all = Vec::from(plain);
        all.push(watched(config(time).count_overdue(true)));
        Self { all }
    }

    /// What a thread holds when it begins.
    pub fn begin(&self) -> Held<'_> {
        let handles = self.all.iter().map(|watched| Own {
            watched,
            handle: watched.breaker.handle(),
        });
        Held {
            permits: Vec::new(),
            handles: handles.collect(),
        }
    }

    pub fn step<'a>(&'a self, held: &mut Held<'a>, walker: &mut Walker<'_>) {
        let index = walker.random.below(self.all.len() as u64) as usize;
        let watched = &self.all[index];
        let own = &mut held.handles[index];
        if walker.random.once_in(50) {
            // Given back first, for another thread to take.
            own.handle = None;
            own.handle = watched.breaker.handle();
        }
        match walker.random.below(100) {
            0..45 => {
                if let Some(permit) = own.acquire_counted(walker) {
                    held.permits.push((index, permit));
                }
            }
            45..90 if !held.permits.is_empty() => {
                let place = walker.random.below(held.permits.len() as u64) as usize;
                let (index, permit) = held.permits.swap_remove(place);
                // Lost, as by a caller that was killed.
                if !walker.random.once_in(40) {
                    held.handles[index].settle(permit, walker);
                }
            }
            90..96 => own.protected_call(walker),
            96 if walker.random.once_in(20) => watched.operate(walker),
            97 => {
                let config = watched
                    .config
                    .minimum_requests(5 + walker.random.below(20))
                    .failure_threshold(0.3 + walker.random.below(5) as f64 / 10.0);
                let taken = watched.breaker.configure(config);
                walker.require(taken.is_ok(), "R6", || format!("configure: {taken:?}"));
            }
            _ => watched.look(walker),
        }
    }

    /// Half of what a thread holds is settled late, the other half never.
    pub fn end(held: Held<'_>, walker: &mut Walker<'_>) {
        for (place, (index, permit)) in held.permits.into_iter().enumerate() {
            if place % 2 == 0 {
                held.handles[index].settle(permit, walker);
            }
        }
    }

    /// Nobody calls any more: sums are exact, the story of the states is whole, and each breaker closes again.
    pub fn silence(&self, walker: &mut Walker<'_>) {
        for watched in &self.all {
            watched.check_sums(walker);
            watched.check_story(walker);
            watched.check_recovery(walker);
            watched.check_trip(walker);
        }
    }
}

impl Watched {
    fn given(&self, permit: RawPermit, walker: &Walker<'_>) {
        let Some(round) = self.rounds.get(generation(permit)) else {
            return;
        };
        if !permit.is_probe() {
            return;
        }
        // SeqCst: a reading of `in_flight` must not be older than the settlings that it depends on.
        let in_flight = round.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        let given = round.given.fetch_add(1, Ordering::SeqCst) + 1;
        let given_back = round.given_back.load(Ordering::SeqCst);
        walker.require(in_flight <= PROBES, "B3", || {
            format!("{in_flight} probes in flight, {PROBES} are allowed")
        });
        walker.require(given <= SUCCESSES.max(PROBES) + given_back, "B3", || {
            format!("{given} probes in one round, {given_back} of them failed or cancelled")
        });
    }

    fn giving_back(&self, permit: RawPermit, neutral: bool) {
        if let Some(round) = self.rounds.get(generation(permit))
            && permit.is_probe()
        {
            round.in_flight.fetch_sub(1, Ordering::SeqCst);
            if neutral {
                round.given_back.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn operate(&self, walker: &mut Walker<'_>) {
        let now = walker.now();
        match walker.random.below(5) {
            0 => self.breaker.disable(now, &self.told),
            1 => self.breaker.metrics_only(now, &self.told),
            2 => {
                let until = now.saturating_add(Nanos::new(OPEN));
                self.breaker.force_open_until(until, now, &self.told);
            }
            _ => self.breaker.reset(now, &self.told),
        }
    }

    fn look(&self, walker: &mut Walker<'_>) {
        let snapshot = self.breaker.snapshot(walker.now());
        let window = snapshot.window;
        walker.require(
            window.failures <= window.calls && window.slow <= window.calls,
            "W2",
            || format!("{window:?}"),
        );
        walker.require(snapshot.in_flight <= PROBES, "B3", || {
            format!("{snapshot:?}")
        });
    }

    fn check_sums(&self, walker: &mut Walker<'_>) {
        let snapshot = self.breaker.snapshot(walker.now());
        let totals = snapshot.totals;
        let (attempts, admitted) = (self.attempts.load(ORDER), self.admitted.load(ORDER));
        walker.require(admitted + totals.rejected == attempts, "O1", || {
            format!(
                "{admitted} admitted and {} rejected of {attempts}",
                totals.rejected
            )
        });
        let cancelled = self.cancelled.load(ORDER);
        walker.require(totals.ignored == cancelled, "O1 P2", || {
            format!("{cancelled} cancelled, {} counted as such", totals.ignored)
        });
        let counted = self.counted.load(ORDER);
        walker.require(totals.calls == counted, "W3", || {
            format!(
                "{counted} calls recorded, {} counted: {:?}",
                totals.calls, self.config
            )
        });
    }

    /// Each generation was told once, began where the one before ended, and no probe came before its time.
    fn check_story(&self, walker: &mut Walker<'_>) {
        let mut told = self.told.0.lock().expect("no panic inside").clone();
        told.sort_by_key(|transition| transition.generation);
        let generations = self.breaker.snapshot(walker.now()).generation as usize;
        walker.require(told.len() == generations, "B2 B15", || {
            format!("{generations} changes, {} told", told.len())
        });
        let (mut from, mut began) = (State::Closed, Nanos::ZERO);
        for (index, transition) in told.iter().enumerate() {
            let number = transition.generation as usize;
            walker.require(
                number == index + 1 && transition.from == from,
                "B1 B2",
                || format!("change {} from {from:?}: {transition:?}", index + 1),
            );
            let legal = transition.cause == Cause::Manual
                || matches!(
                    (transition.from, transition.to),
                    (State::Closed, State::Open)
                        | (
                            State::Open | State::HalfOpen | State::ForcedOpen,
                            State::HalfOpen
                        )
                        | (State::HalfOpen, State::Closed | State::Open)
                );
            walker.require(legal, "B1", || format!("{transition:?}"));
            let wait = match (transition.from, transition.to, transition.cause) {
                (State::Open, State::HalfOpen, _) => OPEN,
                _ => 0,
            };
            walker.require(
                transition.at >= began.saturating_add(Nanos::new(wait)) || wait == 0,
                "B7",
                || format!("opened at {began}, probed at {}", transition.at),
            );
            (from, began) = (transition.to, transition.at);
        }
    }

    /// B10: without any operator, time and good calls close it in a few steps.
    fn check_recovery(&self, walker: &mut Walker<'_>) {
        let mut now = walker.clock.after_all();
        if matches!(self.breaker.state(), State::Disabled | State::MetricsOnly) {
            self.breaker.reset(Nanos::new(now), &());
        }
        let most = 4 * u64::from(SUCCESSES) + 8;
        for _ in 0..most {
            if self.breaker.state() == State::Closed {
                break;
            }
            now += 10 * OPEN + LEASE;
            if let Ok(permit) = self.breaker.try_acquire(Nanos::new(now)) {
                permit.success(Nanos::new(now));
            }
        }
        let state = self.breaker.state();
        walker.require(state == State::Closed, "B10", || {
            format!(
                "{state:?} after {most} good calls: {:?}",
                self.breaker.snapshot(Nanos::new(now))
            )
        });
    }

    /// B8, H1: failures that reach the minimum together trip the breaker, whichever of the threads have a handle.
    fn check_trip(&self, walker: &mut Walker<'_>) {
        let now = Nanos::new(walker.clock.after_all() + 200 * (10 * OPEN + LEASE));
        let taken = self.breaker.configure(self.config.minimum_requests(4));
        self.breaker.reset(now, &());
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own = Own {
                        watched: self,
                        handle: self.breaker.handle(),
                    };
                    let permit = own.acquire(now);
                    barrier.wait();
                    if let Ok(permit) = permit {
                        let _ = own.settle_weighted(permit, Outcome::Failure, 1, now);
                    }
                });
            }
        });
        let snapshot = self.breaker.snapshot(now);
        walker.require(
            taken.is_ok() && snapshot.state == State::Open,
            "B8 H1",
            || format!("four failures of four calls: {snapshot:?}"),
        );
    }
}
