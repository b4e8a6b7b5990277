//! Real servers for the tests: one started for each, stopped with it.

pub mod cut;
pub mod server;
