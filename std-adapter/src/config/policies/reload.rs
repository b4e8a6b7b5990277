//! Taking over a configuration: looked at whole, then made, then changed; undone where a part fails.

use super::home::{Home, Unmade};
use super::kinds::Runs;
use super::{Live, OfKind, Running, Shared};
use crate::breaker::CircuitBreakerConfig;
use crate::config::finding::{Finding, Id};
use crate::config::policy::{ConcurrencyConfig, Policy, RateLimitConfig};
use crate::config::source::join;
use crate::config::{Config, reader};
use std::fmt;

/// What a reload did. Each is named as in the file, such as `breakers.payments`, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// New, and running.
    pub added: Vec<String>,
    /// Running with other settings now.
    pub changed: Vec<String>,
    /// No longer in the file, and running on as they were.
    pub removed: Vec<String>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("no longer in the file, running on", &self.removed),
        ];
        let mut separator = "";
        for (what, names) in rows {
            if !names.is_empty() {
                write!(f, "{separator}{what}: {}", names.join(", "))?;
                separator = "; ";
            }
        }
        if separator.is_empty() {
            f.write_str("nothing has changed")?;
        }
        Ok(())
    }
}

/// A kind's part of a reload, made but not in use.
struct Part<T: Runs> {
    added: Vec<(String, Live<T>)>,
    /// Names with the settings from before and from now.
    changed: Vec<(String, T, T)>,
}

/// The steps of a part, whatever its kind.
trait Step {
    /// Changes what runs; all of it or nothing.
    fn change(&self, running: &mut Running, config: &Config) -> Result<(), Vec<Finding>>;
    /// Gives all their settings from before.
    fn undo(&self, running: &mut Running);
    /// Puts to use what was made, and tells it.
    fn settle(self: Box<Self>, running: &mut Running, config: &Config, done: &mut Reloaded);
}

type Made = Result<Box<dyn Step>, Vec<Finding>>;

/// How a kind is looked at and made.
struct Begin {
    look: fn(&mut Running, &Shared, &Config, &mut Vec<Finding>),
    make: fn(&mut Running, &Home, &Config) -> Made,
}

impl Begin {
    const fn with<T: OfKind>() -> Self {
        Self {
            look: look::<T>,
            make: make::<T>,
        }
    }
}

/// Every kind that runs.
const KINDS: &[Begin] = &[
    Begin::with::<CircuitBreakerConfig>(),
    Begin::with::<RateLimitConfig>(),
    Begin::with::<ConcurrencyConfig>(),
    #[cfg(feature = "timeout")]
    Begin::with::<crate::config::TimeoutSettings>(),
    #[cfg(feature = "retry")]
    Begin::with::<crate::config::RetrySettings>(),
    #[cfg(feature = "hedge")]
    Begin::with::<crate::config::HedgeSettings>(),
    #[cfg(all(feature = "concurrency", feature = "shedding"))]
    Begin::with::<crate::config::QueueSettings>(),
    #[cfg(feature = "adaptive")]
    Begin::with::<crate::config::AdaptiveSettings>(),
    #[cfg(feature = "shedding")]
    Begin::with::<crate::config::SheddingSettings>(),
    #[cfg(feature = "throttle")]
    Begin::with::<crate::config::ThrottleSettings>(),
];

