//! The answers: statuses, states and outcomes, with numbers that never change meaning.

use core::ffi::{CStr, c_char};
use fuseboard_core::{Nanos, Outcome, Reason, Rejected, Settled, State};

/// What a function answers. Numbers are never reused; none is retired so far.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_status {
    /// Done, or admitted.
    FB_OK = 0,
    /// Not admitted: the breaker is open.
    FB_OPEN = 1,
    /// Not admitted: the breaker is half-open and every probe place is taken.
    FB_HALF_OPEN_FULL = 2,
    /// Not admitted: an operator holds the breaker open.
    FB_FORCED_OPEN = 3,
    /// Not admitted: the breaker has just closed and admits a growing share.
    FB_RAMPING = 4,
    /// Not admitted: the rate limit is used up for now.
    FB_LIMITED = 5,
    /// Not admitted: as many calls as allowed are in flight; or a name was removed from its board,
    /// which has no slot for it any more.
    FB_FULL = 6,
    /// Not admitted: the cost is more than the limiter can ever admit.
    FB_NEVER = 7,
    /// Nothing changed: the permit was settled before, or its generation is over; or there was
    /// nothing to give back.
    FB_STALE = 8,
    /// An argument is NULL, not aligned, or not one of the allowed numbers.
    FB_EINVAL = -1,
    /// struct_size is not the size that this library knows: the header does not fit the library,
    /// or the member was not set; or the memory given is too small for the object.
    FB_ESIZE = -2,
    /// Out of memory.
    FB_ENOMEM = -3,
    /// A setting is refused; fb_error names it.
    FB_ECONFIG = -4,
    /// A defect inside the library; please report it. The handle stays usable.
    FB_EPANIC = -5,
    /// A transition function is registered already.
    FB_EBUSY = -6,
    /// Board: the operating system refused something; fb_error says what and why.
    FB_ESYSTEM = -7,
    /// Board: the file is not one that may be trusted; fb_error says why.
    FB_EFILE = -8,
    /// Board: the file is no board, or one of another version, size, boot or clock.
    FB_ELAYOUT = -9,
    /// Board: the name runs with another configuration.
    FB_EDIFFERS = -10,
    /// Board: every slot of this kind is taken.
    FB_ENOSLOT = -11,
    /// Board: as many processes are attached as can be.
    FB_ENOOWNER = -12,
    /// Policies: no configuration so far had this name.
    FB_ENONAME = -13,
}

impl fb_status {
    const ALL: [Self; 22] = [
        Self::FB_OK,
        Self::FB_OPEN,
        Self::FB_HALF_OPEN_FULL,
        Self::FB_FORCED_OPEN,
        Self::FB_RAMPING,
        Self::FB_LIMITED,
        Self::FB_FULL,
        Self::FB_NEVER,
        Self::FB_STALE,
        Self::FB_EINVAL,
        Self::FB_ESIZE,
        Self::FB_ENOMEM,
        Self::FB_ECONFIG,
        Self::FB_EPANIC,
        Self::FB_EBUSY,
        Self::FB_ESYSTEM,
        Self::FB_EFILE,
        Self::FB_ELAYOUT,
        Self::FB_EDIFFERS,
        Self::FB_ENOSLOT,
        Self::FB_ENOOWNER,
        Self::FB_ENONAME,
    ];

