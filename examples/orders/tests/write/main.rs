//! The write side: domain, event store, commands and their routes. What a store promises is shown by the same functions on both stores.

mod commands;
mod domain;
mod gaps;
mod retention;
mod routes;
mod snapshots;
mod store;
mod support;
mod together;
mod unfinished;
mod upcasting;
