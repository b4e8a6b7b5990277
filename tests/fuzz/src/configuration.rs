//! The C interface with settings, times, permits and pointers of any value: each status is one that the header allows
//! there, and a refusal names a field and changes nothing.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;

use fuseboard_ffi::breaker::making::{fb_breaker_free, fb_breaker_new};
use fuseboard_ffi::breaker::manual::{
    fb_breaker_configure, fb_breaker_disable_at, fb_breaker_force_open_at,
    fb_breaker_metrics_only_at, fb_breaker_reset_at,
};
use fuseboard_ffi::breaker::{
    fb_breaker, fb_breaker_cancel, fb_breaker_check_at, fb_breaker_settle_at, fb_breaker_state,
    fb_breaker_try_acquire_at,
};
use fuseboard_ffi::concurrency::{
    fb_concurrency, fb_concurrency_free, fb_concurrency_in_flight, fb_concurrency_limit,
    fb_concurrency_new, fb_concurrency_release, fb_concurrency_set_limit,
    fb_concurrency_try_acquire,
};
use fuseboard_ffi::config::{fb_breaker_config, fb_breaker_config_init};
use fuseboard_ffi::error::fb_error;
use fuseboard_ffi::permit::fb_permit;
use fuseboard_ffi::sliding_log::{
    fb_sliding_log, fb_sliding_log_available_at, fb_sliding_log_free, fb_sliding_log_new,
    fb_sliding_log_try_acquire_at,
};
use fuseboard_ffi::snapshot::{fb_breaker_snapshot_at, fb_snapshot};
use fuseboard_ffi::status::{FB_RETRY_UNKNOWN, fb_state, fb_status};
use fuseboard_ffi::token_bucket::{
    fb_token_bucket, fb_token_bucket_available_at, fb_token_bucket_configure, fb_token_bucket_free,
    fb_token_bucket_new, fb_token_bucket_refund_at, fb_token_bucket_try_acquire_at,
};

use crate::bytes::{Bytes, SECOND};
use crate::readings;

/// Largest limit that is asked for: the library allocates a log's places.
const LOG: u64 = 100_000;

/// Any bytes.
pub fn any(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    match bytes.any::<u8>() % 8 {
        0 => token_bucket(&mut bytes),
        1 => concurrency(&mut bytes),
        2 => sliding_log(&mut bytes),
        3 | 7 => breaker(&mut bytes),
        _ => readings::any(&mut bytes),
    }
}

fn no_error() -> fb_error {
    // What a caller may leave in it.
    fb_error {
        field: [1; 32],
        message: [1; 224],
    }
}

fn text(bytes: &[c_char]) -> String {
    bytes
        .iter()
        .take_while(|&&byte| byte != 0)
        .map(|&byte| char::from(byte.cast_unsigned()))
        .collect()
}

/// The error is filled exactly when a setting was refused.
fn judged(status: fb_status, error: &fb_error) -> bool {
    let (field, message) = (text(&error.field), text(&error.message));
    match status {
        fb_status::FB_OK => assert!(field.is_empty() && message.is_empty(), "{field}: {message}"),
        fb_status::FB_ECONFIG => assert!(
            !field.is_empty() && message.contains(&field) && error.message[223] == 0,
            "{field}: {message}"
        ),
        other => panic!("{other:?}"),
    }
    status == fb_status::FB_OK
}

/// A decision is admitted, without a wait, or rejected, with one.
fn decided(status: fb_status, retry_after_ns: u64) -> bool {
    use fb_status as S;
    match status {
        S::FB_OK => assert_eq!(retry_after_ns, 0),
        S::FB_FORCED_OPEN | S::FB_NEVER | S::FB_LIMITED | S::FB_FULL => {}
        S::FB_OPEN | S::FB_HALF_OPEN_FULL | S::FB_RAMPING => {
            assert!(retry_after_ns > 0 && retry_after_ns != FB_RETRY_UNKNOWN);
        }
        other => panic!("{other:?}"),
    }
    status == S::FB_OK
}

