//! fb_permit: the right to make one call, as a plain value.

use crate::boundary::entry;
use crate::handle;
use crate::status::fb_status;
use fuseboard_core::RawPermit;

/// The right to make one call: a plain value of 16 bytes. It may be moved to another thread. All
/// zero is a permit that is settled already, so a zeroed one is harmless. One that is never settled
/// costs nothing but, if it is a probe's, the place until the lease is over.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct fb_permit {
    /// Not to be read or written.
    pub opaque_: [u64; 2],
}

const _: () = assert!(size_of::<fb_permit>() == 16);

impl fb_permit {
    pub(crate) const SETTLED: Self = Self { opaque_: [0; 2] };
}

impl From<RawPermit> for fb_permit {
    fn from(raw: RawPermit) -> Self {
        Self {
            opaque_: raw.to_words(),
        }
    }
}

/// Takes the permit out and leaves a settled one, so that the second settling finds nothing:
/// `FB_STALE`.
///
/// # Safety
///
/// The pointer is null, or points to an initialised permit that no other thread uses.
#[inline]
pub(crate) unsafe fn take(permit: *mut fb_permit) -> Result<RawPermit, fb_status> {
    handle::usable(permit)?;
    // SAFETY: not null, aligned, and ours for the call by this function's contract. Every bit
    // pattern is a legal value.
    let taken = unsafe { permit.replace(fb_permit::SETTLED) };
    RawPermit::from_tagged_words(taken.opaque_).ok_or(fb_status::FB_STALE)
}

/// The permit as it is, without taking it.
///
/// # Safety
///
/// The pointer is null, or points to an initialised permit.
pub(crate) unsafe fn look(permit: *const fb_permit) -> Result<RawPermit, fb_status> {
    // SAFETY: the caller's promise is the same.
    let permit = unsafe { handle::shared(permit) }?;
    RawPermit::from_tagged_words(permit.opaque_).ok_or(fb_status::FB_STALE)
}

/// What is known of a permit that is not settled yet.
///
/// `is_probe`: may be NULL; written: 1 where the call is one of the few that decide in half-open, else
/// 0. `started_ns`: may be NULL; written: when it was given.
/// Returns: FB_OK; FB_STALE for one that was settled or never given; FB_EINVAL. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_permit_read(
    permit: *const fb_permit,
    is_probe: *mut i32,
    started_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let permit = look(permit)?;
        handle::write_if_wanted(is_probe, i32::from(permit.is_probe()))?;
        handle::write_if_wanted(started_ns, permit.started().get())?;
        Ok(fb_status::FB_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settled_permit_is_no_permit() {
        assert_eq!(
            RawPermit::from_tagged_words(fb_permit::SETTLED.opaque_),
            None
        );
    }
}
