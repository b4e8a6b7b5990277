//! The sequential model: what a breaker and the limiters must do, written as plainly as possible.
//!
//! No atomics, no packing, no cleverness: every outcome is kept in a list, every rule stands as `design` words
//! put it. `tests/` runs histories against the real core and compares every answer.

pub mod breaker;
pub mod concurrency;
pub mod fixed_window;
pub mod keyed;
pub mod leaky_bucket;
pub mod sliding_counter;
pub mod sliding_window;
pub mod token_bucket;
