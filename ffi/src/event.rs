//! Being told of a state change.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
use crate::handle;
use crate::status::{fb_state, fb_status};
#[cfg(feature = "std")]
use core::ffi::c_void;
use core::ffi::{CStr, c_char};
use fuseboard_core::{Cause, Observer, Transition, TransitionLog};
#[cfg(feature = "std")]
use std::sync::OnceLock;

/// Why a state changed.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_cause {
    /// Failures reached failure_threshold_ppm, or the consecutive count.
    FB_CAUSE_FAILURE_RATE = 0,
    /// Slow calls reached slow_call_threshold_ppm.
    FB_CAUSE_SLOW_CALL_RATE = 1,
    /// The open time was over and a probe was admitted.
    FB_CAUSE_OPEN_TIMEOUT_ELAPSED = 2,
    /// half_open_successes probes succeeded.
    FB_CAUSE_PROBES_SUCCEEDED = 3,
    /// More than half_open_failures probes failed or were slow.
    FB_CAUSE_PROBE_FAILED = 4,
    /// Probes did not report within probe_lease_ns; a new round began.
    FB_CAUSE_PROBE_LEASE_EXPIRED = 5,
    /// An operator asked for it.
    FB_CAUSE_MANUAL = 6,
}

impl From<Cause> for fb_cause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::FailureRate => Self::FB_CAUSE_FAILURE_RATE,
            Cause::SlowCallRate => Self::FB_CAUSE_SLOW_CALL_RATE,
            Cause::OpenTimeoutElapsed => Self::FB_CAUSE_OPEN_TIMEOUT_ELAPSED,
            Cause::ProbesSucceeded => Self::FB_CAUSE_PROBES_SUCCEEDED,
            Cause::ProbeFailed => Self::FB_CAUSE_PROBE_FAILED,
            Cause::ProbeLeaseExpired => Self::FB_CAUSE_PROBE_LEASE_EXPIRED,
            Cause::Manual => Self::FB_CAUSE_MANUAL,
        }
    }
}

impl fb_cause {
    const fn text(self) -> &'static CStr {
        match self {
            Self::FB_CAUSE_FAILURE_RATE => c"failure_rate",
            Self::FB_CAUSE_SLOW_CALL_RATE => c"slow_call_rate",
            Self::FB_CAUSE_OPEN_TIMEOUT_ELAPSED => c"open_timeout_elapsed",
            Self::FB_CAUSE_PROBES_SUCCEEDED => c"probes_succeeded",
            Self::FB_CAUSE_PROBE_FAILED => c"probe_failed",
            Self::FB_CAUSE_PROBE_LEASE_EXPIRED => c"probe_lease_expired",
            Self::FB_CAUSE_MANUAL => c"manual",
        }
    }
}

/// The name of a cause, the same in every language: "failure_rate".
///
/// `cause`: an fb_cause, or any number.
/// Returns: a static string, never NULL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_cause_string(cause: i32) -> *const c_char {
    Cause::ALL
        .into_iter()
        .map(fb_cause::from)
        .find(|known| *known as i32 == cause)
        .map_or(c"unknown cause", fb_cause::text)
        .as_ptr()
}

/// One change of state. Later versions add members at the end only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_transition {
    /// Bytes that the library has filled in.
    pub struct_size: usize,
    /// The time of the operation that caused it.
    pub at_ns: u64,
    /// Calls judged: the window's content for a trip, the round's probes for a decision in
    /// half-open, else 0.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Of these, slow.
    pub slow: u64,
    /// The state that ended.
    pub from: fb_state,
    /// The state that began.
    pub to: fb_state,
    /// Why.
    pub cause: fb_cause,
    /// Counts state changes, modulo 2^28.
    pub generation: u32,
}

impl From<&Transition> for fb_transition {
    fn from(transition: &Transition) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            at_ns: transition.at.get(),
            calls: transition.counts.calls,
            failures: transition.counts.failures,
            slow: transition.counts.slow,
            from: transition.from.into(),
            to: transition.to.into(),
            cause: transition.cause.into(),
            generation: transition.generation,
        }
    }
}

/// Is told of each state change, on the thread that caused it, after it is true and with no lock
/// held, so it may call the breaker. It must not free it, throw a C++ exception, or longjmp out.
/// `user` is what was registered; `transition` is valid during the call.
#[cfg(feature = "std")]
pub type fb_transition_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, transition: *const fb_transition)>;

