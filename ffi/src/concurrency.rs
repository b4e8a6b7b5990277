//! fb_concurrency: at most so many calls in flight.

use crate::boundary::entry;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
#[cfg(all(feature = "board", target_os = "linux"))]
use fuseboard::RawConcurrencyLimit;
use fuseboard_core::{ConcurrencyLimit, ConfigError, Rejected};

/// A concurrency limit. It needs no clock.
pub struct fb_concurrency {
    words: Words,
}

/// Where the words are.
enum Words {
    Own(ConcurrencyLimit),
    #[cfg(all(feature = "board", target_os = "linux"))]
    Board(RawConcurrencyLimit),
}

impl fb_concurrency {
    pub(crate) fn new(words: ConcurrencyLimit) -> Self {
        Self {
            words: Words::Own(words),
        }
    }

    /// One whose words are in a slot of a board.
    #[cfg(all(feature = "board", target_os = "linux"))]
    pub(crate) fn on_board(slot: RawConcurrencyLimit) -> Self {
        Self {
            words: Words::Board(slot),
        }
    }

    /// The words of one that is on no board, else `FB_EINVAL`.
    #[allow(clippy::unnecessary_wraps, reason = "only a board refuses")]
    pub(crate) fn own(&self) -> Result<&ConcurrencyLimit, fb_status> {
        match &self.words {
            Words::Own(words) => Ok(words),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(_) => Err(fb_status::FB_EINVAL),
        }
    }

    fn admit(&self) -> Result<(), Rejected> {
        match &self.words {
            Words::Own(words) => words.acquire_raw(),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(slot) => slot.acquire(),
        }
    }

    /// `false` when there was nothing to give back.
    fn give_back(&self) -> bool {
        match &self.words {
            Words::Own(words) => words.release_raw(),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(slot) => slot.release(),
        }
    }

    /// Calls in flight, and the limit.
    fn numbers(&self) -> (u32, u32) {
        match &self.words {
            Words::Own(words) => (words.in_flight(), words.limit()),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(slot) => slot.numbers(),
        }
    }

    pub(crate) fn change(&self, limit: u32) -> Result<(), ConfigError> {
        match &self.words {
            Words::Own(words) => words.set_limit(limit),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(slot) => slot.set_limit(limit),
        }
    }
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    limit: u32,
    place: Place,
    out: *mut *mut fb_concurrency,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let made = ConcurrencyLimit::try_new(limit).map(fb_concurrency::new);
        error::give(place, out, error, made)
    }
}

/// Makes a concurrency limit, with nothing in flight.
///
/// `limit`: calls in flight at once, at least 1. `out`: the new handle, for fb_concurrency_free;
/// NULL unless FB_OK. `error`: may be NULL; names the refused setting, "limit".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_new(
    limit: u32,
    out: *mut *mut fb_concurrency,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(limit, Place::Heap, out, error) })
}

/// How many bytes fb_concurrency_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_concurrency_size() -> usize {
    handle::room::<fb_concurrency>()
}

/// fb_concurrency_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_concurrency_free.
///
/// `memory`, `memory_size`: at least fb_concurrency_size() bytes. The rest: as for
/// fb_concurrency_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_init(
    memory: *mut c_void,
    memory_size: usize,
    limit: u32,
    out: *mut *mut fb_concurrency,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe { make(limit, Place::Memory(memory, memory_size), out, error) })
}

/// Frees a concurrency limit.
///
/// `concurrency`: from fb_concurrency_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_free(concurrency: *mut fb_concurrency) {
    entry(|| {
        // SAFETY: from fb_concurrency_new and given up, by the contract above.
        unsafe { handle::free(concurrency) };
        Ok(())
    });
}

/// Takes a place for one call, to be given back with fb_concurrency_release.
///
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_try_acquire(
    concurrency: *const fb_concurrency,
) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let concurrency = unsafe { handle::shared(concurrency) }?;
        Ok(status::decided(concurrency.admit()).0)
    })
}

/// fb_concurrency_try_acquire for a call of some importance: the less important it is, the fewer of
/// the places it may take.
///
/// `sheds_from_ppm`: the share of the places that is there for calls of priority 0, in parts per
/// million, 0 to 1000000. `priority`: 0 to 255; 255 may take every place.
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_try_acquire_prioritized(
    concurrency: *const fb_concurrency,
    sheds_from_ppm: u32,
    priority: u8,
) -> fb_status {
    entry(|| {
        let shedding = crate::adaptive::shedding(sheds_from_ppm)?;
        // SAFETY: a live handle, by the contract of the header.
        let concurrency = unsafe { handle::shared(concurrency) }?;
        let decision = concurrency
            .own()?
            .acquire_raw_prioritized(shedding, priority);
        Ok(status::decided(decision).0)
    })
}

/// Gives a place back.
///
/// Returns: FB_OK; FB_STALE when nothing was in flight (on a board: of this process); FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_release(concurrency: *const fb_concurrency) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let held = unsafe { handle::shared(concurrency) }?.give_back();
        Ok(if held {
            fb_status::FB_OK
        } else {
            fb_status::FB_STALE
        })
    })
}

/// How many calls are in flight.
///
/// `in_flight`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_in_flight(
    concurrency: *const fb_concurrency,
    in_flight: *mut u32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(in_flight, handle::shared(concurrency)?.numbers().0) }?;
        Ok(fb_status::FB_OK)
    })
}

/// The limit as it is now.
///
/// `limit`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_limit(
    concurrency: *const fb_concurrency,
    limit: *mut u32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(limit, handle::shared(concurrency)?.numbers().1) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes the limit. Calls in flight stay; a lower limit holds once enough of them have ended.
///
/// `limit`: at least 1. `error`: may be NULL; names the refused setting, "limit".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_concurrency_set_limit(
    concurrency: *const fb_concurrency,
    limit: u32,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(error, handle::shared(concurrency)?.change(limit))
    })
}
