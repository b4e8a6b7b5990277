//! [`Part`]: one of several policies that admit together, whichever class it is of.

use crate::gate::Gate;
use fuseboard_core::{Nanos, RawPermit, Rejected};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

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
    fn pack(self) -> Held {
        Held::Breaker(self)
    }

    fn unpack(held: Held) -> Option<Self> {
        match held {
            Held::Breaker(raw) => Some(raw),
            _ => None,
        }
    }
}

impl Kept for Nanos {
    fn pack(self) -> Held {
        Held::Started(self)
    }

    fn unpack(held: Held) -> Option<Self> {
        match held {
            Held::Started(started) => Some(started),
            _ => None,
        }
    }
}

impl Kept for () {
    fn pack(self) -> Held {
        Held::Unit
    }

    fn unpack(held: Held) -> Option<Self> {
        matches!(held, Held::Unit).then_some(())
    }
}

/// A [`Gate`] without its types.
pub(crate) trait Part: Send + Sync {
    fn request(&self, py: Python<'_>) -> PyResult<Result<Held, Rejected>>;
    fn refusal(&self, py: Python<'_>, refused: Rejected) -> PyErr;
    fn returned(&self, held: Held, result: &Bound<'_, PyAny>) -> PyResult<()>;
    fn raised(&self, held: Held, exception: &Bound<'_, PyAny>) -> PyResult<()>;
    fn undo(&self, py: Python<'_>, held: Held) -> PyResult<()>;
    /// The policy itself.
    fn object(&self) -> &Py<PyAny>;
}

impl<G> Part for Py<G>
where
    G: Gate<Refused = Rejected, Held: Kept> + PyClass<Frozen = True> + Send + Sync,
{
    fn request(&self, py: Python<'_>) -> PyResult<Result<Held, Rejected>> {
        Ok(self.get().request(py)?.map(Kept::pack))
    }

    fn refusal(&self, py: Python<'_>, refused: Rejected) -> PyErr {
        self.get().refusal(py, refused)
    }

    fn returned(&self, held: Held, result: &Bound<'_, PyAny>) -> PyResult<()> {
        G::Held::unpack(held).map_or(Ok(()), |held| self.get().returned(held, result))
    }

    fn raised(&self, held: Held, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        G::Held::unpack(held).map_or(Ok(()), |held| self.get().raised(held, exception))
    }

    fn undo(&self, py: Python<'_>, held: Held) -> PyResult<()> {
        G::Held::unpack(held).map_or(Ok(()), |held| self.get().undo(py, held))
    }

    fn object(&self) -> &Py<PyAny> {
        self.as_any()
    }
}

/// `policy`, where it is a native one.
pub(crate) fn part(policy: &Bound<'_, PyAny>) -> Option<Box<dyn Part>> {
    crate::gate::of_policy!(policy, found: Class => {
        let policy: Py<Class> = found.clone().unbind();
        Some(Box::new(policy))
    }, _ => None)
}