#[cfg(feature = "std")]
struct Listener {
    function: unsafe extern "C" fn(*mut c_void, *const fb_transition),
    user: *mut c_void,
}

#[cfg(feature = "std")]
// SAFETY: the pointer is only passed on, and fb_breaker_on_transition asks for one that every
// thread may use.
unsafe impl Send for Listener {}
#[cfg(feature = "std")]
// SAFETY: as above; nothing in it ever changes.
unsafe impl Sync for Listener {}

/// How many of its last changes of state a breaker keeps.
pub const FB_TRANSITIONS_KEPT: usize = 8;

/// Who learns of a breaker's changes of state.
#[derive(Default)]
pub(crate) struct Listeners {
    /// For whoever asks later.
    pub(crate) log: TransitionLog<FB_TRANSITIONS_KEPT>,
    /// The transition function, set at most once: so it can neither change nor go away under a call that runs, and
    /// reading it is one load.
    #[cfg(feature = "std")]
    function: OnceLock<Listener>,
}

impl Observer for Listeners {
    fn transition(&self, transition: &Transition) {
        self.log.transition(transition);
        #[cfg(feature = "std")]
        if let Some(listener) = self.function.get() {
            let transition = fb_transition::from(transition);
            // SAFETY: whoever registered the function promised that any thread may call it with
            // `user` as long as the breaker lives, and the breaker lives during this call.
            unsafe { (listener.function)(listener.user, &raw const transition) };
        }
    }
}

/// Reads the last changes of state, without a transition function: for a program that looks from time to time.
/// Of more changes than FB_TRANSITIONS_KEPT since the last look, the oldest are lost, and `lost` says so.
///
/// `generation`: in: the change after which to begin, 0 at first (of a breaker on a board: the
/// fb_snapshot's); out: the newest one read, for the
/// next time. `transitions`, `capacity`: room for so many, oldest first. `struct_size`:
/// sizeof(fb_transition). `count`: written; how many were read; when it is `capacity` there may be
/// more. `lost`: may be NULL; changes before the newest one read that are not there any more.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_transitions(
    breaker: *const fb_breaker,
    generation: *mut u32,
    transitions: *mut fb_transition,
    capacity: usize,
    struct_size: usize,
    count: *mut usize,
    lost: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, `transitions` for so many.
    entry(|| unsafe {
        let since = *handle::shared(generation)?;
        handle::usable(transitions)?;
        if struct_size != size_of::<fb_transition>() {
            return Err(fb_status::FB_ESIZE);
        }
        handle::write(count, 0)?;
        let log = &handle::shared(breaker)?.listeners.log;
        let (mut newest, mut read) = (since, 0);
        for transition in log.since(since).transitions.iter().take(capacity) {
            transitions.add(read).write(transition.into());
            newest = transition.generation;
            read += 1;
        }
        // Generations count modulo 2^28.
        let passed = newest.wrapping_sub(since) & ((1 << 28) - 1);
        handle::write(generation, newest)?;
        handle::write(count, read)?;
        handle::write_if_wanted(lost, passed - read as u32)?;
        Ok(fb_status::FB_OK)
    })
}

/// Registers the function that is told of each state change. Once for a breaker, best before other
/// threads have it: what changed earlier is not reported.
///
/// `on_transition`: the function. `user`: passed to it; may be NULL; with what it points to, usable
/// from every thread that uses the breaker, until the breaker is freed.
/// Returns: FB_OK; FB_EINVAL; FB_EBUSY when there is one already. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_on_transition(
    breaker: *const fb_breaker,
    on_transition: fb_transition_fn,
    user: *mut c_void,
) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let breaker = unsafe { handle::shared(breaker) }?;
        let function = on_transition.ok_or(fb_status::FB_EINVAL)?;
        match breaker.listeners.function.set(Listener { function, user }) {
            Ok(()) => Ok(fb_status::FB_OK),
            Err(_) => Err(fb_status::FB_EBUSY),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_the_names_of_the_core() {
        for cause in Cause::ALL {
            assert_eq!(
                fb_cause::from(cause).text().to_str().unwrap(),
                cause.as_str()
            );
        }
    }
}
