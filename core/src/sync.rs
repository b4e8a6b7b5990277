//! The only file that names an atomic type: the rest of the crate imports from here.
//!
//! Under `--cfg fuseboard_loom` the same words are loom's, so that a model explores the code that
//! ships. loom cannot see `portable_atomic`'s types, hence the one door. Under `--cfg fuseboard_shuttle`
//! they are shuttle's: random schedules of whole histories, all orderings taken as `SeqCst`.

#[cfg(fuseboard_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle, not(target_has_atomic = "64"))))]
pub(crate) use portable_atomic::AtomicU64;
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
pub(crate) use portable_atomic::{Ordering, fence};
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
pub const LOCK_FREE: bool = portable_atomic::AtomicU64::is_always_lock_free();
/// Under a model checker each word is one step.
#[cfg(any(fuseboard_loom, fuseboard_shuttle))]
pub const LOCK_FREE: bool = true;

#[cfg(feature = "require-lock-free")]
const _: () = assert!(
    LOCK_FREE,
    "feature `require-lock-free`: 64-bit atomics are not lock-free on this target"
);

/// A full fence between an addition or swap that this thread has just made and its next loads. On x86-64 the addition is one: no load
/// passes a locked instruction, so only the compiler has to be held back; a second locked instruction would double the price.
#[inline]
pub(crate) fn fence_after_addition() {
    #[cfg(all(
        target_arch = "x86_64",
        not(any(fuseboard_loom, fuseboard_shuttle, miri))
    ))]
    // SeqCst: no load moves before it; pairs as the fence below does.
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(any(not(target_arch = "x86_64"), fuseboard_loom, fuseboard_shuttle, miri))]
    // SeqCst: pairs with the same fence of other threads, as the caller says.
    fence(Ordering::SeqCst);
}

/// Where a word is more than one instruction each operation is one function: written out in more than a hundred places they cost a
/// small image half a kilobyte. Whatever ordering is asked for, the strongest is given, at no price: a lock or disabled interrupts
/// order everything anyway.
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle, target_has_atomic = "64")))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct AtomicU64(portable_atomic::AtomicU64);

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle, target_has_atomic = "64")))]
macro_rules! called {
    ($(fn $name:ident($($argument:ident),*) $(-> $result:ty)?;)*) => {
        impl AtomicU64 {
            pub(crate) const fn new(value: u64) -> Self {
                Self(portable_atomic::AtomicU64::new(value))
            }

            $(
                #[inline]
                pub(crate) fn $name(&self, $($argument: u64,)* _: Ordering) $(-> $result)? {
                    #[inline(never)]
                    fn called(word: &portable_atomic::AtomicU64, $($argument: u64),*) $(-> $result)? {
                        // SeqCst: at least what is asked for, and a constant, which leaves no check of it in the code.
                        word.$name($($argument,)* Ordering::SeqCst)
                    }
                    called(&self.0, $($argument),*)
                }
            )*

            pub(crate) fn compare_exchange(&self, old: u64, new: u64, _: Ordering, _: Ordering) -> Result<u64, u64> {
                #[inline(never)]
                fn called(word: &portable_atomic::AtomicU64, old: u64, new: u64) -> u64 {
                    // SeqCst: as above.
                    match word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
                        Ok(seen) | Err(seen) => seen,
                    }
                }
                let seen = called(&self.0, old, new);
                if seen == old { Ok(seen) } else { Err(seen) }
            }

            pub(crate) fn compare_exchange_weak(&self, old: u64, new: u64, success: Ordering, failure: Ordering) -> Result<u64, u64> {
                self.compare_exchange(old, new, success, failure)
            }

            pub(crate) fn fetch_update(&self, success: Ordering, failure: Ordering, mut next: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
                let mut seen = self.load(failure);
                while let Some(next) = next(seen) {
                    match self.compare_exchange(seen, next, success, failure) {
                        Ok(seen) => return Ok(seen),
                        Err(other) => seen = other,
                    }
                }
                Err(seen)
            }
        }
    };
}
#[cfg(not(any(fuseboard_loom, fuseboard_shuttle, target_has_atomic = "64")))]
called! {
    fn load() -> u64;
    fn store(value);
    fn swap(value) -> u64;
    fn fetch_add(by) -> u64;
    fn fetch_sub(by) -> u64;
    fn fetch_max(other) -> u64;
    fn fetch_min(other) -> u64;
    fn fetch_and(other) -> u64;
    fn fetch_or(other) -> u64;
}

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
