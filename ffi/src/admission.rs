//! fb_admission: a breaker, a concurrency limit and a rate limiter, asked as one.

use crate::adaptive::fb_adaptive;
use crate::boundary::entry;
use crate::breaker::fb_breaker;
#[cfg(feature = "std")]
use crate::breaker::words::FB_HANDLES;
use crate::breaker::words::Words;
#[cfg(feature = "std")]
use crate::clock;
use crate::concurrency::fb_concurrency;
use crate::handle::{self, LeadingSize};
use crate::permit::{self, fb_permit};
use crate::status::{self, fb_status};
use crate::token_bucket::fb_token_bucket;
use fuseboard_core::{Admission, Nanos, Outcome, RawPermit};

/// Policies that are asked as one: a call is admitted by all of them, or none has noticed that it
/// was asked. A plain value that refers to the handles; fill it by hand. Later versions add members
/// at the end only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_admission {
    /// sizeof(fb_admission).
    pub struct_size: usize,
    /// The breaker; not NULL.
    pub breaker: *const fb_breaker,
    /// Calls in flight; or NULL. Not one of a board.
    pub concurrency: *const fb_concurrency,
    /// Calls in flight, by a limit that finds itself; or NULL. Not both.
    pub adaptive: *const fb_adaptive,
    /// Calls in a time; or NULL.
    pub token_bucket: *const fb_token_bucket,
}

// SAFETY: `repr(C)`, and `struct_size` stands first.
unsafe impl LeadingSize for fb_admission {}

/// The policies, asked as one.
enum Composed<'a> {
    Plain(Admission<'a>),
    #[cfg(feature = "std")]
    Roomy(Admission<'a, 10, 1, FB_HANDLES>),
}

/// Runs `$then` on the policies, whatever their breaker.
macro_rules! with_policies {
    ($of:expr, |$policies:ident| $then:expr) => {
        match $of {
            Composed::Plain($policies) => $then,
            #[cfg(feature = "std")]
            Composed::Roomy($policies) => $then,
        }
    };
}

/// What the struct refers to; the breaker learns of its own changes.
///
/// # Safety
///
/// The pointer is null, or its size can be read and every other member is null or a live handle.
#[inline]
unsafe fn policies<'a>(
    admission: *const fb_admission,
) -> Result<(Composed<'a>, &'a fb_breaker), fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        handle::sized(admission)?;
        let admission = handle::shared(admission)?;
        let breaker = handle::shared(admission.breaker)?;
        let composed = match breaker.words()? {
            Words::Plain(words) => Composed::Plain(composed(Admission::new(words), admission)?),
            #[cfg(feature = "std")]
            Words::Roomy(words) => Composed::Roomy(composed(Admission::new(words), admission)?),
        };
        Ok((composed, breaker))
    }
}

/// Adds the limits that are there.
///
/// # Safety
///
/// Every member is null or a live handle.
unsafe fn composed<'a, const HANDLES: usize>(
    mut composed: Admission<'a, 10, 1, HANDLES>,
    admission: &fb_admission,
) -> Result<Admission<'a, 10, 1, HANDLES>, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe {
        match (
            admission.concurrency.is_null(),
            admission.adaptive.is_null(),
        ) {
            (true, true) => {}
            (false, true) => {
                composed = composed.concurrency(handle::shared(admission.concurrency)?.own()?);
            }
            (true, false) => {
                composed = composed.adaptive(&handle::shared(admission.adaptive)?.core);
            }
            (false, false) => return Err(fb_status::FB_EINVAL),
        }
        if !admission.token_bucket.is_null() {
            composed = composed.limiter(handle::shared(admission.token_bucket)?.words()?);
        }
    }
    Ok(composed)
}

