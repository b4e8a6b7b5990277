//! Isolation: a call that hangs holds neither its caller nor, beyond a bound, anything else.

mod tasks;
mod threads;
mod trace;

pub use tasks::TaskIsolation;
pub use threads::ThreadIsolation;
