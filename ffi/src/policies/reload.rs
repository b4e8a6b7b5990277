//! Taking over a configuration: looked at whole, then made, then changed; undone where a part fails.

use super::Refusal;
use super::kinds::Kind;
use fuseboard::config::{ConcurrencyConfig, Config, RateLimitConfig};
use fuseboard::{Board, CircuitBreakerConfig};
use std::collections::BTreeMap;

/// All that runs. Nothing is ever taken out: C has the handles.
#[derive(Default)]
pub(super) struct Running {
    pub(super) breakers: BTreeMap<String, Live<CircuitBreakerConfig>>,
    pub(super) rate_limits: BTreeMap<String, Live<RateLimitConfig>>,
    pub(super) concurrency: BTreeMap<String, Live<ConcurrencyConfig>>,
}

/// One policy and the settings that it runs with.
pub(super) struct Live<K: Kind> {
    policy: Box<K::Policy>,
    config: K,
}

impl<K: Kind> Live<K> {
    pub(super) fn policy(&self) -> &K::Policy {
        &self.policy
    }

    /// Where the policy is, and stays.
    pub(super) fn handle(&self) -> *const K::Policy {
        &raw const *self.policy
    }
}

/// One kind's part of a reload, made but not in use.
struct Part<K: Kind> {
    added: Vec<(String, Live<K>)>,
    /// Names with the settings from before and from now.
    changed: Vec<(String, K, K)>,
}

impl<K: Kind> Part<K> {
    /// Finds what cannot be taken over, and changes nothing.
    fn look(running: &mut Running, config: &Config) -> Result<(), Refusal> {
        let live = K::running(running);
        for (name, new) in K::of(config) {
            if let Some(old) = live.get(name)
                && old.config != *new
            {
                let possible = old.config.can_become(new);
                possible.map_err(|unmade| unmade.of(K::SECTION, name))?;
            }
        }
        Ok(())
    }

    /// Makes what is new, and lists what changes.
    fn make(
        running: &mut Running,
        board: Option<&Board>,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let live = K::running(running);
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for (name, &new) in K::of(config) {
            match live.get(name) {
                Some(old) if old.config == new => {}
                Some(old) => changed.push((name.to_owned(), old.config, new)),
                None => {
                    let made = new.make(board, name);
                    let policy = made.map_err(|unmade| unmade.of(K::SECTION, name))?;
                    added.push((
                        name.to_owned(),
                        Live {
                            policy,
                            config: new,
                        },
                    ));
                }
            }
        }
        Ok(Self { added, changed })
    }

    /// Changes what runs; all of it or nothing.
    fn change(&self, running: &mut Running) -> Result<(), Refusal> {
        let live = K::running(running);
        for (at, (name, _, new)) in self.changed.iter().enumerate() {
            let Some(running) = live.get(name) else {
                continue;
            };
            if let Err(unmade) = new.change(&running.policy) {
                undo(live, &self.changed[..at]);
                return Err(unmade.of(K::SECTION, name));
            }
        }
        Ok(())
    }

    /// Gives all their settings from before.
    fn undo(&self, running: &mut Running) {
        undo(K::running(running), &self.changed);
    }

    /// Puts to use what was made.
    fn settle(self, running: &mut Running) {
        let live = K::running(running);
        for (name, _, new) in self.changed {
            if let Some(running) = live.get_mut(&name) {
                running.config = new;
            }
        }
        live.extend(self.added);
    }
}

fn undo<K: Kind>(live: &BTreeMap<String, Live<K>>, changed: &[(String, K, K)]) {
    for (name, old, _) in changed {
        if let Some(running) = live.get(name) {
            // It ran with them a moment ago; where others have changed a board's policy meanwhile, theirs stays.
            let _ = old.change(&running.policy);
        }
    }
}

impl Running {
    /// Takes over `config`, or nothing of it.
    pub(super) fn take_over(
        &mut self,
        board: Option<&Board>,
        config: &Config,
    ) -> Result<(), Refusal> {
        Part::<CircuitBreakerConfig>::look(self, config)?;
        Part::<RateLimitConfig>::look(self, config)?;
        Part::<ConcurrencyConfig>::look(self, config)?;

        let breakers = Part::<CircuitBreakerConfig>::make(self, board, config)?;
        let rate_limits = Part::<RateLimitConfig>::make(self, board, config)?;
        let concurrency = Part::<ConcurrencyConfig>::make(self, board, config)?;

        breakers.change(self)?;
        if let Err(refusal) = rate_limits.change(self) {
            breakers.undo(self);
            return Err(refusal);
        }
        if let Err(refusal) = concurrency.change(self) {
            rate_limits.undo(self);
            breakers.undo(self);
            return Err(refusal);
        }
        breakers.settle(self);
        rate_limits.settle(self);
        concurrency.settle(self);
        Ok(())
    }
}
