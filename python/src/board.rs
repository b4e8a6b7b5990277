//! [`Board`]: the adapter's board, whose breakers and limits are the same native classes.

use crate::breaker::{Breaker, Place};
use crate::clock::TimeSource;
use crate::concurrency::Concurrency;
use crate::config;
use crate::errors;
use crate::limiter::{RateLimiter, quota};
use crate::listeners::{Fields, Listeners, fields, tell_of_board};
use fuseboard::{BoardError, BoardOptions, TransitionCursor, WhenDifferent};
use fuseboard_core::ClaimError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;

/// Breakers and limits that all processes of a host share.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Board(fuseboard::Board);

fn refused(py: Python<'_>, error: BoardError) -> PyErr {
    match error {
        BoardError::Claim(ClaimError::Config(error)) => errors::from_core(py, error),
        BoardError::System { action, source } => {
            let cause = PyErr::from(source);
            let raised = errors::board(py, format!("board: cannot {action}: {cause}"));
            raised.set_cause(py, Some(cause));
            raised
        }
        // It names the option as Rust does.
        other => {
            let message = other.to_string();
            errors::board(
                py,
                message.replace("`BoardOptions::on_disk`", "on_disk=True"),
            )
        }
    }
}

fn chosen(py: Python<'_>, word: &str) -> PyResult<WhenDifferent> {
    match word {
        "refuse" => Ok(WhenDifferent::Refuse),
        "update" => Ok(WhenDifferent::Update),
        "keep" => Ok(WhenDifferent::Keep),
        other => {
            let message =
                format!("when_different is {other:?}; allowed: \"refuse\", \"update\", \"keep\"");
            Err(errors::config(py, "when_different", message))
        }
    }
}

#[pymethods]
impl Board {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf, on_disk: bool) -> PyResult<Self> {
        let options = BoardOptions::new().on_disk(on_disk);
        // Others may take their time to make the file.
        let opened = py.detach(|| options.open(path));
        opened.map(Self).map_err(|error| refused(py, error))
    }

    #[staticmethod]
    fn anonymous(py: Python<'_>) -> PyResult<Self> {
        fuseboard::Board::anonymous()
            .map(Self)
            .map_err(|error| refused(py, error))
    }

    #[staticmethod]
    fn private() -> Self {
        Self(fuseboard::Board::private())
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    /// The changes after `cursor`, each with its process; how many more there were; and the cursor for the next time.
    fn transitions_since(&self, cursor: Option<[u64; 2]>) -> (Vec<(u64, Fields)>, u64, [u64; 2]) {
        let mut cursor = cursor.map_or(TransitionCursor::OLDEST, TransitionCursor::from_words);
        let found = self.0.transitions_since(&mut cursor);
        let changes = found.transitions.iter().map(|change| {
            let name = change.name.to_string();
            (change.process, fields(&name, &change.transition))
        });
        (changes.collect(), found.lost, cursor.to_words())
    }

    fn transitions_end(&self) -> [u64; 2] {
        self.0.transitions_end().to_words()
    }

    /// Number, process id and whether it lives, of each attached process.
    fn attached(&self) -> Vec<(u16, u32, bool)> {
        let attached = self.0.attached();
        let fields = attached
            .iter()
            .map(|one| (one.owner.index(), one.process, one.is_alive));
        fields.collect()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "as `Breaker`'s, and the board's own"
    )]
    fn breaker(
        &self,
        name: String,
        settings: &Bound<'_, PyDict>,
        when_different: &str,
        classify: Py<PyAny>,
        is_failure: Option<Py<PyAny>>,
        listeners: Vec<Py<PyAny>>,
        event: Py<PyAny>,
    ) -> PyResult<Breaker> {
        let breaker = self
            .0
            .breaker_with(
                &name,
                config::breaker(settings)?,
                chosen(settings.py(), when_different)?,
            )
            .map_err(|error| refused(settings.py(), error))?;
        let listeners = Arc::new(Listeners::new(event, listeners));
        if !listeners.callables.is_empty() {
            let (listeners, name) = (Arc::clone(&listeners), name.clone());
            breaker.on_transition(move |change| tell_of_board(&listeners, &name, change));
        }
        Ok(Breaker {
            place: Place::Board {
                breaker,
                board: self.0.clone(),
            },
            name,
            time: TimeSource::System,
            classify,
            is_failure,
            listeners,
        })
    }

    fn token_bucket(
        &self,
        name: String,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
        when_different: &str,
    ) -> PyResult<RateLimiter> {
        let (quota, burst) = quota(rate, per, ("burst", burst))?;
        let bucket = self
            .0
            .token_bucket_with(&name, quota, burst, chosen(rate.py(), when_different)?)
            .map_err(|error| refused(rate.py(), error))?;
        Ok(RateLimiter::on_board(name, bucket, self.0.clone()))
    }

    fn concurrency_limit(
        &self,
        name: String,
        limit: &Bound<'_, PyAny>,
        when_different: &str,
    ) -> PyResult<Concurrency> {
        let places = config::integer("limit", limit)?;
        let words = self
            .0
            .concurrency_limit_with(&name, places, chosen(limit.py(), when_different)?)
            .map_err(|error| refused(limit.py(), error))?;
        Ok(Concurrency::on_board(name, words))
    }
}