pub(crate) fn config(bytes: &mut Bytes<'_>) -> fb_breaker_config {
    let mut config = MaybeUninit::<fb_breaker_config>::uninit();
    // SAFETY: the pointer is valid for a write of the size given, and FB_OK says that it was written.
    let mut config = unsafe {
        let status = fb_breaker_config_init(config.as_mut_ptr(), size_of::<fb_breaker_config>());
        assert_eq!(status, fb_status::FB_OK);
        config.assume_init()
    };
    for _ in 0..bytes.any::<u8>() % 8 {
        let value = bytes.setting(0, 2_000_000);
        match bytes.any::<u8>() % 20 {
            0 if bytes.any::<u8>() == 0 => config.struct_size = value as usize,
            1 => config.minimum_requests = value,
            2 => config.open_timeout_ns = value,
            3 => config.open_timeout_max_ns = value,
            4 => config.window_ns = bytes.setting(0, 10 * SECOND),
            5 => config.slow_call_duration_ns = value,
            6 => config.probe_lease_ns = value,
            7 => config.ramp_up_ns = value,
            8 => config.jitter_seed = value,
            9 => config.failure_threshold_ppm = value as u32,
            10 => config.slow_call_threshold_ppm = value as u32,
            11 => config.window_kind = bytes.setting(0, 4) as i32,
            12 => config.window_slots = bytes.setting(0, 11) as u32,
            13 => config.window_calls = bytes.setting(0, 300) as u32,
            14 => config.half_open_requests = bytes.setting(0, 600) as u32,
            15 => config.half_open_successes = bytes.setting(0, 600) as u32,
            16 => config.half_open_failures = bytes.setting(0, 600) as u32,
            17 => config.open_backoff_ppm = bytes.setting(1_000_000, 100_000_000) as u32,
            18 => config.open_jitter_ppm = value as u32,
            _ => config.record_latency = bytes.setting(0, 1) as u32,
        }
    }
    config
}

fn breaker(bytes: &mut Bytes<'_>) {
    let settings = config(bytes);
    let (mut handle, mut error) = (ptr::null_mut(), no_error());
    // SAFETY: all three pointers are to live locals.
    let status = unsafe { fb_breaker_new(&raw const settings, &raw mut handle, &raw mut error) };
    if settings.struct_size != size_of::<fb_breaker_config>() {
        assert_eq!(status, fb_status::FB_ESIZE);
        return;
    }
    if !judged(status, &error) {
        assert!(handle.is_null());
        return;
    }
    // SAFETY: just made, freed below, and nobody else has it.
    unsafe { use_breaker(handle, bytes) };
    // SAFETY: as above; not used after this.
    unsafe { fb_breaker_free(handle) };
}

