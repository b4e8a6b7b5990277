//! What is measured, as rows, and how a row is run: a burst of calls on pinned threads.

pub mod burst;
#[cfg(feature = "peers")]
mod cpu_time;
#[cfg(feature = "peers")]
pub mod curves;
pub mod pin;
pub mod rows;

#[cfg(feature = "peers")]
pub use cpu_time::CpuTime;
