//! Text to a trace: the parser must answer, and what it could read is played on the pairs.

use std::collections::HashMap;

use fuseboard_conformance::parse::parse;
use fuseboard_conformance::trace::{
    BreakerSetting, Control, Item, Policy, Settling, Step, Verb, Window as TraceWindow,
};
use fuseboard_core::{Nanos, Outcome, State};
use fuseboard_model::breaker::{BACKOFF_ONE, Config, Window};

use crate::pair::breaker::{BreakerPair, Pair};
use crate::pair::limiter::{END, LimiterPair};

/// Operations played of one trace; a step may say `x4000000000`.
const OPERATIONS: u32 = 500;
/// Largest limit, queue or weight that is played: the models try one after the other.
const UNITS: u64 = 200;

/// Any bytes.
pub fn any(data: &[u8]) {
    match parse("fuzz.trace", data) {
        Ok(trace) => {
            let mut player = Player::default();
            for line in trace.lines {
                match line.item {
                    Item::Declaration(declaration) => {
                        player.declare(declaration.name, &declaration.policy);
                    }
                    Item::Step(step) => player.step(&step),
                }
            }
        }
        Err(error) => {
            let lines = data.split(|byte| *byte == b'\n').count();
            assert!(
                (1..=lines).contains(&error.line) && !error.expected.is_empty(),
                "an error names a line of the file and what could stand there: {error:?}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("fuzz.trace:{}: ", error.line))
            );
        }
    }
}

/// A policy, and the permits out under each name.
enum Played {
    Breaker(Box<BreakerPair>, HashMap<String, Vec<Pair>>),
    Limiter(LimiterPair),
}

struct Player {
    policies: HashMap<String, Played>,
    left: u32,
}

impl Default for Player {
    fn default() -> Self {
        Self {
            policies: HashMap::new(),
            left: OPERATIONS,
        }
    }
}

impl Player {
    fn declare(&mut self, name: String, policy: &Policy) {
        let limiter = match policy {
            Policy::Breaker(settings) => {
                let breaker = config(settings).and_then(BreakerPair::new);
                if let Some(breaker) = breaker {
                    let played = Played::Breaker(Box::new(breaker), HashMap::new());
                    self.policies.insert(name, played);
                }
                return;
            }
            Policy::TokenBucket { rate, burst } => {
                LimiterPair::token_bucket(rate.units, rate.per.get(), *burst)
            }
            Policy::LeakyBucket { rate, queue } if *queue <= UNITS => {
                LimiterPair::leaky_bucket(rate.units, rate.per.get(), *queue)
            }
            Policy::SlidingLog { limit, window } => LimiterPair::sliding_log(*limit, window.get()),
            Policy::SlidingCounter { limit, window } if u64::from(*limit) <= UNITS => {
                LimiterPair::sliding_counter(*limit, window.get())
            }
            Policy::FixedWindow { limit, window } if u64::from(*limit) <= UNITS => {
                LimiterPair::fixed_window((*limit).into(), window.get())
            }
            Policy::Concurrency { limit } => LimiterPair::concurrency(*limit),
            _ => None,
        };
        if let Some(limiter) = limiter {
            self.policies.insert(name, Played::Limiter(limiter));
        }
    }

    fn step(&mut self, step: &Step) {
        let Some(played) = self.policies.get_mut(&step.name) else {
            return;
        };
        let now = step.at.get();
        for _ in 0..step.times.min(self.left) {
            self.left -= 1;
            match played {
                Played::Breaker(breaker, permits) => {
                    on_breaker(breaker, permits, &step.verb, now);
                }
                Played::Limiter(limiter) if now <= END => on_limiter(limiter, &step.verb, now),
                Played::Limiter(_) => {}
            }
        }
    }
}

fn on_breaker(
    breaker: &mut BreakerPair,
    permits: &mut HashMap<String, Vec<Pair>>,
    verb: &Verb,
    now: u64,
) {
    let settle = |breaker: &mut BreakerPair, pair, settling: &Settling, now| match *settling {
        Settling::Outcome { outcome, weight } => {
            let weight = if outcome == Outcome::Failure {
                weight.min(UNITS as u32)
            } else {
                1
            };
            breaker.settle(pair, outcome, weight, now);
        }
        Settling::Drop | Settling::Release => {
            breaker.cancel(pair, now);
        }
    };
    match verb {
        Verb::AcquirePermit(name) => {
            let admitted = breaker.acquire(now);
            permits.entry(name.clone()).or_default().extend(admitted);
        }
        Verb::Settle(name, settling) => {
            if let Some(pair) = permits.get_mut(name).and_then(Vec::pop) {
                settle(breaker, pair, settling, now);
            }
        }
        Verb::Call { settling, took } => {
            if let Some(pair) = breaker.acquire(now) {
                settle(breaker, pair, settling, now.saturating_add(took.get()));
            }
        }
        Verb::Control(control) => {
            let (state, until) = match control {
                Control::ForceOpen { until } => (State::ForcedOpen, until.map(Nanos::get)),
                Control::Disable => (State::Disabled, None),
                Control::MetricsOnly => (State::MetricsOnly, None),
                Control::Reset => (State::Closed, None),
            };
            breaker.operate(state, until, now);
        }
        Verb::Configure(Policy::Breaker(settings)) => {
            if let Some(config) = config(settings) {
                breaker.configure(config, now);
            }
        }
        _ => {}
    }
}

