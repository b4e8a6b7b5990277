//! Schedules of whole histories on the words that ship, and what they are judged by.
//!
//! Run with `cargo xtask test history`. Without `--cfg fuseboard_shuttle` this package is empty.
//!
//! shuttle runs the threads of one history on one thread of the machine and chooses at every atomic step who goes on.
//! So a history is recorded by plain code that adds no step (`history.rs`), and is judged when its threads have ended.
#![cfg(fuseboard_shuttle)]

pub mod breaker;
pub mod clock;
pub mod faults;
pub mod history;
pub mod protocol;
pub mod schedule;
pub mod sometimes;
pub mod stall;
