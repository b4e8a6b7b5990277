//! [`Part`]: one of several policies that admit together, whichever class it is of.

use crate::gate::Gate;
use fuseboard_core::{Nanos, RawPermit, Rejected};
use pyo3::prelude::*;

/// What one of them has given.
pub(crate) enum Held {
    Breaker(RawPermit),
    /// When the call began.
    Started(Nanos),
    /// Which of them all is no matter.
    Unit,
    /// A policy in shadow would have rejected the call.
    Nothing,
}

/// What a class of policies gives, among what others give.
pub(crate) trait Kept: Sized {
    fn pack(self) -> Held;
    /// `None`: another class gave it.
    fn unpack(held: Held) -> Option<Self>;
}

impl Kept for RawPermit {
    #[inline]
    fn pack(self) -> Held {
        Held::Breaker(self)
    }

    #[inline]
    fn unpack(held: Held) -> Option<Self> {
        match held {
            Held::Breaker(raw) => Some(raw),
            _ => None,
        }
    }
}

impl Kept for Nanos {
    #[inline]
    fn pack(self) -> Held {
        Held::Started(self)
    }

    #[inline]
    fn unpack(held: Held) -> Option<Self> {
        match held {
            Held::Started(started) => Some(started),
            _ => None,
        }
    }
}

impl Kept for () {
    #[inline]
    fn pack(self) -> Held {
        Held::Unit
    }

    #[inline]
    fn unpack(held: Held) -> Option<Self> {
        matches!(held, Held::Unit).then_some(())
    }
}

macro_rules! parts {
    ($($variant:ident: $class:path),* $(,)?) => {
        /// A native policy. A list, not a trait object: a call behind three of them costs a fifth less so.
        pub(crate) enum Part {
            $($variant(Py<$class>)),*
        }

        impl Part {
            /// `policy`, where it is a native one.
            pub(crate) fn of(policy: &Bound<'_, PyAny>) -> Option<Self> {
                $(
                    if let Ok(found) = policy.cast::<$class>() {
                        return Some(Self::$variant(found.clone().unbind()));
                    }
                )*
                None
            }

            #[inline]
            pub(crate) fn request(&self, py: Python<'_>) -> PyResult<Result<Held, Rejected>> {
                match self {
                    $(Self::$variant(policy) => Ok(policy.get().request(py)?.map(Kept::pack))),*
                }
            }

            #[cold]
            pub(crate) fn refusal(&self, py: Python<'_>, refused: Rejected) -> PyErr {
                match self {
                    $(Self::$variant(policy) => policy.get().refusal(py, refused)),*
                }
            }

            #[inline]
            pub(crate) fn returned(&self, held: Held, result: &Bound<'_, PyAny>) -> PyResult<()> {
                match self {
                    $(Self::$variant(policy) => Kept::unpack(held)
                        .map_or(Ok(()), |held| Gate::returned(policy.get(), held, result))),*
                }
            }

            pub(crate) fn raised(&self, held: Held, exception: &Bound<'_, PyAny>) -> PyResult<()> {
                match self {
                    $(Self::$variant(policy) => Kept::unpack(held)
                        .map_or(Ok(()), |held| Gate::raised(policy.get(), held, exception))),*
                }
            }

            pub(crate) fn undo(&self, py: Python<'_>, held: Held) -> PyResult<()> {
                match self {
                    $(Self::$variant(policy) => Kept::unpack(held)
                        .map_or(Ok(()), |held| policy.get().undo(py, held))),*
                }
            }

            /// The policy itself.
            pub(crate) fn object(&self) -> &Py<PyAny> {
                match self {
                    $(Self::$variant(policy) => policy.as_any()),*
                }
            }
        }
    };
}

parts! {
    Breaker: crate::breaker::Breaker,
    Limiter: crate::limiter::RateLimiter,
    Concurrency: crate::concurrency::Concurrency,
    Adaptive: crate::adaptive::Adaptive,
    Prioritized: crate::shedding::PrioritizedLimit,
    Throttle: crate::throttle::Throttle,
    Shadow: crate::shadow::Shadow,
}
