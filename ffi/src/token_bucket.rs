//! fb_token_bucket: a sustained rate with a burst.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
#[cfg(all(feature = "board", target_os = "linux"))]
use fuseboard::RawTokenBucket;
use fuseboard_core::{Nanos, Rate, TokenBucketRateLimiter};

/// A token bucket: admits `units` each `per_ns`, and up to `burst` at once.
pub struct fb_token_bucket {
    words: Words,
}

/// Where the words are.
enum Words {
    Own(TokenBucketRateLimiter),
    #[cfg(all(feature = "board", target_os = "linux"))]
    Board(RawTokenBucket),
}

impl fb_token_bucket {
    pub(crate) fn new(words: TokenBucketRateLimiter) -> Self {
        Self {
            words: Words::Own(words),
        }
    }

    /// One whose words are in a slot of a board.
    #[cfg(all(feature = "board", target_os = "linux"))]
    pub(crate) fn on_board(slot: RawTokenBucket) -> Self {
        Self {
            words: Words::Board(slot),
        }
    }

    /// The words of one that is on no board, else `FB_EINVAL`.
    #[allow(clippy::unnecessary_wraps, reason = "only a board refuses")]
    fn own(&self) -> Result<&TokenBucketRateLimiter, fb_status> {
        match &self.words {
            Words::Own(words) => Ok(words),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(_) => Err(fb_status::FB_EINVAL),
        }
    }

    /// The words; `FB_FULL` where its name was removed from its board, which has no slot for it any more.
    #[allow(clippy::unnecessary_wraps, reason = "only a board refuses")]
    #[inline]
    pub(crate) fn words(&self) -> Result<&TokenBucketRateLimiter, fb_status> {
        match &self.words {
            Words::Own(words) => Ok(words),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Words::Board(slot) => slot.words().map_err(|rejected| rejected.reason.into()),
        }
    }
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    units: u64,
    per_ns: u64,
    burst: u64,
    place: Place,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let rate = Rate::new(units, Nanos::new(per_ns));
        let made = TokenBucketRateLimiter::try_new(rate, burst).map(fb_token_bucket::new);
        error::give(place, out, error, made)
    }
}

/// Makes a token bucket, full.
///
/// `units`, `per_ns`: the rate, for example 100 and 1000000000 for 100 a second. `burst`: how many
/// are admitted at once, the first included. `out`: the new handle, for fb_token_bucket_free; NULL
/// unless FB_OK. `error`: may be NULL; names the refused setting, "rate" or "burst".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_new(
    units: u64,
    per_ns: u64,
    burst: u64,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(units, per_ns, burst, Place::Heap, out, error) })
}

/// How many bytes fb_token_bucket_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_token_bucket_size() -> usize {
    handle::room::<fb_token_bucket>()
}

/// fb_token_bucket_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_token_bucket_free.
///
/// `memory`, `memory_size`: at least fb_token_bucket_size() bytes. The rest: as for
/// fb_token_bucket_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_init(
    memory: *mut c_void,
    memory_size: usize,
    units: u64,
    per_ns: u64,
    burst: u64,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            units,
            per_ns,
            burst,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a token bucket.
///
/// `bucket`: from fb_token_bucket_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_free(bucket: *mut fb_token_bucket) {
    entry(|| {
        // SAFETY: from fb_token_bucket_new and given up, by the contract above.
        unsafe { handle::free(bucket) };
        Ok(())
    });
}

/// # Safety
///
/// `bucket` is null or a live handle; `retry_after_ns` is null or valid for a write.
#[inline]
unsafe fn acquire(
    bucket: *const fb_token_bucket,
    cost: u64,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        let (status, wait) = status::decided(bucket.words()?.try_acquire_many(cost, now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes `cost` units, all or none.
///
/// `cost`: the request's weight, usually 1. `retry_after_ns`: may be NULL; 0 with FB_OK, else how
/// long until this request can be admitted if nobody else takes the place, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED; FB_NEVER when `cost` is more than the burst; FB_EINVAL. Threads: any.
/// Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_try_acquire(
    bucket: *const fb_token_bucket,
    cost: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(bucket, cost, clock::monotonic(), retry_after_ns) })
}

/// fb_token_bucket_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_bucket_try_acquire. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_try_acquire_at(
    bucket: *const fb_token_bucket,
    cost: u64,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(bucket, cost, Nanos::new(now_ns), retry_after_ns) })
}

/// # Safety
///
/// `bucket` is null or a live handle.
unsafe fn give_back(
    bucket: *const fb_token_bucket,
    cost: u64,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(bucket) }?
        .words()?
        .refund(cost, now);
    Ok(fb_status::FB_OK)
}

/// Gives back what was taken for work that was not done; the bucket never holds more than its
/// burst.
///
/// `cost`: at most what was taken.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_refund(
    bucket: *const fb_token_bucket,
    cost: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(bucket, cost, clock::monotonic()) })
}

/// fb_token_bucket_refund at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_bucket_refund. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_refund_at(
    bucket: *const fb_token_bucket,
    cost: u64,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(bucket, cost, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `bucket` is null or a live handle; `available` is null or valid for a write.
unsafe fn count(
    bucket: *const fb_token_bucket,
    now: Nanos,
    available: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(available, handle::shared(bucket)?.words()?.available(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many units could be taken at once.
///
/// `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_available(
    bucket: *const fb_token_bucket,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(bucket, clock::monotonic(), available) })
}

/// fb_token_bucket_available at a given time.
///
/// `now_ns`: the time. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_available_at(
    bucket: *const fb_token_bucket,
    now_ns: u64,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(bucket, Nanos::new(now_ns), available) })
}

/// Changes rate and burst of a running bucket; what was taken stays taken.
///
/// `units`, `per_ns`, `burst`, `error`: as for fb_token_bucket_new.
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_configure(
    bucket: *const fb_token_bucket,
    units: u64,
    per_ns: u64,
    burst: u64,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        let rate = Rate::new(units, Nanos::new(per_ns));
        error::done(
            error,
            handle::shared(bucket)?.words()?.configure(rate, burst),
        )
    })
}

/// The rate and the burst that the bucket runs with.
///
/// `units`, `per_ns`: may be NULL; written: the same rate as was given, not always the same numbers (10 a second reads
/// as 8 in 800 ms). `burst`: may be NULL; written.
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_rate(
    bucket: *const fb_token_bucket,
    units: *mut u64,
    per_ns: *mut u64,
    burst: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let words = handle::shared(bucket)?.words()?;
        let rate = words.rate();
        handle::write_if_wanted(units, rate.units())?;
        handle::write_if_wanted(per_ns, rate.per().get())?;
        handle::write_if_wanted(burst, words.burst())?;
        Ok(fb_status::FB_OK)
    })
}

/// Fills the bucket.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_reset(bucket: *const fb_token_bucket) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        unsafe { handle::shared(bucket) }?.words()?.reset();
        Ok(fb_status::FB_OK)
    })
}

// Last, so that the header tells of making and asking first.
pub mod reserving;

pub mod warm_up;

pub mod lease;
