//! [`Reserving`]: a permit that is asked for in `poll_ready` and used in `call`.

use fuseboard_core::Rejected;
use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};

type Asking<P> = Pin<Box<dyn Future<Output = Result<P, Rejected>> + Send>>;

/// Nothing, a wait for a permit, or a permit. Dropped, whatever it is, it is given back.
pub(crate) struct Reserving<P> {
    // A lock that is never taken: it lends a service that is `Sync` a future that is not.
    state: Mutex<State<P>>,
}

enum State<P> {
    Idle,
    Asking(Asking<P>),
    Reserved(Result<P, Rejected>),
}

impl<P> Reserving<P> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::Idle),
        }
    }

    /// Ready once there is a permit or a rejection, which is told by `take`: an error of `poll_ready` would say that the service is
    /// broken for good.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        ask: impl FnOnce() -> Asking<P>,
    ) -> Poll<()> {
        let state = self.state();
        if let State::Idle = state {
            *state = State::Asking(ask());
        }
        if let State::Asking(asking) = state {
            *state = State::Reserved(ready!(asking.as_mut().poll(context)));
        }
        Poll::Ready(())
    }

    /// What was reserved; it is the caller's now.
    pub(crate) fn take(&mut self) -> Option<Result<P, Rejected>> {
        match std::mem::replace(self.state(), State::Idle) {
            State::Reserved(permit) => Some(permit),
            State::Idle | State::Asking(_) => None,
        }
    }

    fn state(&mut self) -> &mut State<P> {
        self.state
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<P> fmt::Debug for Reserving<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserving").finish_non_exhaustive()
    }
}
