//! The breaker's model.

use fuseboard_core::{Counts, Nanos, Outcome, Reason, Rejected, Settled, State};

/// A back-off factor of one.
pub const BACKOFF_ONE: u64 = 1 << 20;
/// A whole admission, as the ramp counts them.
const ADMISSION: u64 = 1 << 26;

/// The window, in plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// `slots` slots of `slot` nanoseconds.
    Time {
        /// Length of one slot, nanoseconds.
        slot: u64,
        /// How many slots.
        slots: u64,
    },
    /// The last so many calls.
    Count(usize),
    /// So many in a row.
    Consecutive(u64),
    /// `slots` slots of `slot` nanoseconds, `steps` of them a half-life.
    Decay {
        /// Length of one slot, nanoseconds.
        slot: u64,
        /// How many slots.
        slots: u64,
        /// Slots in a half-life.
        steps: u64,
    },
}

/// The settings, in plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Failed share that trips, in parts per million.
    pub failure_ppm: u64,
    /// Calls below which nothing is judged.
    pub minimum: u64,
    /// Open time, nanoseconds.
    pub open_timeout: u64,
    /// Longest open time that back-off reaches.
    pub open_timeout_max: u64,
    /// Back-off factor, in units of 1 / [`BACKOFF_ONE`].
    pub backoff: u64,
    /// Largest share that an open time is lengthened by, in parts per million.
    pub jitter_ppm: u64,
    /// Where the jitter's draws start.
    pub jitter_seed: u64,
    /// How long the admitted share rises after closing, nanoseconds; 0 is off.
    pub ramp_up: u64,
    /// Probes in flight at once.
    pub half_open_requests: u32,
    /// Successful probes that close.
    pub half_open_successes: u32,
    /// Failed probes tolerated.
    pub half_open_failures: u32,
    /// Lease of a probe, nanoseconds.
    pub probe_lease: u64,
    /// The window.
    pub window: Window,
    /// A call that took longer is slow; `None` is off.
    pub slow_call: Option<u64>,
    /// Slow share that trips, in parts per million.
    pub slow_ppm: u64,
    /// Calls in flight for longer than `slow_call` are judged as slow ones.
    pub count_overdue: bool,
}

/// A permit of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permit {
    generation: u64,
    state: State,
    started: u64,
    /// The slot in which it is counted in flight.
    in_flight_since: Option<u64>,
}

impl Permit {
    /// The generation that admitted the call.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the call is a probe.
    pub fn is_probe(&self) -> bool {
        self.state == State::HalfOpen
    }
}

/// A call that was counted and is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    generation: u64,
    /// It failed or was slow.
    bad: bool,
    /// Calls before it, in the window's units.
    calls_before: u64,
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    tick: u64,
    failed: bool,
    slow: bool,
}

