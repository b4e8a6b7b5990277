//! Stopping an operation at every machine instruction, and running another to its end there.
//!
//! The processor's trap flag raises a signal after each instruction. At the k-th the signal handler runs the other operation,
//! for every k: what a signal handler, an interrupt handler or a preempting thread could ever do to the compiled code.
//! If the stopped operation held anything that the other waits for, the other would never end.
//!
//! Run with `cargo xtask test interrupt`. Only x86-64 Linux has the flag and the signal; elsewhere this package is empty.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

pub mod replay;
pub mod script;
pub mod stepper;
pub mod sweep;
