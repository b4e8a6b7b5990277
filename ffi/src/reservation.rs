//! fb_reservation: turns or units taken ahead of time, as a plain value.

use crate::handle;
use crate::status::{self, fb_status};
use fuseboard_core::{Rejected, Reservation};

/// What was taken to be used later: a plain value of 24 bytes. All zero is one that was given back
/// already, so a zeroed one is harmless. Throwing it away keeps what it took.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct fb_reservation {
    /// Not to be read or written.
    pub opaque_: [u64; 3],
}

// Three numbers each, so that any bits are a value of both.
const _: () = assert!(
    size_of::<fb_reservation>() == size_of::<Reservation>()
        && align_of::<fb_reservation>() == align_of::<Reservation>()
);

impl fb_reservation {
    const CLEARED: Self = Self { opaque_: [0; 3] };
}

/// Writes what was reserved and how long it waits; clears it when nothing was.
///
/// # Safety
///
/// Both pointers are null or valid for a write.
pub(crate) unsafe fn give(
    reservation: *mut fb_reservation,
    wait_ns: *mut u64,
    decision: Result<Reservation, Rejected>,
) -> Result<fb_status, fb_status> {
    let (status, mut wait) = status::decided(decision.map(|_| ()));
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write_if_wanted(reservation, fb_reservation::CLEARED) }?;
    if let Ok(taken) = decision {
        wait = taken.wait().get();
        // SAFETY: the same size and alignment, by the assertion above.
        unsafe { handle::write_if_wanted(reservation.cast::<Reservation>(), taken) }?;
    }
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write_if_wanted(wait_ns, wait) }?;
    Ok(status)
}

/// Takes the reservation out and leaves a cleared one: the second time it is `FB_STALE`.
///
/// # Safety
///
/// The pointer is null, or points to an initialised reservation that no other thread uses.
pub(crate) unsafe fn take(reservation: *mut fb_reservation) -> Result<Reservation, fb_status> {
    handle::usable(reservation)?;
    // SAFETY: not null, aligned, and ours for the call by this function's contract.
    let taken = unsafe { reservation.replace(fb_reservation::CLEARED) };
    if taken == fb_reservation::CLEARED {
        return Err(fb_status::FB_STALE);
    }
    // SAFETY: the same size and alignment, by the assertion above; three numbers, so any bits are one.
    Ok(unsafe { (&raw const taken).cast::<Reservation>().read() })
}