fn on_limiter(limiter: &mut LimiterPair, verb: &Verb, now: u64) {
    match verb {
        Verb::Acquire { cost } if *cost > 0 => {
            limiter.acquire(*cost, now);
        }
        // A concurrency limit's.
        Verb::AcquirePermit(_) => {
            limiter.acquire(1, now);
        }
        Verb::Settle(..) => limiter.refund(1, now),
        Verb::Reserve { cost, max_wait } if *cost > 0 => {
            limiter.reserve(*cost, max_wait.map_or(u64::MAX, Nanos::get), now);
        }
        Verb::Refund { cost } => limiter.refund(*cost, now),
        Verb::Configure(
            Policy::SlidingCounter { limit, .. }
            | Policy::FixedWindow { limit, .. }
            | Policy::Concurrency { limit },
        ) if u64::from(*limit) <= UNITS => limiter.configure((*limit).into(), 0, now),
        _ => {}
    }
}

/// The settings in the model's numbers; `None` where the core would refuse them or the model does not know them.
fn config(settings: &[BreakerSetting]) -> Option<Config> {
    use BreakerSetting as Setting;
    const SECOND: u64 = 1_000_000_000;
    let ppm = |share: f64| {
        let legal = share > 0.0 && share <= 1.0;
        legal.then(|| ((share * 1e6).round() as u64).max(1))
    };
    let (mut successes, mut lease) = (None, None);
    let mut config = Config {
        failure_ppm: 500_000,
        minimum: 20,
        open_timeout: 30 * SECOND,
        open_timeout_max: 600 * SECOND,
        backoff: BACKOFF_ONE,
        jitter_ppm: 0,
        jitter_seed: 0,
        ramp_up: 0,
        half_open_requests: 3,
        half_open_successes: 3,
        half_open_failures: 0,
        probe_lease: 0,
        window: Window::Time {
            slot: SECOND,
            slots: 10,
        },
        slow_call: None,
        slow_ppm: 1_000_000,
        count_overdue: false,
    };
    for setting in settings {
        match *setting {
            Setting::FailureThreshold(share) => config.failure_ppm = ppm(share)?,
            Setting::MinimumRequests(calls) => config.minimum = calls,
            Setting::OpenTimeout(timeout) => config.open_timeout = timeout.get(),
            Setting::HalfOpenRequests(probes) => config.half_open_requests = probes,
            Setting::Window(window) => config.window = model_window(window)?,
            Setting::SlowCallDuration(limit) => config.slow_call = Some(limit.get()),
            Setting::SlowCallThreshold(share) => config.slow_ppm = ppm(share)?,
            Setting::CountOverdue(is_on) => config.count_overdue = is_on,
            Setting::HalfOpenSuccesses(probes) => successes = Some(probes),
            Setting::HalfOpenFailures(probes) => config.half_open_failures = probes,
            Setting::ProbeLease(time) => lease = Some(time.get()),
            Setting::OpenBackoff(factor) => {
                if !(1.0..=100.0).contains(&factor) {
                    return None;
                }
                config.backoff = (factor * BACKOFF_ONE as f64).round() as u64;
            }
            Setting::OpenTimeoutMax(timeout) => config.open_timeout_max = timeout.get(),
            Setting::OpenJitter(share) => {
                config.jitter_ppm = if share == 0.0 { 0 } else { ppm(share)? };
            }
            Setting::RampUp(time) => config.ramp_up = time.get(),
        }
    }
    if let Window::Count(size) = config.window
        && config.minimum <= 1_000_000
    {
        config.minimum = config.minimum.min(size as u64);
    }
    config.half_open_successes = successes.unwrap_or(config.half_open_requests);
    config.probe_lease = lease.unwrap_or(config.open_timeout);
    Some(config)
}

fn model_window(window: TraceWindow) -> Option<Window> {
    Some(match window {
        TraceWindow::Time { length, slots } => Window::Time {
            slot: length.get().checked_div(slots.into())?,
            slots: slots.into(),
        },
        TraceWindow::Count(calls) => Window::Count(calls as usize),
        TraceWindow::Consecutive(calls) => Window::Consecutive(calls.into()),
        TraceWindow::Decay { half_life } => Window::Decay {
            slot: half_life.get() / 2,
            slots: 10,
            steps: 2,
        },
    })
}
