//! [`Host`]: what a language must answer. The runner only reads and compares.

pub mod c;
pub mod process;
pub mod python;
pub mod rust;

use std::fmt;

use fuseboard_core::{Nanos, Reason, State};

use crate::trace::{Control, Policy, Settling};

/// One language's public API behind the verbs of a trace.
///
/// A host is made fresh for each trace. Policies are named by the trace, permits by the runner: each
/// acquisition has a number of its own, so a permit that is never settled is simply never named again.
pub trait Host {
    /// The host's word on the command line.
    fn name(&self) -> &'static str;

    /// Makes a policy under a name that is not taken.
    fn declare(&mut self, name: &str, policy: &Policy) -> Result<(), Refusal>;

    /// Gives a policy new settings and keeps its state.
    fn configure(&mut self, name: &str, policy: &Policy, now: Nanos) -> Result<(), Refusal>;

    /// Asks a breaker or a concurrency limit for a permit.
    fn acquire_permit(&mut self, name: &str, permit: PermitId, now: Nanos) -> Answer<Admission>;

    /// Settles a permit that was admitted: `true` when it changed something, `false` when it is stale.
    fn settle(
        &mut self,
        name: &str,
        permit: PermitId,
        settling: Settling,
        now: Nanos,
    ) -> Answer<bool>;

    /// Manual control of a breaker.
    fn control(&mut self, name: &str, control: Control, now: Nanos) -> Answer<()>;

    /// Takes units from a limiter.
    fn acquire(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<Admission>;

    /// Takes units from a limiter now or later.
    fn reserve(
        &mut self,
        name: &str,
        cost: u64,
        max_wait: Option<Nanos>,
        now: Nanos,
    ) -> Answer<Admission>;

    /// Gives units back to a limiter.
    fn refund(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<()>;

    /// A breaker's state.
    fn state(&mut self, name: &str, now: Nanos) -> Answer<State>;

    /// Whole units that would be admitted now.
    fn available(&mut self, name: &str, now: Nanos) -> Answer<u64>;

    /// Permits out; of a breaker, its probes.
    fn in_flight(&mut self, name: &str, now: Nanos) -> Answer<u32>;
}

/// One acquisition of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PermitId(pub u64);

/// What a host says, or why it says nothing.
pub type Answer<T> = Result<T, Unanswered>;

/// Whether a request was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Admitted {
        /// How long to wait until the turn; zero for now, and for what is never reserved.
        wait: Nanos,
    },
    /// Not now.
    Rejected {
        /// Why.
        reason: Reason,
        /// When to come back, if anybody can know.
        retry_after: Option<Nanos>,
    },
}

/// As a trace spells it.
impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { wait: Nanos::ZERO } => f.write_str("admitted"),
            Self::Admitted { wait } => write!(f, "admitted wait={wait}"),
            Self::Rejected {
                reason,
                retry_after,
            } => {
                write!(f, "rejected({})", reason.as_str())?;
                match retry_after {
                    Some(after) => write!(f, " retry_after={after}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Why a host cannot answer. Always a failed step, never a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered(pub String);

impl Unanswered {
    /// The host has no such kind or verb.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self(format!("unsupported: this host has no {what}"))
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why settings were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The library refused them.
    Field {
        /// The field that it named.
        field: String,
        /// Its whole message.
        message: String,
    },
    /// The host could not even ask.
    Unanswered(Unanswered),
}

impl From<Unanswered> for Refusal {
    fn from(why: Unanswered) -> Self {
        Self::Unanswered(why)
    }
}