    const fn text(self) -> &'static CStr {
        match self {
            Self::FB_OK => c"ok",
            Self::FB_OPEN => c"the circuit breaker is open",
            Self::FB_HALF_OPEN_FULL => {
                c"the circuit breaker is half-open and all probe places are taken"
            }
            Self::FB_FORCED_OPEN => c"the circuit breaker is forced open",
            Self::FB_RAMPING => c"the circuit breaker has just closed and admits only a share",
            Self::FB_LIMITED => c"the rate limit is used up",
            Self::FB_FULL => c"the concurrency limit is reached",
            Self::FB_NEVER => c"the cost is more than the limiter can ever admit",
            Self::FB_STALE => c"nothing changed: settled before, or its generation is over",
            Self::FB_EINVAL => c"an argument is NULL, not aligned, or out of its range",
            Self::FB_ESIZE => c"struct_size does not fit this library, or memory is too small",
            Self::FB_ENOMEM => c"out of memory",
            Self::FB_ECONFIG => c"a setting is refused",
            Self::FB_EPANIC => c"a defect inside the library",
            Self::FB_EBUSY => c"a transition function is registered already",
            Self::FB_ESYSTEM => c"the operating system refused something",
            Self::FB_EFILE => c"the board's file is not one that may be trusted",
            Self::FB_ELAYOUT => c"no board, or one of another version, size, boot or clock",
            Self::FB_EDIFFERS => c"the name runs with another configuration",
            Self::FB_ENOSLOT => c"every slot of this kind is taken",
            Self::FB_ENOOWNER => c"as many processes are attached to the board as can be",
            Self::FB_ENONAME => c"no policy has this name",
        }
    }
}

impl From<Reason> for fb_status {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Open => Self::FB_OPEN,
            Reason::HalfOpenFull => Self::FB_HALF_OPEN_FULL,
            Reason::ForcedOpen => Self::FB_FORCED_OPEN,
            Reason::Ramping => Self::FB_RAMPING,
            Reason::Limited => Self::FB_LIMITED,
            Reason::Full => Self::FB_FULL,
            Reason::Never => Self::FB_NEVER,
        }
    }
}

impl fb_status {
    /// In words.
    #[cfg(all(feature = "config", target_os = "linux"))]
    pub(crate) fn words(self) -> &'static str {
        self.text().to_str().unwrap_or_default()
    }

    /// The status with this number.
    pub(crate) fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as i32 == number)
    }
}

/// The reason that a status stands for; `FB_EINVAL` where it is no rejection.
pub(crate) fn reason(status: fb_status) -> Result<Reason, fb_status> {
    Reason::ALL
        .into_iter()
        .find(|reason| fb_status::from(*reason) == status)
        .ok_or(fb_status::FB_EINVAL)
}

impl From<Settled> for fb_status {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Recorded => Self::FB_OK,
            Settled::Stale => Self::FB_STALE,
        }
    }
}

/// A retry_after_ns that no time alone brings to an end: until an operator acts, until another
/// call ends, or never. The number before it means that long, or longer: 584 years.
pub const FB_RETRY_UNKNOWN: u64 = 0xFFFF_FFFF_FFFF_FFFF;

/// The status of a decision, and how long to wait after it: 0 when admitted.
pub(crate) fn decided(decision: Result<(), Rejected>) -> (fb_status, u64) {
    match decision {
        Ok(()) => (fb_status::FB_OK, 0),
        Err(rejected) => {
            // A wait of all 584 years is a nanosecond shorter: the number says that it is not known.
            let known = |wait: Nanos| wait.get().min(FB_RETRY_UNKNOWN - 1);
            let wait = rejected.retry_after.map_or(FB_RETRY_UNKNOWN, known);
            (rejected.reason.into(), wait)
        }
    }
}

/// What a breaker does at the moment.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_state {
    /// No state: the handle was NULL.
    FB_STATE_INVALID = -1,
    /// Calls pass and are counted.
    FB_STATE_CLOSED = 0,
    /// Calls are rejected; it stays open until a probe is admitted.
    FB_STATE_OPEN = 1,
    /// A few probes pass; they decide.
    FB_STATE_HALF_OPEN = 2,
    /// Held open by an operator until fb_breaker_reset.
    FB_STATE_FORCED_OPEN = 3,
    /// Calls pass and nothing is counted, until fb_breaker_reset.
    FB_STATE_DISABLED = 4,
    /// Calls pass and are counted, nothing is rejected, until fb_breaker_reset.
    FB_STATE_METRICS_ONLY = 5,
}

