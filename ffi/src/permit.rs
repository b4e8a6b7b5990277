//! fb_permit: the right to make one call, as a plain value.

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
