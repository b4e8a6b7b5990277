//! The only file that names an atomic type: the rest of the crate imports from here.
//!
//! Under `--cfg fuseboard_loom` the same words are loom's, so that a model explores the code that
//! ships. loom cannot see `portable_atomic`'s types, hence the one door. Under `--cfg fuseboard_shuttle`
//! they are shuttle's: random schedules of whole histories, all orderings taken as `SeqCst`.

#[cfg(fuseboard_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
pub(crate) use portable_atomic::{AtomicU64, Ordering, fence};
#[cfg(fuseboard_shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering, fence};

/// Whether the words are lock-free on this target.
///
/// It is `true` on every 64-bit target. On 32-bit targets without 64-bit compare-and-swap (Cortex-M3
/// and M4, riscv32) `portable-atomic` falls back to a lock: there the words must not be shared
/// with an interrupt handler or between processes. Feature `require-lock-free` makes that a
/// compile error. The firmware of a machine with one core makes it `true` by `portable-atomic`'s feature
/// `unsafe-assume-single-core`: the words are then changed with interrupts disabled. Its feature `critical-section` does not help
/// where the machine has 32-bit compare-and-swap.
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
pub const LOCK_FREE: bool = AtomicU64::is_always_lock_free();
/// Under a model checker each word is one step.
#[cfg(any(fuseboard_loom, fuseboard_shuttle))]
pub const LOCK_FREE: bool = true;

#[cfg(feature = "require-lock-free")]
const _: () = assert!(
    LOCK_FREE,
    "feature `require-lock-free`: 64-bit atomics are not lock-free on this target"
);

/// A `const fn` in the code that ships; loom's atomics have no `const` constructor, and shuttle's a destructor.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
        $(#[$meta])*
        $vis const fn $($rest)*
        #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
        $(#[$meta])*
        $vis fn $($rest)*
    };
}
pub(crate) use const_unless_loom;

/// `[AtomicU64; N]`, all zero.
macro_rules! zeroed_words {
    () => {{
        #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
        {
            [const { $crate::sync::AtomicU64::new(0) }; _]
        }
        #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
        {
            core::array::from_fn(|_| $crate::sync::AtomicU64::new(0))
        }
    }};
}
pub(crate) use zeroed_words;