/// # Safety
/// `breaker` is live.
unsafe fn use_breaker(breaker: *mut fb_breaker, bytes: &mut Bytes<'_>) {
    let mut now = 0_u64;
    let mut permits = [fb_permit { opaque_: [0; 2] }; 4];
    while !bytes.is_empty() {
        now = match bytes.any::<u8>() % 4 {
            0 => bytes.extreme(),
            1 => now,
            _ => now.saturating_add(bytes.span(SECOND)),
        };
        let permit = &raw mut permits[bytes.any::<u8>() as usize % 4];
        let mut wait = 7_u64;
        // SAFETY: the handle is live, every other pointer is null or to a live local.
        unsafe {
            match bytes.any::<u8>() % 16 {
                0..4 => {
                    let status = fb_breaker_try_acquire_at(breaker, now, permit, &raw mut wait);
                    decided(status, wait);
                }
                4..8 => {
                    let outcome = bytes.setting(0, 3) as i32;
                    let status = fb_breaker_settle_at(breaker, permit, outcome, now);
                    match status {
                        fb_status::FB_OK | fb_status::FB_STALE => {
                            assert!((0..3).contains(&outcome), "{outcome} was settled");
                            let again = fb_breaker_settle_at(breaker, permit, outcome, now);
                            assert_eq!(again, fb_status::FB_STALE, "P1: settled twice");
                        }
                        fb_status::FB_EINVAL => assert!(!(0..3).contains(&outcome)),
                        other => panic!("{other:?}"),
                    }
                }
                8 => {
                    let status = fb_breaker_cancel(breaker, permit);
                    assert!(matches!(status, fb_status::FB_OK | fb_status::FB_STALE));
                }
                9 => {
                    let status = fb_breaker_check_at(breaker, now, &raw mut wait);
                    decided(status, wait);
                }
                10 => (*permit).opaque_ = [bytes.any(), bytes.extreme()],
                11 => {
                    let verb = bytes.one_of(&[
                        fb_breaker_force_open_at,
                        fb_breaker_disable_at,
                        fb_breaker_metrics_only_at,
                        fb_breaker_reset_at,
                    ]);
                    assert_eq!(verb(breaker, now), fb_status::FB_OK);
                }
                12 => {
                    let (settings, mut error) = (config(bytes), no_error());
                    let status = fb_breaker_configure(breaker, &raw const settings, &raw mut error);
                    if status != fb_status::FB_ESIZE {
                        judged(status, &error);
                    }
                }
                13 => {
                    let mut snapshot = MaybeUninit::<fb_snapshot>::zeroed();
                    (*snapshot.as_mut_ptr()).struct_size = size_of::<fb_snapshot>();
                    let status = fb_breaker_snapshot_at(breaker, now, snapshot.as_mut_ptr());
                    assert_eq!(status, fb_status::FB_OK);
                    let snapshot = snapshot.assume_init();
                    assert!(snapshot.window_failures <= snapshot.window_calls, "W2");
                    assert!(snapshot.state != fb_state::FB_STATE_INVALID);
                }
                14 => {
                    // Pointers that cannot be used are refused, not followed.
                    let status =
                        fb_breaker_try_acquire_at(breaker, now, ptr::null_mut(), &raw mut wait);
                    assert_eq!(status, fb_status::FB_EINVAL);
                    let odd = permit.wrapping_byte_add(1);
                    let status = fb_breaker_settle_at(breaker, odd, 0, now);
                    assert_eq!(status, fb_status::FB_EINVAL);
                    let status = fb_breaker_check_at(ptr::null(), now, ptr::null_mut());
                    assert_eq!(status, fb_status::FB_EINVAL);
                    assert_eq!(fb_breaker_state(ptr::null()), fb_state::FB_STATE_INVALID);
                }
                _ => {
                    let status = fb_breaker_try_acquire_at(breaker, now, permit, ptr::null_mut());
                    assert!((status as i32) >= 0, "{status:?}");
                }
            }
            assert!(fb_breaker_state(breaker) != fb_state::FB_STATE_INVALID);
        }
    }
}

fn token_bucket(bytes: &mut Bytes<'_>) {
    let (units, per, burst) = (
        bytes.setting(0, 1_000),
        bytes.setting(0, 100 * SECOND),
        bytes.setting(0, 50),
    );
    let (mut handle, mut error): (*mut fb_token_bucket, _) = (ptr::null_mut(), no_error());
    // SAFETY: pointers to live locals.
    let status = unsafe { fb_token_bucket_new(units, per, burst, &raw mut handle, &raw mut error) };
    if !judged(status, &error) {
        assert!(handle.is_null());
        return;
    }
    let mut burst = burst;
    while !bytes.is_empty() {
        let (now, cost) = (bytes.span(SECOND), bytes.setting(0, burst.min(1 << 40)));
        let (mut wait, mut available) = (7, 7);
        // SAFETY: the handle is live, every other pointer is to a live local.
        unsafe {
            let status = fb_token_bucket_try_acquire_at(handle, cost, now, &raw mut wait);
            let admitted = decided(status, wait);
            assert!(!(admitted && cost > burst), "L1: {cost} of {burst} at once");
            assert_eq!(status == fb_status::FB_NEVER, cost > burst);
            if bytes.any::<bool>() && admitted {
                assert_eq!(
                    fb_token_bucket_refund_at(handle, cost, now),
                    fb_status::FB_OK
                );
            }
            let status = fb_token_bucket_available_at(handle, now, &raw mut available);
            assert_eq!(status, fb_status::FB_OK);
            assert!(available <= burst, "L1: {available} of {burst}");
            if bytes.any::<u8>() < 16 {
                let (units, per, next) = (
                    bytes.setting(0, 1_000),
                    bytes.setting(0, SECOND),
                    bytes.setting(0, 50),
                );
                let mut error = no_error();
                let status = fb_token_bucket_configure(handle, units, per, next, &raw mut error);
                if judged(status, &error) {
                    burst = next;
                }
            }
        }
    }
    // SAFETY: live, and not used after this.
    unsafe { fb_token_bucket_free(handle) };
}

