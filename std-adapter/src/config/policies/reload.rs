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

/// Takes over `config`, or nothing of it.
pub(super) fn take_over(
    shared: &Shared,
    running: &mut Running,
    config: &Config,
) -> Result<Reloaded, Vec<Finding>> {
    let mut findings = Vec::new();
    if shared.board != config.board {
        let message = "cannot change while policies run; keep it, or restart the program";
        findings.push(
            config
                .source
                .error(Id::Live, config.board_subject(), message),
        );
    }
    look::<CircuitBreakerConfig>(running, shared, config, &mut findings);
    look::<RateLimitConfig>(running, shared, config, &mut findings);
    look::<ConcurrencyConfig>(running, shared, config, &mut findings);
    if !findings.is_empty() {
        return Err(findings);
    }
    let home = &shared.home;
    let breakers = make::<CircuitBreakerConfig>(running, home, config)?;
    let rates = make::<RateLimitConfig>(running, home, config)?;
    let limits = make::<ConcurrencyConfig>(running, home, config)?;
    change(running, config, &breakers)?;
    if let Err(findings) = change(running, config, &rates) {
        undo(running, &breakers.changed);
        return Err(findings);
    }
    if let Err(findings) = change(running, config, &limits) {
        undo(running, &rates.changed);
        undo(running, &breakers.changed);
        return Err(findings);
    }
    let mut done = Reloaded::default();
    settle(running, config, breakers, &mut done);
    settle(running, config, rates, &mut done);
    settle(running, config, limits, &mut done);
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
    for (name, policy) in T::asked(config) {
        let found = match live.get(name) {
            Some(old) if old.config != policy.config => {
                let refused = old.config.can_become(&policy.config).err();
                refused.map(|field| (Id::Live, field, LIVE.to_owned()))
            }
            _ => None,
        };
        // A board that the file does not name may ask for more than the file was checked for.
        let clash = policy.config.check(shared.home.is_board()).err();
        let found = found.or_else(|| clash.map(|clash| (Id::Board, clash.field, clash.message)));
        if let Some((id, field, message)) = found {
            let subject = policy.subject(name, field);
            findings.push(config.source.error(id, subject, message));
        }
    }
}

/// Makes what is new, and lists what changes.
fn make<T: OfKind>(
    running: &mut Running,
    home: &Home,
    config: &Config,
) -> Result<Part<T>, Vec<Finding>> {
    let live = T::running(running);
    let mut part = Part {
        added: Vec::new(),
        changed: Vec::new(),
    };
    for (name, policy) in T::asked(config) {
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
    Ok(part)
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

/// Changes what runs; all of it or nothing.
fn change<T: OfKind>(
    running: &mut Running,
    config: &Config,
    part: &Part<T>,
) -> Result<(), Vec<Finding>> {
    for (at, (name, _, new)) in part.changed.iter().enumerate() {
        let live = T::running(running);
        let refused = live.get(name).and_then(|old| new.change(&old.handle).err());
        if let Some(error) = refused {
            undo(running, &part.changed[..at]);
            let policy = T::asked(config).get(name);
            let subject = policy.map_or_else(reader::nowhere, |policy| {
                policy.subject(name, error.field())
            });
            let message = format!("what runs on the board refuses it: {error}");
            return Err(vec![config.source.error(Id::Live, subject, message)]);
        }
    }
    Ok(())
}

/// Gives these their settings from before.
fn undo<T: OfKind>(running: &mut Running, changed: &[(String, T, T)]) {
    for (name, old, _) in changed {
        if let Some(live) = T::running(running).get(name) {
            // It ran with them a moment ago; where others have changed a board's policy meanwhile, theirs stays.
            let _ = old.change(&live.handle);
        }
    }
}

/// Puts to use what was made, and tells it.
fn settle<T: OfKind>(running: &mut Running, config: &Config, part: Part<T>, done: &mut Reloaded) {
    let section = T::SECTION.name;
    let live = T::running(running);
    let asked = T::asked(config);
    let gone = live.keys().filter(|name| !asked.contains_key(*name));
    done.removed.extend(gone.map(|name| join(section, name)));
    for (name, _, new) in part.changed {
        done.changed.push(join(section, &name));
        if let Some(live) = live.get_mut(&name) {
            live.config = new;
        }
    }
    for (name, policy) in part.added {
        done.added.push(join(section, &name));
        live.insert(name, policy);
    }
}
