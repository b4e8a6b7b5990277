//! [`Keyed`]: the core's keyed limiter on a table of its own.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use fuseboard_core::{KeyedEntry, KeyedTable, Nanos, Rate, Rejected, WhenFull, hash_key};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};
use pyo3::{PyTraverseError, PyVisit};
use std::hash::{BuildHasher, RandomState};

/// The largest table: 16 GiB.
const CAPACITY_MAX: u64 = 1 << 30;

/// One token bucket for each key.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Keyed {
    table: OwnedTable,
    name: String,
    time: TimeSource,
    /// Of this limiter alone: who chooses keys cannot aim at a place.
    seed: [u64; 2],
}

/// A table and the places that it lies on.
struct OwnedTable {
    /// Refers to `places` for as long as they live, which is as long as this.
    table: KeyedTable<'static>,
    places: *mut [KeyedEntry],
}

// SAFETY: the places are owned and nothing but atomic words.
unsafe impl Send for OwnedTable {}
// SAFETY: as above.
unsafe impl Sync for OwnedTable {}

impl OwnedTable {
    fn try_new(
        capacity: usize,
        rate: Rate,
        burst: u64,
        when_full: WhenFull,
    ) -> Result<Self, fuseboard_core::ConfigError> {
        let places: Box<[KeyedEntry]> = (0..capacity).map(|_| KeyedEntry::new()).collect();
        let places = Box::into_raw(places);
        // SAFETY: just made, and freed by `drop` alone, when the table, which nobody else can have, is never used again.
        let table = unsafe { KeyedTable::try_new(&*places, rate, burst, when_full) };
        match table {
            Ok(table) => Ok(Self { table, places }),
            Err(error) => {
                // SAFETY: made by `Box::into_raw` above; there is no table that refers to it.
                drop(unsafe { Box::from_raw(places) });
                Err(error)
            }
        }
    }
}

impl Drop for OwnedTable {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw`, given back once; the table has no destructor that would look at it.
        drop(unsafe { Box::from_raw(self.places) });
    }
}

impl Keyed {
    fn key(&self, key: &Bound<'_, PyAny>) -> PyResult<u64> {
        if let Ok(text) = key.cast::<PyString>() {
            return Ok(hash_key(self.seed, text.to_str()?.as_bytes()));
        }
        if let Ok(bytes) = key.cast::<PyBytes>() {
            return Ok(hash_key(self.seed, bytes.as_bytes()));
        }
        if key.is_instance_of::<PyInt>() {
            // By its digits, so that no int is too large; another seed keeps 1 apart from "1".
            let seed = [self.seed[0], !self.seed[1]];
            return Ok(hash_key(seed, key.str()?.to_str()?.as_bytes()));
        }
        let kind = key.get_type();
        let kind = kind.name()?;
        Err(PyTypeError::new_err(format!(
            "key must be a str, bytes or an int, not {kind}"
        )))
    }

    fn ask(
        &self,
        key: &Bound<'_, PyAny>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Result<(), Rejected>> {
        let cost = cost.map_or(Ok(1), |value| config::integer("cost", value))?;
        let (key, now) = (self.key(key)?, self.now(key.py())?);
        Ok(self.table.table.try_acquire_many(key, cost, now))
    }

    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        self.time.now(py, Precision::Fine)
    }
}

#[pymethods]
impl Keyed {
    #[new]
    fn new(
        name: String,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
        capacity: &Bound<'_, PyAny>,
        when_full: &str,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = rate.py();
        let quota = Rate::new(config::integer("rate", rate)?, config::span("per", per)?);
        let places: u64 = config::integer("capacity", capacity)?;
        if !(1..=CAPACITY_MAX).contains(&places) {
            let message = format!("capacity is {places}; allowed: 1 to {CAPACITY_MAX} keys");
            return Err(errors::config(py, "capacity", message));
        }
        let when_full = match when_full {
            "reject" => WhenFull::Reject,
            "admit" => WhenFull::Admit,
            "share_overflow" => WhenFull::ShareOverflow,
            other => {
                let message = format!(
                    "when_full is {other:?}; allowed: \"reject\", \"admit\", \"share_overflow\""
                );
                return Err(errors::config(py, "when_full", message));
            }
        };
        let burst = config::integer("burst", burst)?;
        // The range fits every `usize` that Python runs with.
        let table = OwnedTable::try_new(places as usize, quota, burst, when_full)
            .map_err(|error| errors::from_core(py, error))?;
        let random = RandomState::new();
        Ok(Self {
            table,
            name,
            time: TimeSource::new(clock)?,
            seed: [random.hash_one(0_u8), random.hash_one(1_u8)],
        })
    }

    #[pyo3(signature = (key, cost = None))]
    fn try_acquire(
        &self,
        key: &Bound<'_, PyAny>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        Ok(self.ask(key, cost)?.is_ok())
    }

    #[pyo3(signature = (key, cost = None))]
    fn admit(&self, key: &Bound<'_, PyAny>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.ask(key, cost)?
            .map_err(|no| errors::rejected(key.py(), &self.name, no))
    }

    fn refund(&self, key: &Bound<'_, PyAny>, cost: &Bound<'_, PyAny>) -> PyResult<()> {
        let cost = config::integer("cost", cost)?;
        let (key, now) = (self.key(key)?, self.now(key.py())?);
        self.table.table.refund(key, cost, now);
        Ok(())
    }

    fn available(&self, key: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (key, now) = (self.key(key)?, self.now(key.py())?);
        Ok(self.table.table.available(key, now))
    }

    fn live(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.table.table.live(self.now(py)?))
    }

    fn capacity(&self) -> usize {
        self.table.table.capacity()
    }

    fn overflows(&self) -> u64 {
        self.table.table.overflows()
    }

    fn configure(
        &self,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let quota = Rate::new(config::integer("rate", rate)?, config::span("per", per)?);
        self.table
            .table
            .configure(quota, config::integer("burst", burst)?)
            .map_err(|error| errors::from_core(rate.py(), error))
    }

    fn reset(&self) {
        self.table.table.reset();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}