fn concurrency(bytes: &mut Bytes<'_>) {
    let limit = bytes.setting(0, 20) as u32;
    let (mut handle, mut error): (*mut fb_concurrency, _) = (ptr::null_mut(), no_error());
    // SAFETY: pointers to live locals.
    let status = unsafe { fb_concurrency_new(limit, &raw mut handle, &raw mut error) };
    if !judged(status, &error) {
        assert!(handle.is_null() && limit == 0);
        return;
    }
    let (mut limit, mut out) = (limit, 0);
    while !bytes.is_empty() {
        let (mut seen, mut in_flight) = (0, 0);
        // SAFETY: the handle is live, every other pointer is to a live local.
        unsafe {
            match bytes.any::<u8>() % 8 {
                0..4 => {
                    let admitted = decided(fb_concurrency_try_acquire(handle), 0);
                    assert_eq!(admitted, out < limit, "K1 K3: {out} of {limit}");
                    out += u32::from(admitted);
                }
                4..7 => {
                    let expected = if out > 0 {
                        fb_status::FB_OK
                    } else {
                        fb_status::FB_STALE
                    };
                    assert_eq!(fb_concurrency_release(handle), expected, "K2");
                    out = out.saturating_sub(1);
                }
                _ => {
                    let (next, mut error) = (bytes.setting(0, 20) as u32, no_error());
                    if judged(
                        fb_concurrency_set_limit(handle, next, &raw mut error),
                        &error,
                    ) {
                        limit = next;
                    }
                }
            }
            assert_eq!(
                fb_concurrency_limit(handle, &raw mut seen),
                fb_status::FB_OK
            );
            let status = fb_concurrency_in_flight(handle, &raw mut in_flight);
            assert_eq!(
                (status, seen, in_flight),
                (fb_status::FB_OK, limit, out),
                "K4"
            );
        }
    }
    // SAFETY: live, and not used after this.
    unsafe { fb_concurrency_free(handle) };
}

fn sliding_log(bytes: &mut Bytes<'_>) {
    let limit = bytes.setting(0, 300).min(LOG) as u32;
    let window = bytes.setting(0, 10 * SECOND);
    let (mut handle, mut error): (*mut fb_sliding_log, _) = (ptr::null_mut(), no_error());
    // SAFETY: pointers to live locals.
    let status = unsafe { fb_sliding_log_new(limit, window, &raw mut handle, &raw mut error) };
    if !judged(status, &error) {
        assert!(handle.is_null());
        return;
    }
    while !bytes.is_empty() {
        let (now, cost) = (bytes.span(SECOND), bytes.setting(0, 20) as u32);
        let (mut wait, mut available) = (7, 7);
        // SAFETY: the handle is live, every other pointer is to a live local.
        unsafe {
            let status = fb_sliding_log_try_acquire_at(handle, cost, now, &raw mut wait);
            let admitted = decided(status, wait);
            assert!(!(admitted && cost > limit), "L1: {cost} of {limit} at once");
            let status = fb_sliding_log_available_at(handle, now, &raw mut available);
            assert_eq!(status, fb_status::FB_OK);
            assert!(available <= limit, "L1: {available} of {limit}");
        }
    }
    // SAFETY: live, and not used after this.
    unsafe { fb_sliding_log_free(handle) };
}