/// Takes over `config`, or nothing of it.
pub(super) fn take_over(
    shared: &Shared,
    running: &mut Running,
    config: &Config,
) -> Result<Reloaded, Vec<Finding>> {
    let mut findings = Vec::new();
    if shared.board != config.board {
        let message = "cannot change while policies run; keep it, or restart the program";
        let subject = config.board_subject();
        findings.push(config.source.error(Id::Live, subject, message));
    }
    for kind in KINDS {
        (kind.look)(running, shared, config, &mut findings);
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut parts = Vec::new();
    for kind in KINDS {
        parts.push((kind.make)(running, &shared.home, config)?);
    }
    for (at, part) in parts.iter().enumerate() {
        if let Err(findings) = part.change(running, config) {
            parts[..at].iter().for_each(|part| part.undo(running));
            return Err(findings);
        }
    }
    let mut done = Reloaded::default();
    for part in parts {
        part.settle(running, config, &mut done);
    }
    Ok(done)
}

const LIVE: &str =
    "cannot change while it runs; keep it, give the policy another name, or restart the program";

/// Finds what cannot be taken over, and changes nothing.
fn look<T: OfKind>(
    running: &mut Running,
    shared: &Shared,
    config: &Config,
    findings: &mut Vec<Finding>,
) {
    let live = T::running(running);
    for (name, policy) in T::of(config) {
        let found = match live.get(name) {
            Some(old) if old.config != policy.config => {
                let refused = old.config.can_become(&policy.config).err();
                refused.map(|field| (Id::Live, field, LIVE.to_owned()))
            }
            _ => None,
        };
        // A board that the file does not name may ask for more than the file was checked for.
        let clash = policy
            .config
            .check(T::IS_SHARED && shared.home.is_board())
            .err();
        let found = found.or_else(|| clash.map(|clash| (Id::Board, clash.field, clash.message)));
        if let Some((id, field, message)) = found {
            let subject = policy.subject(name, field);
            findings.push(config.source.error(id, subject, message));
        }
    }
}

/// Makes what is new, and lists what changes.
fn make<T: OfKind>(running: &mut Running, home: &Home, config: &Config) -> Made {
    let live = T::running(running);
    let mut part = Part::<T> {
        added: Vec::new(),
        changed: Vec::new(),
    };
    for (name, policy) in T::of(config) {
        let new = policy.config;
        match live.get(name) {
            Some(old) if old.config == new => {}
            Some(old) => part.changed.push((name.clone(), old.config, new)),
            None => {
                let handle = new
                    .make(home, name)
                    .map_err(|unmade| vec![unmade_finding(config, name, policy, unmade)])?;
                let live = Live {
                    handle,
                    config: new,
                };
                part.added.push((name.clone(), live));
            }
        }
    }
    Ok(Box::new(part))
}

fn unmade_finding<T: Runs>(
    config: &Config,
    name: &str,
    policy: &Policy<T>,
    unmade: Unmade,
) -> Finding {
    let (field, message) = match unmade {
        Unmade::Setting(error) => (error.field(), error.to_string()),
        #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
        Unmade::Board(error) => ("", error.to_string()),
    };
    let mut subject = policy.subject(name, field);
    if field.is_empty() {
        subject.path = join(T::SECTION.name, name);
    }
    config.source.error(Id::Board, subject, message)
}

impl<T: OfKind> Step for Part<T> {
    fn change(&self, running: &mut Running, config: &Config) -> Result<(), Vec<Finding>> {
        for (at, (name, _, new)) in self.changed.iter().enumerate() {
            let live = T::running(running).get_mut(name);
            let Some(error) = live.and_then(|live| new.change(&mut live.handle).err()) else {
                continue;
            };
            undo(running, &self.changed[..at]);
            let policy = T::of(config).get(name);
            let subject = policy.map_or_else(reader::nowhere, |policy| {
                policy.subject(name, error.field())
            });
            let message = format!("what runs on the board refuses it: {error}");
            return Err(vec![config.source.error(Id::Live, subject, message)]);
        }
        Ok(())
    }

    fn undo(&self, running: &mut Running) {
        undo(running, &self.changed);
    }

    fn settle(self: Box<Self>, running: &mut Running, config: &Config, done: &mut Reloaded) {
        let section = T::SECTION.name;
        let live = T::running(running);
        let asked = T::of(config);
        let gone = live.keys().filter(|name| !asked.contains_key(*name));
        done.removed.extend(gone.map(|name| join(section, name)));
        for (name, _, new) in self.changed {
            done.changed.push(join(section, &name));
            if let Some(live) = live.get_mut(&name) {
                live.config = new;
            }
        }
        for (name, policy) in self.added {
            done.added.push(join(section, &name));
            live.insert(name, policy);
        }
    }
}

/// Gives these their settings from before.
fn undo<T: OfKind>(running: &mut Running, changed: &[(String, T, T)]) {
    for (name, old, _) in changed {
        if let Some(live) = T::running(running).get_mut(name) {
            // It ran with them a moment ago; where others have changed a board's policy meanwhile, theirs stays.
            let _ = old.change(&mut live.handle);
        }
    }
}