/// # Safety
///
/// As for [`policies`]; the others are null or valid for a write.
unsafe fn acquire(
    admission: *const fb_admission,
    cost: u64,
    now: Nanos,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        // First, so that no path leaves an old permit behind.
        handle::write(permit, fb_permit::SETTLED)?;
        let (composed, breaker) = policies(admission)?;
        let decision = with_policies!(composed, |policies| policies.acquire(cost, now, breaker));
        if let Ok(raw) = decision {
            handle::write(permit, breaker.tagged(raw).into())?;
        }
        let (status, wait) = status::decided(decision.map(|_| ()));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Asks all of the policies for one call; when one rejects it, the others are as if never asked.
///
/// `cost`: units of the token bucket, usually 1. `permit`: with FB_OK the right to one call, to be
/// settled once with fb_admission_settle or fb_admission_cancel; else cleared. `retry_after_ns`:
/// may be NULL; as for fb_breaker_try_acquire, from the policy that rejects.
/// Returns: FB_OK; what the policies answer; FB_EINVAL, also for both kinds of limit on calls in
/// flight and for a board's; FB_ESIZE. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_admission_try_acquire(
    admission: *const fb_admission,
    cost: u64,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(admission, cost, clock::monotonic(), permit, retry_after_ns) })
}

/// fb_admission_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_admission_try_acquire. Threads: any. Signals:
/// safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_admission_try_acquire_at(
    admission: *const fb_admission,
    cost: u64,
    now_ns: u64,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(admission, cost, Nanos::new(now_ns), permit, retry_after_ns) })
}

/// What is left of a call whose breaker is gone from its board: its place.
///
/// # Safety
///
/// As for [`policies`], which found every member usable.
unsafe fn give_places_back(
    admission: *const fb_admission,
    raw: RawPermit,
    outcome: Outcome,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let admission = handle::shared(admission)?;
        if !admission.concurrency.is_null() {
            handle::shared(admission.concurrency)?.own()?.release_raw();
        }
        if !admission.adaptive.is_null() {
            let adaptive = &handle::shared(admission.adaptive)?.core;
            adaptive.release_raw(raw.started(), outcome, now);
        }
    }
    Ok(fb_status::FB_STALE)
}

/// # Safety
///
/// As for [`policies`]; `permit` is null or an initialised permit.
unsafe fn settle(
    admission: *const fb_admission,
    permit: *mut fb_permit,
    outcome: i32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let (composed, breaker) = policies(admission)?;
        let outcome = status::outcome(outcome)?;
        let raw = permit::take(permit)?;
        let Some(raw) = breaker.untagged(raw, false) else {
            return give_places_back(admission, raw, outcome, now);
        };
        breaker.count_latency(raw, outcome, now);
        let settled = with_policies!(composed, |policies| policies
            .settle(raw, outcome, now, breaker));
        Ok(settled.into())
    }
}

/// Tells all of the policies how a call ended, and clears its permit.
///
/// `permit`: from fb_admission_try_acquire of the same policies; one thread at a time. `outcome`: an
/// fb_outcome.
/// Returns: FB_OK; FB_STALE when the permit was settled before, or its generation is over (the place
/// is given back all the same); FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe if the transition
/// function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_admission_settle(
    admission: *const fb_admission,
    permit: *mut fb_permit,
    outcome: i32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(admission, permit, outcome, clock::monotonic()) })
}

/// fb_admission_settle at a given time.
///
/// `now_ns`: the time at which the call ended. The rest, and Returns: as fb_admission_settle.
/// Threads: any. Signals: safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_admission_settle_at(
    admission: *const fb_admission,
    permit: *mut fb_permit,
    outcome: i32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(admission, permit, outcome, Nanos::new(now_ns)) })
}

/// Gives a permit back without an outcome: the call was never made, or nobody knows how it ended.
/// The permit is cleared; the token bucket keeps what was taken.
///
/// `permit`: as for fb_admission_settle.
/// Returns: FB_OK; FB_STALE; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe if the transition
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_admission_cancel(
    admission: *const fb_admission,
    permit: *mut fb_permit,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let (composed, breaker) = policies(admission)?;
        let raw = permit::take(permit)?;
        let Some(raw) = breaker.untagged(raw, true) else {
            return give_places_back(admission, raw, Outcome::Ignored, raw.started());
        };
        Ok(with_policies!(composed, |policies| policies.cancel(raw, breaker)).into())
    })
}
