//! [`OUTCOMES`]: every outcome that policies count, with its name. The only file that names them.
//!
//! `docs/telemetry.md` shows the same table, and a test compares the two.

use crate::call::PolicyKind;

/// What a policy counts of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyOutcomes {
    /// The policy, by the name that it has in errors too.
    pub policy: PolicyKind,
    /// Each outcome's name and what it says.
    pub outcomes: &'static [(&'static str, &'static str)],
}

/// One of a policy's outcomes.
pub(crate) trait Did: Copy {
    /// All of them.
    const ROW: &'static PolicyOutcomes;

    /// Which it is.
    fn place(self) -> usize;
}

/// The table, and an enumeration for each policy.
macro_rules! outcomes {
    ($($(#[$when:meta])* $policy:ident { $($outcome:ident = $name:literal: $about:literal,)+ })+) => {
        /// Every policy that counts its calls, and its outcomes.
        pub const OUTCOMES: &[PolicyOutcomes] = &[$($(#[$when])* PolicyOutcomes {
            policy: PolicyKind::$policy,
            outcomes: &[$(($name, $about)),+],
        }),+];

        /// What a policy did with a call.
        pub(crate) mod did {
            use super::{Did, PolicyOutcomes};
            use crate::call::PolicyKind;
            $(
                $(#[$when])*
                #[allow(dead_code, reason = "which of them can come depends on other features")]
                #[derive(Clone, Copy, Debug)]
                pub(crate) enum $policy { $($outcome),+ }

                $(#[$when])*
                impl Did for $policy {
                    const ROW: &'static PolicyOutcomes = &PolicyOutcomes {
                        policy: PolicyKind::$policy,
                        outcomes: &[$(($name, $about)),+],
                    };

                    fn place(self) -> usize {
                        self as usize
                    }
                }
            )+
        }
    };
}

outcomes! {
    #[cfg(feature = "timeout")]
    Timeout {
        Ended = "ended": "It ended before its time was over",
        TimedOut = "timed_out": "It was cut off",
    }
    #[cfg(feature = "retry")]
    Retry {
        Once = "once": "The end of the first attempt was not to be repeated",
        Repeated = "repeated": "The end of a further attempt was not to be repeated",
        Exhausted = "exhausted": "The last of max_attempts was to be repeated too",
        NoBudget = "no_budget": "It was to be repeated, and the budget was used up",
        NoTime = "no_time": "It was to be repeated, and a deadline or max_retry_after would have passed",
    }
    #[cfg(feature = "hedge")]
    Hedge {
        Alone = "alone": "The first attempt ended it before another was begun",
        First = "first": "The first attempt ended it while others were made",
        Later = "later": "A later attempt ended it",
    }
    #[cfg(feature = "fallback")]
    Fallback {
        Own = "own": "The service's own answer or error was taken",
        StandIn = "stand_in": "The stand-in answered",
        Nothing = "none": "The stand-in had no answer either",
    }
    #[cfg(feature = "cache")]
    Cache {
        Found = "found": "A last good answer was there",
        Stale = "stale": "It was too old",
        Missing = "missing": "There was none",
    }
    #[cfg(feature = "coalesce")]
    Coalesce {
        Made = "made": "The call was made",
        Joined = "joined": "It had the answer of an equal call under way",
    }
    #[cfg(feature = "failover")]
    Failover {
        First = "first": "The first endpoint's end was taken",
        Other = "other": "Another endpoint's was",
        Failed = "failed": "No endpoint was left to ask after the last had failed",
        Rejected = "rejected": "No endpoint could be asked",
    }
    #[cfg(feature = "isolation")]
    Isolation {
        Ended = "ended": "It ended on its task or thread",
        Panicked = "panicked": "It panicked there",
        TimedOut = "timed_out": "Its caller went on before it ended",
        Rejected = "rejected": "No task or thread was free for it",
    }
    Concurrency {
        Admitted = "admitted": "It had a place at once (not counted where there is no line)",
        Waited = "waited": "It had a place after waiting in line",
        Rejected = "rejected": "There was no place, or the wait was too long",
        Shed = "shed": "Its turn came while a standing line was being cut",
    }
    #[cfg(feature = "adaptive")]
    Adaptive {
        Admitted = "admitted": "It had a place",
        Rejected = "rejected": "There was no place",
    }
    #[cfg(feature = "shedding")]
    Shedding {
        Admitted = "admitted": "It had a place",
        Rejected = "rejected": "No place was left to its priority",
    }
    #[cfg(feature = "shedding")]
    CoDel {
        Served = "served": "The entry was served",
        Shed = "shed": "It had waited too long in a queue that stood",
    }
    #[cfg(feature = "throttle")]
    Throttle {
        Admitted = "admitted": "It was let through",
        Rejected = "rejected": "The backend would probably have refused it",
    }
    #[cfg(feature = "rate-limit")]
    RateLimit {
        Admitted = "admitted": "Its tokens were there",
        Waited = "waited": "They were there when it had waited for them",
        Rejected = "rejected": "The wait would have been too long",
    }
    #[cfg(feature = "chaos")]
    Chaos {
        Passed = "passed": "Chaos was on and let it through, perhaps later",
        Injected = "injected": "A failure was put in its place",
        Hung = "hung": "It was made to hang",
    }
    #[cfg(feature = "saga")]
    Saga {
        Done = "done": "All steps were made",
        Undone = "undone": "A step failed, and all were undone",
        UndoFailed = "undo_failed": "An undo failed: somebody must look",
    }
}
