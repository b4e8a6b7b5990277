//! libfuseboard: the C interface. `include/fuseboard.h` is generated from this crate, so the
//! documentation of each item here is written for readers of C, and the contract that all
//! functions share stands at the head of that file (its text is in `cbindgen.toml`).
//!
//! Inside, a call goes one way: `boundary` catches unwinds and turns the answer into a status,
//! `handle` turns pointers into references or `FB_EINVAL`, then the core decides.

// Names are C's, so that one search finds the declaration, its documentation and its code.
#![cfg_attr(not(feature = "std"), no_std)]
#![allow(non_camel_case_types)]
#![allow(clippy::enum_variant_names)]
// What a pointer must be is said once for all functions, at the head of the header.
#![allow(clippy::missing_safety_doc)]
// Rust's links and back-ticks would be noise in a C header.
#![allow(clippy::doc_markdown)]

mod boundary;
#[cfg(feature = "std")]
mod clock;
mod handle;
#[cfg(all(not(feature = "std"), not(test)))]
mod panic;

// In the order in which the header tells it.
pub mod version;

pub mod status;

pub mod error;

pub mod config;

pub mod permit;

pub mod breaker;

pub mod snapshot;

pub mod event;

#[cfg(feature = "std")]
pub mod thread_handle;

pub mod reservation;

pub mod token_bucket;

#[cfg(feature = "std")]
pub mod sliding_log;

pub mod sliding_counter;

pub mod fixed_window;

pub mod leaky_bucket;

pub mod keyed;

pub mod concurrency;

pub mod adaptive;

pub mod admission;

pub mod shadow;

#[cfg(all(feature = "board", target_os = "linux"))]
pub mod board;

pub mod retry_budget;

pub mod throttle;

pub mod codel;

pub mod latency;

#[cfg(all(feature = "config", target_os = "linux"))]
pub mod policies;

const _: () = assert!(
    fuseboard_core::LOCK_FREE,
    "64-bit atomics take a lock on this target, so \"Signals: safe\" would be false"
);