impl fb_state {
    const ALL: [Self; 7] = [
        Self::FB_STATE_INVALID,
        Self::FB_STATE_CLOSED,
        Self::FB_STATE_OPEN,
        Self::FB_STATE_HALF_OPEN,
        Self::FB_STATE_FORCED_OPEN,
        Self::FB_STATE_DISABLED,
        Self::FB_STATE_METRICS_ONLY,
    ];

    const fn text(self) -> &'static CStr {
        match self {
            Self::FB_STATE_INVALID => c"invalid",
            Self::FB_STATE_CLOSED => c"closed",
            Self::FB_STATE_OPEN => c"open",
            Self::FB_STATE_HALF_OPEN => c"half_open",
            Self::FB_STATE_FORCED_OPEN => c"forced_open",
            Self::FB_STATE_DISABLED => c"disabled",
            Self::FB_STATE_METRICS_ONLY => c"metrics_only",
        }
    }
}

impl From<State> for fb_state {
    fn from(state: State) -> Self {
        match state {
            State::Closed => Self::FB_STATE_CLOSED,
            State::Open => Self::FB_STATE_OPEN,
            State::HalfOpen => Self::FB_STATE_HALF_OPEN,
            State::ForcedOpen => Self::FB_STATE_FORCED_OPEN,
            State::Disabled => Self::FB_STATE_DISABLED,
            State::MetricsOnly => Self::FB_STATE_METRICS_ONLY,
        }
    }
}

/// How a call ended.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_outcome {
    /// The dependency did what it was asked.
    FB_SUCCESS = 0,
    /// The dependency failed.
    FB_FAILURE = 1,
    /// The end says nothing about the dependency (bad input, a cancelled caller): counted nowhere.
    FB_IGNORED = 2,
}

/// The outcome with this number. It comes as a plain integer because an enum of Rust with any
/// other number in it would be undefined behaviour.
pub(crate) fn outcome(number: i32) -> Result<Outcome, fb_status> {
    const SUCCESS: i32 = fb_outcome::FB_SUCCESS as i32;
    const FAILURE: i32 = fb_outcome::FB_FAILURE as i32;
    const IGNORED: i32 = fb_outcome::FB_IGNORED as i32;
    match number {
        SUCCESS => Ok(Outcome::Success),
        FAILURE => Ok(Outcome::Failure),
        IGNORED => Ok(Outcome::Ignored),
        _ => Err(fb_status::FB_EINVAL),
    }
}

/// A status in words, for logs.
///
/// `status`: an fb_status, or any number.
/// Returns: a static string, never NULL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_status_string(status: i32) -> *const c_char {
    fb_status::of(status)
        .map_or(c"unknown status", fb_status::text)
        .as_ptr()
}

/// The name of a state, the same in every language: "half_open".
///
/// `state`: an fb_state, or any number.
/// Returns: a static string, never NULL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_state_string(state: i32) -> *const c_char {
    fb_state::ALL
        .into_iter()
        .find(|known| *known as i32 == state)
        .map_or(c"invalid", fb_state::text)
        .as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_statuses_of_their_own_and_the_same_words() {
        let mut seen = Vec::new();
        for reason in Reason::ALL {
            let status = fb_status::from(reason);
            assert!(status as i32 > 0, "{reason:?} is an expected answer");
            assert!(!seen.contains(&status), "{reason:?} shares its status");
            assert_eq!(status.text().to_str().unwrap(), reason.to_string());
            seen.push(status);
        }
    }

    #[test]
    fn states_have_the_names_of_the_core() {
        for state in State::ALL {
            assert_eq!(
                fb_state::from(state).text().to_str().unwrap(),
                state.as_str()
            );
        }
    }

    #[test]
    fn every_number_finds_its_own_text() {
        for status in fb_status::ALL {
            assert_eq!(fb_status_string(status as i32), status.text().as_ptr());
        }
        for state in fb_state::ALL {
            assert_eq!(fb_state_string(state as i32), state.text().as_ptr());
        }
    }
}