/// The breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breaker {
    /// The settings; changing them here is `configure`.
    pub config: Config,
    state: State,
    generation: u64,
    openings: u32,
    /// When a forced opening ends.
    until: Option<u64>,
    /// What the ramp owes the next call, while it rises.
    credit: Option<u64>,
    /// When a generation began, kept by its parity: moments only grow.
    moments: [u64; 2],
    in_flight: u32,
    successes: u32,
    failures: u32,
    entries: Vec<Entry>,
    newest_tick: u64,
    /// The slots in which the calls in flight began.
    flying: Vec<u64>,
    /// Every call ever counted.
    pub total: Counts,
    /// Requests not admitted.
    pub rejected: u64,
    /// Calls without an outcome.
    pub ignored: u64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Closed,
            generation: 0,
            openings: 0,
            until: None,
            credit: None,
            moments: [0, 0],
            in_flight: 0,
            successes: 0,
            failures: 0,
            entries: Vec::new(),
            newest_tick: 0,
            flying: Vec::new(),
            total: Counts::default(),
            rejected: 0,
            ignored: 0,
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// State changes so far.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The probes of this round: in flight, succeeded, failed.
    pub fn round(&self) -> [u32; 3] {
        [self.in_flight, self.successes, self.failures]
    }

    /// Probes in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn moment(&mut self) -> &mut u64 {
        &mut self.moments[(self.generation % 2) as usize]
    }

    fn change(&mut self, state: State, now: u64) {
        self.generation += 1;
        self.state = state;
        self.credit = None;
        self.in_flight = 0;
        self.successes = 0;
        self.failures = 0;
        self.entries.clear();
        self.flying.clear();
        self.touch(now);
    }

    fn touch(&mut self, now: u64) {
        let moment = self.moment();
        *moment = (*moment).max(now);
    }

    fn open_duration(&self) -> u64 {
        let cap = self.config.open_timeout_max.max(self.config.open_timeout);
        let mut duration = self.config.open_timeout;
        for _ in 0..self.openings.min(63) {
            let grown =
                u128::from(duration) * u128::from(self.config.backoff) / u128::from(BACKOFF_ONE);
            duration = grown.min(u128::from(cap)) as u64;
        }
        let spread = u128::from(duration) * u128::from(self.config.jitter_ppm) / 1_000_000;
        // Generations are 28 bits wide, and this is the first output of splitmix64.
        let seed = self.config.jitter_seed ^ (self.generation % (1 << 28));
        let mut draw = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        draw = (draw ^ (draw >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        draw ^= draw >> 31;
        duration.saturating_add(((spread * u128::from(draw)) >> 64) as u64)
    }

    /// Whether the ramp admits a call, else how long it still rises.
    fn ramp(&mut self, now: u64) -> Option<u64> {
        let credit = self.credit?;
        let (elapsed, whole) = (now.saturating_sub(*self.moment()), self.config.ramp_up);
        if elapsed >= whole {
            self.credit = None;
            return None;
        }
        let tenth = ADMISSION / 10;
        let risen = u128::from(ADMISSION - tenth) * u128::from(elapsed) / u128::from(whole);
        let credit = credit + tenth + risen as u64;
        if credit < ADMISSION {
            self.credit = Some(credit);
            return Some(whole - elapsed);
        }
        self.credit = Some((credit - ADMISSION).max(1));
        None
    }

    /// Takes over everything but the window.
    pub fn configure(&mut self, config: Config) {
        let window = self.config.window;
        self.config = Config { window, ..config };
    }

    /// Asks for admission.
    ///
    /// # Errors
    /// As the real one.
    pub fn acquire(&mut self, now: u64) -> Result<Permit, Rejected> {
        self.judge_overdue(now);
        let wait = match self.state {
            State::Closed => self.ramp(now).map(|wait| (Reason::Ramping, wait)),
            State::Disabled | State::MetricsOnly => None,
            State::ForcedOpen => match self.until {
                None => {
                    self.rejected += 1;
                    return Err(Rejected {
                        reason: Reason::ForcedOpen,
                        retry_after: None,
                    });
                }
                Some(until) if now < until => Some((Reason::ForcedOpen, until - now)),
                Some(_) => {
                    self.openings = 0;
                    self.change(State::HalfOpen, now);
                    self.in_flight = 1;
                    None
                }
            },
            State::Open => {
                let deadline = self.moment().saturating_add(self.open_duration());
                if now < deadline {
                    Some((Reason::Open, deadline - now))
                } else {
                    self.change(State::HalfOpen, now);
                    self.in_flight = 1;
                    None
                }
            }
            State::HalfOpen => {
                let wanted = self
                    .config
                    .half_open_requests
                    .max(self.config.half_open_successes);
                if self.in_flight < self.config.half_open_requests
                    && self.in_flight + self.successes < wanted
                {
                    self.in_flight += 1;
                    self.touch(now);
                    None
                } else {
                    let deadline = self.moment().saturating_add(self.config.probe_lease);
                    if now < deadline {
                        Some((Reason::HalfOpenFull, deadline - now))
                    } else {
                        self.change(State::HalfOpen, now);
                        self.in_flight = 1;
                        None
                    }
                }
            }
        };
        match wait {
            None => {
                let in_flight_since = self.enter(now);
                let slot = self.slot().map_or(0, |(slot, _)| slot);
                Ok(Permit {
                    generation: self.generation,
                    state: self.state,
                    started: in_flight_since.map_or(now, |tick| now.max(tick * slot)),
                    in_flight_since,
                })
            }
            Some((reason, wait)) => {
                self.rejected += 1;
                Err(Rejected {
                    reason,
                    retry_after: Some(Nanos::new(wait)),
                })
            }
        }
    }

    /// Settles a permit; `weight` counts for failures.
    pub fn settle(&mut self, permit: Permit, outcome: Outcome, weight: u32, now: u64) -> Settled {
        if permit.generation != self.generation {
            return Settled::Stale;
        }
        if let Some(tick) = permit.in_flight_since
            && let Some(at) = self.flying.iter().position(|&flying| flying == tick)
        {
            self.flying.swap_remove(at);
        }
        let slow = self.is_slow(permit, now);
        match permit.state {
            State::HalfOpen => {
                self.in_flight -= 1;
                match outcome {
                    // Neutral: it decides nothing, whatever the bounds have become meanwhile.
                    Outcome::Ignored => {
                        self.ignored += 1;
                        return Settled::Recorded;
                    }
                    Outcome::Success if !slow => self.successes += 1,
                    Outcome::Success => self.failures += 1,
                    Outcome::Failure => self.failures += weight,
                }
                if self.failures > self.config.half_open_failures {
                    self.openings = (self.openings + 1).min(63);
                    self.change(State::Open, now);
                } else if self.successes >= self.config.half_open_successes {
                    self.openings = 0;
                    self.change(State::Closed, now);
                    // The first call passes.
                    self.credit = (self.config.ramp_up > 0).then_some(ADMISSION);
                }
            }
            _ if outcome == Outcome::Ignored => self.ignored += 1,
            State::Disabled => {}
            _ => {
                let tick = self.show(now);
                let recorded = self.record(permit, outcome, weight, now, tick);
                if recorded.is_some_and(|recorded| self.judges_bad(recorded)) {
                    self.trip(now);
                }
            }
        }
        Settled::Recorded
    }

    // A call's end in its moments, for those who put other operations between them.

    /// The tick in which an outcome at `now` counts: the latest that the window was shown.
    pub fn show(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.newest_tick
    }

    /// Counts a call of this generation in `tick`; `None`: the generation is over, and nothing is counted.
    pub fn record(
        &mut self,
        permit: Permit,
        outcome: Outcome,
        weight: u32,
        now: u64,
        tick: u64,
    ) -> Option<Recorded> {
        if permit.generation != self.generation {
            return None;
        }
        let slow = self.is_slow(permit, now);
        let failed = outcome == Outcome::Failure;
        let weight = if failed { weight } else { 1 };
        let calls_before = self.weighed(0).calls;
        for _ in 0..weight {
            self.entries.push(Entry { tick, failed, slow });
        }
        self.total.calls += u64::from(weight);
        self.total.failures += u64::from(weight) * u64::from(failed);
        self.total.slow += u64::from(weight) * u64::from(slow);
        Some(Recorded {
            generation: permit.generation,
            bad: failed || slow,
            calls_before,
            at: now,
        })
    }

    /// Whether the generation of a counted call still stands, closed, so that it could trip.
    pub fn can_trip(&self, recorded: Recorded) -> bool {
        self.state == State::Closed && self.generation == recorded.generation
    }

    /// Whether what the window now holds is too bad, for the one who counted this call.
    pub fn judges_bad(&self, recorded: Recorded) -> bool {
        if !self.can_trip(recorded) {
            return false;
        }
        let overdue = self.overdue(recorded.at);
        let mut counts = self.weighed(0);
        counts.calls += overdue;
        counts.slow += overdue;
        if let Window::Consecutive(limit) = self.config.window {
            return counts.failures >= limit || counts.slow >= limit;
        }
        let minimum = self.config.minimum * self.one();
        (recorded.bad || recorded.calls_before < minimum) && self.too_many(counts)
    }

    /// Opens.
    pub fn trip(&mut self, now: u64) {
        self.openings = 0;
        self.change(State::Open, now);
    }

    /// A request or an outcome at `now` was about to change the state and was overtaken: its time counts for the change
    /// that overtook it.
    pub fn overtaken(&mut self, now: u64) {
        self.touch(now);
    }

    /// The moment from which this generation's time counts.
    pub fn since(&self) -> u64 {
        self.moments[(self.generation % 2) as usize]
    }

    /// As [`acquire`](Self::acquire), by a caller who looked at the moment when it was still `since`.
    ///
    /// # Errors
    /// As `acquire`.
    pub fn acquire_since(&mut self, since: u64, now: u64) -> Result<Permit, Rejected> {
        let parity = (self.generation % 2) as usize;
        let later = std::mem::replace(&mut self.moments[parity], since);
        let result = self.acquire(now);
        self.moments[parity] = self.moments[parity].max(later);
        result
    }

    /// Empties the window of the generation that is about to end.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn is_slow(&self, permit: Permit, now: u64) -> bool {
        self.config
            .slow_call
            .is_some_and(|limit| now.saturating_sub(permit.started) > limit)
    }

    fn too_many(&self, counts: Counts) -> bool {
        counts.calls >= self.config.minimum * self.one()
            && (reaches(counts.failures, counts.calls, self.config.failure_ppm)
                || counts.slow > 0 && reaches(counts.slow, counts.calls, self.config.slow_ppm))
    }

    /// Length and number of a time window's slots.
    fn slot(&self) -> Option<(u64, u64)> {
        match self.config.window {
            Window::Time { slot, slots } | Window::Decay { slot, slots, .. } => Some((slot, slots)),
            _ => None,
        }
    }

    /// Slots that have left the window take the calls in flight that began in them along.
    fn advance(&mut self, now: u64) {
        if let Some((slot, slots)) = self.slot() {
            self.newest_tick = self.newest_tick.max(now / slot);
            let newest = self.newest_tick;
            self.flying.retain(|tick| newest - tick < slots);
        }
    }

    fn enter(&mut self, now: u64) -> Option<u64> {
        let counts = matches!(self.state, State::Closed | State::MetricsOnly);
        (self.config.count_overdue && counts).then(|| {
            self.advance(now);
            self.flying.push(self.newest_tick);
            self.newest_tick
        })
    }

    /// Calls that began in a slot that ended at least the slow limit ago, weighed as the window weighs.
    pub fn overdue(&self, now: u64) -> u64 {
        let (Some((slot, slots)), Some(limit)) = (self.slot(), self.config.slow_call) else {
            return 0;
        };
        let newest = self.newest_tick.max(now / slot);
        let over = |tick: u64| u128::from(tick + 1) * u128::from(slot) + u128::from(limit);
        let began = |tick: u64| over(tick) <= u128::from(now);
        let ages = self
            .flying
            .iter()
            .filter(|&&tick| began(tick))
            .map(|tick| newest - tick);
        ages.filter(|&age| age < slots)
            .map(|age| self.weight(age))
            .sum()
    }

    fn judge_overdue(&mut self, now: u64) {
        let overdue = self.overdue(now);
        let mut counts = self.weighed(now);
        counts.calls += overdue;
        counts.slow += overdue;
        if self.state == State::Closed && overdue > 0 && self.too_many(counts) {
            self.trip(now);
        }
    }

    /// Units in a call that is so many slots old.
    fn weight(&self, age: u64) -> u64 {
        match self.config.window {
            // The fraction of a step is rounded, whole half-lives are cut.
            Window::Decay { steps, .. } => {
                let fraction = 0.5_f64.powf((age % steps) as f64 / steps as f64);
                ((fraction * 65_536.0).round() as u64) >> (age / steps)
            }
            _ => 1,
        }
    }

    /// Units in one call.
    fn one(&self) -> u64 {
        if let Window::Decay { .. } = self.config.window {
            65_536
        } else {
            1
        }
    }

    /// The window's content in whole calls, rounded to the nearest.
    pub fn window(&self, now: u64) -> Counts {
        let (held, one) = (self.weighed(now), self.one());
        let round = |count: u64| (count + one / 2) / one;
        Counts {
            calls: round(held.calls),
            failures: round(held.failures),
            slow: round(held.slow),
        }
    }

    /// The window's content as it is judged.
    fn weighed(&self, now: u64) -> Counts {
        let weigh = |slot: u64, slots: u64| {
            let newest = self.newest_tick.max(now / slot);
            let mut sum = Counts::default();
            for entry in &self.entries {
                let age = newest - entry.tick;
                if age < slots {
                    sum.calls += self.weight(age);
                    sum.failures += self.weight(age) * u64::from(entry.failed);
                    sum.slow += self.weight(age) * u64::from(entry.slow);
                }
            }
            sum
        };
        match self.config.window {
            Window::Time { slot, slots } | Window::Decay { slot, slots, .. } => weigh(slot, slots),
            Window::Count(size) => {
                let inside = self.entries.iter().rev().take(size);
                let count =
                    |hit: fn(&Entry) -> bool| inside.clone().filter(|&entry| hit(entry)).count();
                Counts {
                    calls: inside.clone().count() as u64,
                    failures: count(|entry| entry.failed) as u64,
                    slow: count(|entry| entry.slow) as u64,
                }
            }
            Window::Consecutive(_) => {
                let run = |hit: fn(&Entry) -> bool| {
                    self.entries
                        .iter()
                        .rev()
                        .take_while(|entry| hit(entry))
                        .count() as u64
                };
                let (failures, slow) = (run(|entry| entry.failed), run(|entry| entry.slow));
                Counts {
                    calls: failures.max(slow),
                    failures,
                    slow,
                }
            }
        }
    }

    /// An operator's change.
    pub fn operate(&mut self, state: State, now: u64) {
        self.openings = 0;
        self.until = None;
        self.change(state, now);
    }

    /// Saved at `now` and restored, `away` later, on a clock that shows `now` again.
    pub fn restart(&mut self, away: u64, now: u64) {
        let moment = *self.moment();
        let moment = now.saturating_sub(now.saturating_sub(moment).saturating_add(away));
        self.until = self
            .until
            .map(|until| now.saturating_add(until.saturating_sub(now).saturating_sub(away)));
        self.generation += 1;
        self.moments = [0, 0];
        *self.moment() = moment;
        self.credit = None;
        (self.in_flight, self.successes, self.failures) = (0, 0, 0);
        self.flying.clear();
        let counting = matches!(self.state, State::Closed | State::MetricsOnly);
        if let Window::Time { slot, slots } | Window::Decay { slot, slots, .. } = self.config.window
        {
            let saved_at = self.newest_tick.max(now / slot);
            self.newest_tick = now / slot;
            let newest = self.newest_tick;
            self.entries.retain_mut(|entry| {
                let age = (saved_at - entry.tick).saturating_add(away / slot);
                entry.tick = newest.wrapping_sub(age);
                age < slots && age <= newest
            });
        }
        if !counting {
            self.entries.clear();
        }
    }

    /// Forced open until a moment.
    pub fn force_open_until(&mut self, until: u64, now: u64) {
        self.operate(State::ForcedOpen, now);
        self.until = Some(until.max(now));
    }
}

fn reaches(part: u64, whole: u64, ppm: u64) -> bool {
    part * 1_000_000 >= whole * ppm
}
