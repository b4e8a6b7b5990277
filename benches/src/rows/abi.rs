//! The C ABI, called as a C program calls it: through an address that the compiler does not see behind.

use crate::rows::breaker::SHARED;
use crate::rows::{Row, START, Target, Who, Worker, groups, repeat_in_time, share};
use fuseboard::Nanos;
use fuseboard_ffi::breaker::making::fb_breaker_new;
use fuseboard_ffi::breaker::{fb_breaker, fb_breaker_settle_at, fb_breaker_try_acquire_at};
use fuseboard_ffi::config::{fb_breaker_config, fb_breaker_config_init};
use fuseboard_ffi::permit::fb_permit;
use fuseboard_ffi::status::{fb_outcome, fb_status};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// A breaker of the C ABI, which any thread may use.
struct Breaker(*mut fb_breaker);

// SAFETY: the header allows every function of a breaker on any thread, and it is never freed.
unsafe impl Sync for Breaker {}

pub(super) fn add(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            groups::CLOSED,
            Who::Fuseboard,
            "C: try_acquire_at and settle_at",
            succeed,
        )
        .target(1, Target::Row(1.3, SHARED)),
    );
}

fn succeed(threads: usize) -> Vec<Worker> {
    let mut config = MaybeUninit::<fb_breaker_config>::uninit();
    // SAFETY: it fills the whole struct, whatever was in it.
    let filled =
        unsafe { fb_breaker_config_init(config.as_mut_ptr(), size_of::<fb_breaker_config>()) };
    let mut breaker = null_mut();
    // SAFETY: a filled configuration, `breaker` can be written, and no error is wanted.
    let made = unsafe { fb_breaker_new(config.as_ptr(), &raw mut breaker, null_mut()) };
    assert!(
        filled == fb_status::FB_OK && made == fb_status::FB_OK,
        "the default is a configuration"
    );
    share(threads, Breaker(breaker), |breaker| {
        let mut now = START;
        move |times| {
            let library = black_box((
                breaker.0.cast_const(),
                fb_breaker_try_acquire_at as TryAcquire,
                fb_breaker_settle_at as Settle,
            ));
            // SAFETY: a live breaker.
            unsafe { call(library, times, &mut now) };
        }
    })
}

type TryAcquire =
    unsafe extern "C" fn(*const fb_breaker, u64, *mut fb_permit, *mut u64) -> fb_status;
type Settle = unsafe extern "C" fn(*const fb_breaker, *mut fb_permit, i32, u64) -> fb_status;

/// The loop of a C program. A function of its own: what `black_box` gave stays in memory where it was given, and would be read again
/// for each call.
///
/// # Safety
///
/// The breaker is live.
#[inline(never)]
unsafe fn call(
    (breaker, try_acquire, settle): (*const fb_breaker, TryAcquire, Settle),
    times: u64,
    now: &mut Nanos,
) {
    let mut permit = fb_permit { opaque_: [0; 2] };
    repeat_in_time(times, now, |now| {
        // SAFETY: a live breaker, by the caller's promise, and a permit that only this thread has.
        unsafe {
            let asked = try_acquire(breaker, now.get(), &raw mut permit, null_mut());
            if asked != fb_status::FB_OK {
                return asked;
            }
            settle(
                breaker,
                &raw mut permit,
                fb_outcome::FB_SUCCESS as i32,
                now.get(),
            )
        }
    });
}
