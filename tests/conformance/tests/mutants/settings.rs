//! Faults that are other settings than those asked for.

use std::mem::discriminant;

use fuseboard_conformance::host::rust::RustHost;
use fuseboard_conformance::host::{Admission, Answer, Host, PermitId, Refusal};
use fuseboard_conformance::trace::{
    BreakerSetting as Setting, Control, Policy, Rate, Settling, Window,
};
use fuseboard_core::{Nanos, State};

/// Changes the settings of one policy; `index` counts the declarations of a trace.
pub type Bend = fn(&mut Policy, usize);

/// The Rust host, given other settings than the trace's.
pub struct Bent {
    bend: Bend,
    names: Vec<String>,
    inner: RustHost,
}

impl Bent {
    pub fn new(bend: Bend) -> Self {
        Self {
            bend,
            names: Vec::new(),
            inner: RustHost::default(),
        }
    }

    fn bent(&mut self, name: &str, policy: &Policy) -> Policy {
        let known = self.names.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let mut policy = policy.clone();
        (self.bend)(&mut policy, index);
        policy
    }
}

impl Host for Bent {
    fn name(&self) -> &'static str {
        "bent"
    }

    fn declare(&mut self, name: &str, policy: &Policy) -> Result<(), Refusal> {
        let policy = self.bent(name, policy);
        self.inner.declare(name, &policy)
    }

    fn configure(&mut self, name: &str, policy: &Policy, now: Nanos) -> Result<(), Refusal> {
        let policy = self.bent(name, policy);
        self.inner.configure(name, &policy, now)
    }

    fn acquire_permit(&mut self, name: &str, permit: PermitId, now: Nanos) -> Answer<Admission> {
        self.inner.acquire_permit(name, permit, now)
    }

    fn settle(
        &mut self,
        name: &str,
        permit: PermitId,
        settling: Settling,
        now: Nanos,
    ) -> Answer<bool> {
        self.inner.settle(name, permit, settling, now)
    }

    fn control(&mut self, name: &str, control: Control, now: Nanos) -> Answer<()> {
        self.inner.control(name, control, now)
    }

    fn acquire(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<Admission> {
        self.inner.acquire(name, cost, now)
    }

    fn reserve(
        &mut self,
        name: &str,
        cost: u64,
        max_wait: Option<Nanos>,
        now: Nanos,
    ) -> Answer<Admission> {
        self.inner.reserve(name, cost, max_wait, now)
    }

    fn refund(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<()> {
        self.inner.refund(name, cost, now)
    }

    fn state(&mut self, name: &str, now: Nanos) -> Answer<State> {
        self.inner.state(name, now)
    }

    fn available(&mut self, name: &str, now: Nanos) -> Answer<u64> {
        self.inner.available(name, now)
    }

    fn in_flight(&mut self, name: &str, now: Nanos) -> Answer<u32> {
        self.inner.in_flight(name, now)
    }
}

/// The faults, each with its name.
pub const BENDS: [(&str, Bend); 51] = [
    ("deadline one ns late", |policy, _| {
        change(policy, OPEN_TIMEOUT, |value| shift(value, 1));
    }),
    ("deadline one ns early", |policy, _| {
        change(policy, OPEN_TIMEOUT, |value| shift(value, -1));
    }),
    ("lease ignored", |policy, _| {
        set(policy, Setting::ProbeLease(Nanos::MAX));
    }),
    ("lease is the open timeout", |policy, _| {
        remove(policy, Setting::ProbeLease(Nanos::ZERO));
    }),
    ("lease one ns late", |policy, _| {
        change(policy, lease(policy), |value| shift(value, 1));
    }),
    ("lease one ns early", |policy, _| {
        change(policy, lease(policy), |value| shift(value, -1));
    }),
    ("window never slides", |policy, _| never_slides(policy)),
    ("window forgets all at once", |policy, _| {
        window(policy, |window| match window {
            Window::Time { length, .. } => Window::Time { length, slots: 1 },
            other => other,
        });
    }),
    ("window one slot longer", |policy, _| {
        window(policy, |window| resize(window, 1));
    }),
    ("window one slot shorter", |policy, _| {
        window(policy, |window| resize(window, -1));
    }),
    ("decay without fading", |policy, _| {
        window(policy, |window| match window {
            Window::Decay { half_life } => Window::Time {
                length: Nanos::new(half_life.get().saturating_mul(63)),
                slots: 63,
            },
            other => other,
        });
    }),
    ("half-life twice as long", |policy, _| {
        window(policy, |window| match window {
            Window::Decay { half_life } => Window::Decay {
                half_life: half_life.saturating_add(half_life),
            },
            other => other,
        });
    }),
    ("half-life half as long", |policy, _| {
        window(policy, |window| match window {
            Window::Decay { half_life } => Window::Decay {
                half_life: Nanos::new(half_life.get() / 2),
            },
            other => other,
        });
    }),
    ("run one longer", |policy, _| {
        window(policy, |window| match window {
            Window::Consecutive(calls) => Window::Consecutive(calls + 1),
            other => other,
        });
    }),
    ("slow when as long as", |policy, _| {
        if has(policy, Setting::SlowCallDuration(Nanos::ZERO)) {
            change(policy, Setting::SlowCallDuration(Nanos::ZERO), |value| {
                shift(value, -1)
            });
        }
    }),
    ("slow calls ignored", |policy, _| {
        remove(policy, Setting::SlowCallDuration(Nanos::ZERO));
    }),
    ("slow threshold ignored", |policy, _| {
        remove(policy, Setting::SlowCallThreshold(0.0));
    }),
    ("threshold must be exceeded", |policy, _| {
        change(
            policy,
            Setting::FailureThreshold(0.5),
            |value| match value {
                Setting::FailureThreshold(share) if share < 1.0 => {
                    Setting::FailureThreshold(share + 1e-6)
                }
                other => other,
            },
        );
    }),
    ("threshold a millionth low", |policy, _| {
        change(
            policy,
            Setting::FailureThreshold(0.5),
            |value| match value {
                Setting::FailureThreshold(share) if share > 2e-6 => {
                    Setting::FailureThreshold(share - 2e-6)
                }
                other => other,
            },
        );
    }),
    ("minimum ignored", |policy, _| {
        change(policy, Setting::MinimumRequests(20), |_| {
            Setting::MinimumRequests(1)
        });
    }),
    ("minimum must be exceeded", |policy, _| {
        change(policy, Setting::MinimumRequests(20), |value| match value {
            Setting::MinimumRequests(calls) => Setting::MinimumRequests(calls + 1),
            other => other,
        });
    }),
    ("back-off ignored", |policy, _| {
        remove(policy, Setting::OpenBackoff(0.0));
    }),
    ("back-off without cap", |policy, _| {
        set(policy, Setting::OpenTimeoutMax(Nanos::MAX));
    }),
    ("back-off with the default cap", |policy, _| {
        remove(policy, Setting::OpenTimeoutMax(Nanos::ZERO));
    }),
    ("jitter ignored", |policy, _| {
        remove(policy, Setting::OpenJitter(0.0));
    }),
    ("jitter of its own for each breaker", |policy, index| {
        if has(policy, Setting::OpenJitter(0.0)) {
            change(policy, Setting::OpenJitter(0.0), |value| match value {
                Setting::OpenJitter(share) if index > 0 => Setting::OpenJitter(share * 0.9),
                other => other,
            });
        }
    }),
    ("ramp ignored", |policy, _| {
        remove(policy, Setting::RampUp(Nanos::ZERO));
    }),
    ("ramp one ns longer", |policy, _| {
        if has(policy, Setting::RampUp(Nanos::ZERO)) {
            change(policy, Setting::RampUp(Nanos::ZERO), |value| {
                shift(value, 1)
            });
        }
    }),
    ("one probe too many", |policy, _| {
        let probes = half_open_requests(policy);
        if !has(policy, Setting::HalfOpenSuccesses(0)) {
            set(policy, Setting::HalfOpenSuccesses(probes));
        }
        set(policy, Setting::HalfOpenRequests(probes + 1));
    }),
    ("one probe at a time", |policy, _| {
        let probes = half_open_requests(policy);
        if !has(policy, Setting::HalfOpenSuccesses(0)) {
            set(policy, Setting::HalfOpenSuccesses(probes));
        }
        set(policy, Setting::HalfOpenRequests(1));
    }),
    ("first success closes", |policy, _| {
        set(policy, Setting::HalfOpenSuccesses(1));
    }),
    ("half_open_successes ignored", |policy, _| {
        remove(policy, Setting::HalfOpenSuccesses(0));
    }),
    ("half_open_failures ignored", |policy, _| {
        remove(policy, Setting::HalfOpenFailures(0));
    }),
    ("one failed probe more", |policy, _| {
        change(policy, Setting::HalfOpenFailures(0), |value| match value {
            Setting::HalfOpenFailures(probes) => Setting::HalfOpenFailures(probes + 1),
            other => other,
        });
    }),
    ("burst one larger", |policy, _| {
        if let Policy::TokenBucket { burst, .. } = policy {
            *burst = burst.saturating_add(1);
        }
    }),
    ("burst of one", |policy, _| {
        if let Policy::TokenBucket { burst, .. } = policy {
            *burst = 1;
        }
    }),
    ("interval rounded down to ns", |policy, _| {
        if let Policy::TokenBucket { rate, .. } = policy {
            interval(rate, |nanos| nanos);
        }
    }),
    ("interval rounded down to ms", |policy, _| {
        if let Policy::TokenBucket { rate, .. } = policy {
            interval(rate, |nanos| (nanos / 1_000_000 * 1_000_000).max(1));
        }
    }),
    ("log limit one larger", |policy, _| {
        if let Policy::SlidingLog { limit, .. } = policy {
            *limit += 1;
        }
    }),
    ("log window one ns longer", |policy, _| {
        if let Policy::SlidingLog { window, .. } = policy {
            *window = window.saturating_add(Nanos::new(1));
        }
    }),
    ("log window one ns shorter", |policy, _| {
        if let Policy::SlidingLog { window, .. } = policy {
            *window = window.saturating_sub(Nanos::new(1)).max(Nanos::new(1));
        }
    }),
    ("one place too many", |policy, _| {
        if let Policy::Concurrency { limit } = policy {
            *limit = limit.saturating_add(1);
        }
    }),
    ("one place at least", |policy, _| {
        if let Policy::Concurrency { limit } = policy {
            *limit = (*limit).max(1);
        }
    }),
    ("queue one longer", |policy, _| {
        if let Policy::LeakyBucket { queue, .. } = policy {
            *queue = queue.saturating_add(1);
        }
    }),
    ("leaky bucket saves up idle time", |policy, _| {
        if let Policy::LeakyBucket { rate, queue } = *policy {
            *policy = Policy::TokenBucket {
                rate,
                burst: queue.saturating_add(1),
            };
        }
    }),
    ("leaky bucket one ns slower", |policy, _| {
        if let Policy::LeakyBucket { rate, .. } = policy {
            interval(rate, |nanos| nanos + 1);
        }
    }),
    ("sliding counter does not slide", |policy, _| {
        if let Policy::SlidingCounter { limit, window } = *policy {
            *policy = Policy::FixedWindow { limit, window };
        }
    }),
    ("sliding counter one more", |policy, _| {
        if let Policy::SlidingCounter { limit, .. } = policy {
            *limit += u32::from(*limit > 0);
        }
    }),
    ("fixed window slides", |policy, _| {
        if let Policy::FixedWindow { limit, window } = *policy {
            *policy = Policy::SlidingCounter { limit, window };
        }
    }),
    ("fixed window one more", |policy, _| {
        if let Policy::FixedWindow { limit, .. } = policy {
            *limit += u32::from(*limit > 0);
        }
    }),
    ("fixed window one ns longer", |policy, _| {
        if let Policy::FixedWindow { window, .. } = policy {
            *window = Nanos::new(window.get() + u64::from(*window > Nanos::ZERO));
        }
    }),
];

const OPEN_TIMEOUT: Setting = Setting::OpenTimeout(Nanos::from_secs(30));

/// The settings of a breaker; of any other policy none.
fn breaker(policy: &mut Policy) -> Option<&mut Vec<Setting>> {
    match policy {
        Policy::Breaker(settings) => Some(settings),
        _ => None,
    }
}

fn find(policy: &Policy, like: Setting) -> Option<Setting> {
    match policy {
        Policy::Breaker(settings) => settings
            .iter()
            .copied()
            .find(|setting| discriminant(setting) == discriminant(&like)),
        _ => None,
    }
}

fn has(policy: &Policy, like: Setting) -> bool {
    find(policy, like).is_some()
}

fn remove(policy: &mut Policy, like: Setting) {
    if let Some(settings) = breaker(policy) {
        settings.retain(|setting| discriminant(setting) != discriminant(&like));
    }
}

fn set(policy: &mut Policy, setting: Setting) {
    remove(policy, setting);
    if let Some(settings) = breaker(policy) {
        settings.push(setting);
    }
}

/// Changes the setting that `default` stands for, or the default itself.
fn change(policy: &mut Policy, default: Setting, to: impl Fn(Setting) -> Setting) {
    let held = find(policy, default).unwrap_or(default);
    set(policy, to(held));
}

/// A duration, one nanosecond up or down; zero stays.
fn shift(setting: Setting, by: i64) -> Setting {
    let shifted = |span: Nanos| match span {
        Nanos::ZERO => Nanos::ZERO,
        span => Nanos::new(span.get().saturating_add_signed(by)),
    };
    match setting {
        Setting::OpenTimeout(span) => Setting::OpenTimeout(shifted(span)),
        Setting::ProbeLease(span) => Setting::ProbeLease(shifted(span)),
        Setting::SlowCallDuration(span) => Setting::SlowCallDuration(shifted(span)),
        Setting::RampUp(span) => Setting::RampUp(shifted(span)),
        other => other,
    }
}

/// The lease as it is without a fault.
fn lease(policy: &Policy) -> Setting {
    match find(policy, OPEN_TIMEOUT).unwrap_or(OPEN_TIMEOUT) {
        Setting::OpenTimeout(timeout) => Setting::ProbeLease(timeout),
        other => other,
    }
}

fn half_open_requests(policy: &Policy) -> u32 {
    match find(policy, Setting::HalfOpenRequests(0)) {
        Some(Setting::HalfOpenRequests(probes)) => probes,
        _ => 3,
    }
}

fn window(policy: &mut Policy, to: impl Fn(Window) -> Window) {
    let default = Window::Time {
        length: Nanos::from_secs(10),
        slots: 10,
    };
    change(policy, Setting::Window(default), |value| match value {
        Setting::Window(window) => Setting::Window(to(window)),
        other => other,
    });
}

/// One slot, or call, more or less.
fn resize(window: Window, by: i32) -> Window {
    match window {
        Window::Time { length, slots } if slots > 0 => {
            let resized = slots.saturating_add_signed(by).clamp(1, 63);
            let slot = length.get() / u64::from(slots);
            Window::Time {
                length: Nanos::new(slot * u64::from(resized)),
                slots: resized,
            }
        }
        Window::Count(calls) if calls > 0 => Window::Count(calls.saturating_add_signed(by).max(1)),
        other => other,
    }
}

fn never_slides(policy: &mut Policy) {
    if let Some(Setting::Window(Window::Count(size))) =
        find(policy, Setting::Window(Window::Count(0)))
    {
        // The minimum is still clamped to the size asked for.
        change(policy, Setting::MinimumRequests(20), |value| match value {
            Setting::MinimumRequests(calls) => Setting::MinimumRequests(calls.min(u64::from(size))),
            other => other,
        });
    }
    window(policy, |window| match window {
        Window::Time { slots, .. } => Window::Time {
            length: Nanos::MAX,
            slots,
        },
        Window::Count(size) if size > 0 => Window::Count(63 * 24),
        other => other,
    });
}

fn interval(rate: &mut Rate, round: impl Fn(u64) -> u64) {
    if let Some(nanos) = rate.per.get().checked_div(rate.units) {
        *rate = Rate {
            units: 1,
            per: Nanos::new(round(nanos)),
        };
    }
}
