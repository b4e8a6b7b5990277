//! [`ConfigError`]: a setting that can never work, named.

use crate::fault::{const_unless_faults, fault};
use crate::nanos::Nanos;
use core::fmt;

/// A value that a setting was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Given {
    Integer(u64),
    Decimal(f64),
    Span(Nanos),
    Two(&'static str),
}

/// A configuration that is refused: which field, what it was, what it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigError {
    field: &'static str,
    given: Given,
    allowed: &'static str,
}

impl ConfigError {
    /// For the adapters: an integer that is out of its range.
    pub const fn integer(field: &'static str, given: u64, allowed: &'static str) -> Self {
        Self {
            field,
            given: Given::Integer(given),
            allowed,
        }
    }

    /// For the adapters: a field whose fraction is out of its range.
    pub const fn decimal(field: &'static str, given: f64, allowed: &'static str) -> Self {
        Self {
            field,
            given: Given::Decimal(given),
            allowed,
        }
    }

    /// For the adapters: a field whose time is out of its range.
    pub const fn span(field: &'static str, given: Nanos, allowed: &'static str) -> Self {
        Self {
            field,
            given: Given::Span(given),
            allowed,
        }
    }

    /// For the adapters: a field that conflicts with another one.
    pub const fn conflict(field: &'static str, given: &'static str, allowed: &'static str) -> Self {
        Self {
            field,
            given: Given::Two(given),
            allowed,
        }
    }

    const_unless_faults! {
        /// The setting's name, the same in every language.
        pub const fn field(&self) -> &'static str {
            fault!("error_names_another_field", "config", self.field)
        }
    }

    /// The allowed range and what to do, in words.
    pub const fn allowed(&self) -> &'static str {
        self.allowed
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, allowed, .. } = self;
        let field = self.field();
        match given {
            Given::Integer(value) => write!(f, "{field} is {value}; allowed: {allowed}"),
            Given::Decimal(value) => write!(f, "{field} is {value}; allowed: {allowed}"),
            Given::Span(value) => write!(f, "{field} is {value}; allowed: {allowed}"),
            Given::Two(value) => write!(f, "{field}: {value}; allowed: {allowed}"),
        }
    }
}

impl core::error::Error for ConfigError {}
