//! Models of the words that callers share. Two threads explore everything where that ends, else bound 3; three threads
//! bound 3. Each model says threads and operations, prints how many executions it took, and fails below a floor.
//!
//! `faults.rs` seeds a fault of the shipped code for each of them and demands that it fails.
#![cfg(fuseboard_loom)]

mod admission;
mod board;
mod breaker;
mod concurrency;
mod faults;
mod handles;
mod keyed;
mod log;
mod overdue;
mod throttles;
mod token_bucket;
mod windows;
