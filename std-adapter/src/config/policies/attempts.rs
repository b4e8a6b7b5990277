//! Timeouts, retries and hedges of a configuration: values, made anew where their settings change.

use super::home::{Home, Unmade};
use super::kinds::Runs;
use super::{Live, OfKind, Policies, Running};
use fuseboard_core::ConfigError;
use std::collections::BTreeMap;

#[cfg(feature = "timeout")]
mod timeout {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::Timeout;
    use crate::config::TimeoutSettings;

    impl Runs for TimeoutSettings {
        type Handle = Timeout;

        fn make(&self, _: &Home, _: &str) -> Result<Timeout, Unmade> {
            Ok(Timeout::new(self.limit)?)
        }

        fn change(&self, timeout: &mut Timeout) -> Result<(), ConfigError> {
            *timeout = Timeout::new(self.limit)?;
            Ok(())
        }
    }

    impl OfKind for TimeoutSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.timeouts
        }
    }

    impl Policies {
        /// The timeout of this name as it is now; `None` where no configuration so far had it. It is a value: a reload changes what the
        /// next look-up gives.
        pub fn timeout(&self, name: &str) -> Option<Timeout> {
            let running = self.running();
            running.timeouts.get(name).map(|live| live.handle.clone())
        }
    }
}

#[cfg(feature = "retry")]
mod retry {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::config::{RetryJitter, RetrySettings};
    use crate::{Backoff, Jitter, Retry, RetryBudget, RetryConfig};

    impl RetrySettings {
        fn budget(&self) -> Result<Option<RetryBudget>, ConfigError> {
            let (minimum, ttl) = (self.budget_minimum_per_second, self.budget_ttl);
            self.budget_ratio
                .map(|ratio| RetryBudget::new(ratio, minimum, ttl))
                .transpose()
        }

        fn retry(&self, budget: Option<RetryBudget>) -> Result<Retry, ConfigError> {
            Retry::new(RetryConfig {
                max_attempts: self.max_attempts,
                backoff: Backoff {
                    initial: self.initial,
                    max: self.max,
                    factor: self.factor,
                    jitter: match self.jitter {
                        RetryJitter::None => Jitter::None,
                        RetryJitter::Full => Jitter::Full,
                        RetryJitter::Decorrelated => Jitter::Decorrelated,
                    },
                },
                deadline: self.deadline,
                budget,
                max_retry_after: self.max_retry_after,
                jitter_seed: None,
            })
        }
    }

    impl Runs for RetrySettings {
        type Handle = (Retry, RetrySettings);

        fn make(&self, _: &Home, _: &str) -> Result<Self::Handle, Unmade> {
            Ok((self.retry(self.budget()?)?, *self))
        }

        fn change(&self, (retry, old): &mut Self::Handle) -> Result<(), ConfigError> {
            let rules = |of: &Self| (of.budget_ratio, of.budget_minimum_per_second, of.budget_ttl);
            // What was withdrawn from a budget stays so.
            let budget = if rules(old) == rules(self) {
                retry.config().budget.clone()
            } else {
                self.budget()?
            };
            *retry = self.retry(budget)?;
            *old = *self;
            Ok(())
        }
    }

    impl OfKind for RetrySettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.retries
        }
    }

    impl Policies {
        /// The retries of this name as they are now; `None` where no configuration so far had them. They are a value: a reload changes what
        /// the next look-up gives; all share one budget, which a reload keeps while its own settings stay.
        pub fn retry(&self, name: &str) -> Option<Retry> {
            let running = self.running();
            running.retries.get(name).map(|live| live.handle.0.clone())
        }
    }
}

#[cfg(feature = "hedge")]
mod hedge {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::Hedge;
    use crate::config::HedgeSettings;

    impl HedgeSettings {
        fn hedge(&self) -> Result<Hedge, ConfigError> {
            Ok(Hedge::new(self.delay)?.max_attempts(self.max_attempts))
        }
    }

    impl Runs for HedgeSettings {
        type Handle = Hedge;

        fn make(&self, _: &Home, _: &str) -> Result<Hedge, Unmade> {
            Ok(self.hedge()?)
        }

        fn change(&self, hedge: &mut Hedge) -> Result<(), ConfigError> {
            *hedge = self.hedge()?;
            Ok(())
        }
    }

    impl OfKind for HedgeSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.hedges
        }
    }

    impl Policies {
        /// The hedge of this name as it is now, without a budget; `None` where no configuration so far had it. It is a value: a reload
        /// changes what the next look-up gives.
        pub fn hedge(&self, name: &str) -> Option<Hedge> {
            let running = self.running();
            running.hedges.get(name).map(|live| live.handle.clone())
        }
    }
}
