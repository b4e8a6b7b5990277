//! [`Throttle`]: the core's client throttle with a name and a clock.

use crate::calling;
use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use crate::gate::Gate;
use fuseboard_core::{ClientThrottle, ClientThrottleConfig, Nanos, Rejected};
use pyo3::exceptions::{PyException, PyRecursionError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

/// The core's client throttle.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Throttle {
    // Boxed: the core may align it more strictly than Python allocates objects.
    words: Box<ClientThrottle>,
    name: String,
    time: TimeSource,
    /// Of an exception: whether the backend refused; `None` says nothing.
    classify: Py<PyAny>,
    /// The same of a returned value; it always says something.
    refused_result: Option<Py<PyAny>>,
}

/// What the backend did with a request.
#[derive(Clone, Copy)]
enum Answer {
    Accepted,
    Refused,
}

fn settings(given: &Bound<'_, PyDict>) -> PyResult<ClientThrottleConfig> {
    let mut config = ClientThrottleConfig::new();
    for (key, value) in given {
        let field: String = key.extract()?;
        let (field, value) = (field.as_str(), &value);
        config = match field {
            "multiplier" => config.multiplier(config::decimal(field, value)?),
            "window" => config.window(config::span(field, value)?),
            "minimum_requests" => config.minimum_requests(config::integer(field, value)?),
            "seed" => config.seed(config::integer(field, value)?),
            unknown => {
                return Err(PyTypeError::new_err(format!(
                    "a client throttle has no setting {unknown:?}"
                )));
            }
        };
    }
    Ok(config)
}

impl Throttle {
    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        // Its slots are of 10 ms and more.
        self.time.now(py, Precision::Coarse)
    }

    fn count(&self, answer: Answer, now: Nanos) {
        match answer {
            Answer::Accepted => self.words.accepted(now),
            Answer::Refused => self.words.refused(now),
        }
    }

    /// Counts a call that has ended; its own result goes first, so a fault of the judge or the clock is reported aside.
    fn settle(
        &self,
        py: Python<'_>,
        answer: PyResult<Option<Answer>>,
        judge: &Py<PyAny>,
    ) -> PyResult<()> {
        match answer {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => match self.now(py) {
                Ok(now) => {
                    self.count(answer, now);
                    Ok(())
                }
                Err(fault) => errors::contain(py, fault, &self.time.callable(py)),
            },
            // The call ended for want of stack, and there is none left to judge or to report that.
            Err(fault) if fault.is_instance_of::<PyRecursionError>(py) => Ok(()),
            Err(fault) => errors::contain(py, fault, judge.bind(py)),
        }
    }
}

impl Gate for Throttle {
    type Held = ();
    type Refused = Rejected;

    fn request(&self, py: Python<'_>) -> PyResult<Result<(), Rejected>> {
        Ok(self.words.try_acquire(self.now(py)?))
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::throttled(py, &self.name, no)
    }

    fn returned(&self, (): (), result: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = result.py();
        let Some(is_refused) = &self.refused_result else {
            return self.settle(py, Ok(Some(Answer::Accepted)), &self.classify);
        };
        let answer = calling::call1(is_refused.bind(py), result)
            .and_then(|refused| refused.is_truthy())
            .map(|refused| {
                Some(if refused {
                    Answer::Refused
                } else {
                    Answer::Accepted
                })
            });
        self.settle(py, answer, is_refused)
    }

    fn raised(&self, (): (), exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = exception.py();
        // The call was stopped: nobody knows what the backend would have said.
        if !exception.is_instance_of::<PyException>() {
            return Ok(());
        }
        let answer = calling::call1(self.classify.bind(py), exception).and_then(|refused| {
            Ok(match refused.extract::<Option<bool>>()? {
                Some(true) => Some(Answer::Refused),
                Some(false) => Some(Answer::Accepted),
                None => None,
            })
        });
        self.settle(py, answer, &self.classify)
    }

    /// A call that is not recorded counts as nothing.
    fn undo(&self, _py: Python<'_>, (): ()) -> PyResult<()> {
        Ok(())
    }
}

#[pymethods]
impl Throttle {
    #[new]
    fn new(
        name: String,
        given: &Bound<'_, PyDict>,
        classify: Py<PyAny>,
        refused_result: Option<Py<PyAny>>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let words = ClientThrottle::try_new(settings(given)?)
            .map_err(|error| errors::from_core(given.py(), error))?;
        Ok(Self {
            words: Box::new(words),
            name,
            time: TimeSource::new(clock)?,
            classify,
            refused_result,
        })
    }

    fn try_acquire(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.request(py)?.is_ok())
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.enter(py)
    }

    #[pyo3(name = "returned")]
    fn ended(&self, _held: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::returned(self, (), result)
    }

    #[pyo3(name = "raised")]
    fn failed(&self, _held: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::raised(self, (), exception)
    }

    fn accepted(&self, py: Python<'_>) -> PyResult<()> {
        self.count(Answer::Accepted, self.now(py)?);
        Ok(())
    }

    fn refused(&self, py: Python<'_>) -> PyResult<()> {
        self.count(Answer::Refused, self.now(py)?);
        Ok(())
    }

    fn counts(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        Ok(self.words.counts(self.now(py)?))
    }

    fn rejection_share(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.words.rejection_share(self.now(py)?))
    }

    fn configure(&self, given: &Bound<'_, PyDict>) -> PyResult<()> {
        self.words
            .configure(settings(given)?)
            .map_err(|error| errors::from_core(given.py(), error))
    }

    /// As part of a guarded function's.
    fn __repr__(&self) -> String {
        format!("ClientThrottle {:?}", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)?;
        visit.call(&self.classify)?;
        visit.call(&self.refused_result)
    }
}
