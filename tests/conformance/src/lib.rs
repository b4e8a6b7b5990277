//! Runs conformance traces: scripts with a virtual clock that every host of Fuseboard must answer alike.
//!
//! The flow is one way: [`parse`] turns a file into a [`trace::Trace`], [`run`] plays it against a
//! [`host::Host`] and compares. The format is described in `tests/conformance/README.md`.

pub mod host;
pub mod parse;
pub mod run;
pub mod trace;
