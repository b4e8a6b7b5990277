//! [`Listeners`]: who is told of a state change.

use fuseboard_core::{Observer, Transition};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

type Listener = dyn Fn(&Transition) + Send + Sync;

/// Functions called after each state change, in the order in which they were added.
#[derive(Default)]
pub(super) struct Listeners {
    added: RwLock<Arc<[Arc<Listener>]>>,
}

impl Listeners {
    pub(super) fn add(&self, listener: Arc<Listener>) {
        // A poisoned lock is taken as it is: the list is replaced whole, never left half-written.
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        *added = added.iter().cloned().chain([listener]).collect();
    }

    fn current(&self) -> Arc<[Arc<Listener>]> {
        Arc::clone(&self.added.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Listeners {
    fn transition(&self, transition: &Transition) {
        // The lock is not held while they run: a listener may add one, or use the breaker.
        for listener in self.current().iter() {
            // The caller has a call to make or to settle; a listener's bug is not its business.
            // The panic hook has already reported it.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(transition)));
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listeners", self.current().len())
    }
}
