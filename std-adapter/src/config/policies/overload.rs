//! Queues, adaptive limits, load shedding and throttles of a configuration, which live in this process alone.

#[cfg(any(feature = "adaptive", feature = "throttle"))]
use super::home::{Home, Unmade};
#[cfg(any(feature = "adaptive", feature = "throttle"))]
use super::kinds::Runs;
#[cfg(any(feature = "adaptive", feature = "throttle"))]
use super::{Live, OfKind, Policies, Running};
#[cfg(any(feature = "adaptive", feature = "throttle"))]
use fuseboard_core::ConfigError;
#[cfg(any(feature = "adaptive", feature = "throttle"))]
use std::collections::BTreeMap;

#[cfg(all(feature = "concurrency", feature = "shedding"))]
mod queue {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::config::QueueSettings;
    use crate::{CoDel, ConcurrencyQueue};
    use std::time::Duration;

    impl QueueSettings {
        /// The queue with the rest of these settings. A law of shedding that it has goes on.
        fn around(&self, queue: ConcurrencyQueue) -> Result<ConcurrencyQueue, ConfigError> {
            let codel = match (self.shed_target, queue.codel()) {
                (None, _) => None,
                (Some(target), None) => Some(CoDel::new(target, self.shed_interval)?),
                (Some(target), Some(codel)) => {
                    codel.configure(target, self.shed_interval)?;
                    Some(codel)
                }
            };
            let queue = queue
                .max_waiting(self.max_waiting as usize)
                .max_wait(self.max_wait.unwrap_or(Duration::MAX));
            Ok(queue.with_codel(codel))
        }
    }

    impl Runs for QueueSettings {
        type Handle = ConcurrencyQueue;

        fn make(&self, _: &Home, _: &str) -> Result<ConcurrencyQueue, Unmade> {
            Ok(self.around(ConcurrencyQueue::new(self.limit)?)?)
        }

        fn change(&self, queue: &mut ConcurrencyQueue) -> Result<(), ConfigError> {
            let changed = self.around(queue.clone())?;
            changed.set_limit(self.limit)?;
            *queue = changed;
            Ok(())
        }
    }

    impl OfKind for QueueSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.queues
        }
    }

    impl Policies {
        /// The queue of this name; `None` where no configuration so far had it. Its places and its line stay the same through every reload, and
        /// `limit` changes for all handles; the bounds of the line are those that a look-up gives.
        pub fn queue(&self, name: &str) -> Option<ConcurrencyQueue> {
            let running = self.running();
            running.queues.get(name).map(|live| live.handle.clone())
        }
    }
}

#[cfg(feature = "adaptive")]
mod adaptive {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::AdaptiveLimit;
    use crate::config::AdaptiveSettings;

    impl Runs for AdaptiveSettings {
        type Handle = AdaptiveLimit;

        fn make(&self, _: &Home, _: &str) -> Result<AdaptiveLimit, Unmade> {
            Ok(AdaptiveLimit::new(self.config())?)
        }

        fn change(&self, limit: &mut AdaptiveLimit) -> Result<(), ConfigError> {
            limit.configure(self.config())
        }
    }

    impl OfKind for AdaptiveSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.adaptive
        }
    }

    impl Policies {
        /// The adaptive limit of this name; `None` where no configuration so far had it. A reload keeps what it has learnt.
        pub fn adaptive_limit(&self, name: &str) -> Option<AdaptiveLimit> {
            let running = self.running();
            running.adaptive.get(name).map(|live| live.handle.clone())
        }
    }
}

#[cfg(feature = "shedding")]
mod shedding {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::LoadShedding;
    use crate::config::SheddingSettings;

    impl Runs for SheddingSettings {
        type Handle = LoadShedding;

        fn make(&self, _: &Home, _: &str) -> Result<LoadShedding, Unmade> {
            Ok(LoadShedding::fixed(self.limit, self.sheds_from)?)
        }

        fn change(&self, shedding: &mut LoadShedding) -> Result<(), ConfigError> {
            shedding.change(self.limit, self.sheds_from)
        }
    }

    impl OfKind for SheddingSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.shedding
        }
    }

    impl Policies {
        /// The load shedding of this name; `None` where no configuration so far had it. Its places stay the same through every reload, and `limit`
        /// changes for all handles; the share from which it sheds is that which a look-up gives.
        pub fn load_shedding(&self, name: &str) -> Option<LoadShedding> {
            let running = self.running();
            running.shedding.get(name).map(|live| live.handle.clone())
        }
    }
}

#[cfg(feature = "throttle")]
mod throttle {
    use super::{BTreeMap, ConfigError, Home, Live, OfKind, Policies, Running, Runs, Unmade};
    use crate::ClientThrottle;
    use crate::config::ThrottleSettings;

    impl Runs for ThrottleSettings {
        type Handle = ClientThrottle;

        fn make(&self, _: &Home, _: &str) -> Result<ClientThrottle, Unmade> {
            Ok(ClientThrottle::new(self.config())?)
        }

        fn can_become(&self, new: &Self) -> Result<(), &'static str> {
            if new.window != self.window {
                return Err("window");
            }
            if new.seed == self.seed {
                Ok(())
            } else {
                Err("seed")
            }
        }

        fn change(&self, throttle: &mut ClientThrottle) -> Result<(), ConfigError> {
            throttle.configure(self.config())
        }
    }

    impl OfKind for ThrottleSettings {
        fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
            &mut running.throttles
        }
    }

    impl Policies {
        /// The client throttle of this name; `None` where no configuration so far had it. A reload keeps what it has counted.
        pub fn throttle(&self, name: &str) -> Option<ClientThrottle> {
            let running = self.running();
            running.throttles.get(name).map(|live| live.handle.clone())
        }
    }
}
