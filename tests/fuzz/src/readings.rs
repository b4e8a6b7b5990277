//! What the C interface counts and gives back: a breaker used through handles answers as one used without, settings read back make the
//! same breaker, counts of any bits are legal, and a shadow counts rejections and nothing else.

use std::mem::MaybeUninit;
use std::ptr;

use fuseboard_ffi::breaker::making::{
    fb_breaker_free, fb_breaker_new, fb_breaker_new_with_handles,
};
use fuseboard_ffi::breaker::manual::{fb_breaker_force_open_at, fb_breaker_reset_at};
use fuseboard_ffi::breaker::{
    fb_breaker, fb_breaker_cancel, fb_breaker_settle_at, fb_breaker_try_acquire_at,
};
use fuseboard_ffi::config::{fb_breaker_config, fb_breaker_config_validate};
use fuseboard_ffi::latency::counts::{
    FB_LATENCY_BUCKETS, fb_breaker_latency, fb_latency_counts, fb_latency_counts_quantile,
    fb_latency_counts_since, fb_latency_counts_totals,
};
use fuseboard_ffi::permit::{fb_permit, fb_permit_read};
use fuseboard_ffi::shadow::{
    fb_shadow, fb_shadow_admit, fb_shadow_free, fb_shadow_new, fb_shadow_would_reject,
};
use fuseboard_ffi::snapshot::{fb_breaker_read_config, fb_breaker_snapshot_at, fb_snapshot};
use fuseboard_ffi::status::fb_status;
use fuseboard_ffi::thread_handle::{
    fb_handle, fb_handle_cancel, fb_handle_free, fb_handle_new, fb_handle_settle_weighted_at,
    fb_handle_try_acquire_at,
};

use crate::bytes::{Bytes, SECOND};
use crate::configuration::config;

/// Any bytes.
pub fn any(bytes: &mut Bytes<'_>) {
    match bytes.any::<u8>() % 4 {
        0 => shadow(bytes),
        1 => latencies(bytes),
        _ => handles(bytes),
    }
}

const NO_PERMIT: fb_permit = fb_permit { opaque_: [0; 2] };

/// One breaker used through two handles and without, and one that has none; both are told the same.
struct Pair {
    handles: [*mut fb_handle; 2],
    roomy: *mut fb_breaker,
    plain: *mut fb_breaker,
}

impl Pair {
    /// `None` where the settings are refused, by both.
    fn new(settings: &fb_breaker_config) -> Option<Self> {
        let (mut roomy, mut plain) = (ptr::null_mut(), ptr::null_mut());
        let mut handles = [ptr::null_mut(); 2];
        // SAFETY: every pointer is to a live local.
        unsafe {
            let made = fb_breaker_new_with_handles(settings, &raw mut roomy, ptr::null_mut());
            assert_eq!(
                made,
                fb_breaker_new(settings, &raw mut plain, ptr::null_mut())
            );
            if settings.struct_size == size_of::<fb_breaker_config>() {
                assert_eq!(made, fb_breaker_config_validate(settings, ptr::null_mut()));
            }
            if made != fb_status::FB_OK {
                assert!(roomy.is_null() && plain.is_null());
                return None;
            }
            for handle in &mut handles {
                assert_eq!(fb_handle_new(roomy, handle), fb_status::FB_OK);
            }
        }
        Some(Self {
            handles,
            roomy,
            plain,
        })
    }

    /// Settings read back make the same breaker.
    fn reads_back(&self) {
        let read = |breaker| {
            let mut config = MaybeUninit::<fb_breaker_config>::uninit();
            // SAFETY: the breaker is live, and FB_OK says that the struct was written.
            unsafe {
                let size = size_of::<fb_breaker_config>();
                let status = fb_breaker_read_config(breaker, config.as_mut_ptr(), size);
                assert_eq!(status, fb_status::FB_OK);
                config.assume_init()
            }
        };
        let (config, mut again) = (read(self.roomy), ptr::null_mut());
        assert_eq!(config, read(self.plain));
        // SAFETY: every pointer is to a live local, and the breaker is freed once.
        unsafe {
            let made = fb_breaker_new(&raw const config, &raw mut again, ptr::null_mut());
            assert_eq!(made, fb_status::FB_OK, "what runs is refused: {config:?}");
            assert_eq!(read(again), config);
            fb_breaker_free(again);
        }
    }

    /// Both say the same of themselves.
    fn are_alike(&self, now: u64) {
        let seen = |breaker| {
            let mut snapshot = MaybeUninit::<fb_snapshot>::zeroed();
            // SAFETY: the breaker is live, and the struct says its size; all its members may be zero.
            unsafe {
                (*snapshot.as_mut_ptr()).struct_size = size_of::<fb_snapshot>();
                let status = fb_breaker_snapshot_at(breaker, now, snapshot.as_mut_ptr());
                assert_eq!(status, fb_status::FB_OK);
                format!("{:?}", snapshot.assume_init())
            }
        };
        assert_eq!(seen(self.roomy), seen(self.plain), "H1");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and freed here alone, the handles first.
        unsafe {
            self.handles
                .into_iter()
                .for_each(|handle| fb_handle_free(handle));
            fb_breaker_free(self.roomy);
            fb_breaker_free(self.plain);
        }
    }
}

fn handles(bytes: &mut Bytes<'_>) {
    let Some(pair) = Pair::new(&config(bytes)) else {
        return;
    };
    pair.reads_back();
    let mut now = 0_u64;
    let mut permits = [(NO_PERMIT, NO_PERMIT); 4];
    while !bytes.is_empty() {
        now = now.saturating_add(bytes.span(SECOND));
        let handle = pair.handles[bytes.any::<u8>() as usize % 2];
        let (mine, other) = &mut permits[bytes.any::<u8>() as usize % 4];
        let (mut waits, verb) = ((7_u64, 7_u64), bytes.any::<u8>() % 16);
        // SAFETY: the handles are live and this thread's, every other pointer is to a live local.
        let answers = unsafe {
            match verb {
                0..6 => (
                    fb_handle_try_acquire_at(handle, now, mine, &raw mut waits.0),
                    fb_breaker_try_acquire_at(pair.plain, now, other, &raw mut waits.1),
                ),
                6..8 => (
                    fb_breaker_try_acquire_at(pair.roomy, now, mine, &raw mut waits.0),
                    fb_breaker_try_acquire_at(pair.plain, now, other, &raw mut waits.1),
                ),
                8..12 => {
                    let outcome = i32::from(bytes.any::<u8>() % 4);
                    (
                        fb_handle_settle_weighted_at(handle, mine, outcome, 1, now),
                        fb_breaker_settle_at(pair.plain, other, outcome, now),
                    )
                }
                12 => {
                    let outcome = i32::from(bytes.any::<u8>() % 3);
                    (
                        fb_breaker_settle_at(pair.roomy, mine, outcome, now),
                        fb_breaker_settle_at(pair.plain, other, outcome, now),
                    )
                }
                13 => (
                    fb_handle_cancel(handle, mine),
                    fb_breaker_cancel(pair.plain, other),
                ),
                14 => (
                    fb_breaker_force_open_at(pair.roomy, now),
                    fb_breaker_force_open_at(pair.plain, now),
                ),
                _ => (
                    fb_breaker_reset_at(pair.roomy, now),
                    fb_breaker_reset_at(pair.plain, now),
                ),
            }
        };
        assert_eq!((answers.0, waits.0), (answers.1, waits.1), "H1");
        let (mut is_probe, mut started) = (7, 7);
        // SAFETY: every pointer is to a live local.
        let known = unsafe { fb_permit_read(mine, &raw mut is_probe, &raw mut started) };
        assert_eq!(known == fb_status::FB_OK, mine.opaque_[0] != 0);
        assert!(known != fb_status::FB_OK || (0..2).contains(&is_probe));
        pair.are_alike(now);
    }
    let mut counts = counts_of(bytes);
    // SAFETY: a live handle, and a struct that says its size.
    let status = unsafe { fb_breaker_latency(pair.roomy, &raw mut counts) };
    assert!(matches!(status, fb_status::FB_OK | fb_status::FB_STALE));
}

/// Counts of any bits.
fn counts_of(bytes: &mut Bytes<'_>) -> fb_latency_counts {
    let mut counts = fb_latency_counts {
        struct_size: size_of::<fb_latency_counts>(),
        short_calls: bytes.extreme(),
        buckets: [0; FB_LATENCY_BUCKETS],
    };
    for _ in 0..bytes.any::<u8>() % 32 {
        counts.buckets[bytes.any::<u8>() as usize] = bytes.extreme();
    }
    counts
}

fn latencies(bytes: &mut Bytes<'_>) {
    let (later, earlier) = (counts_of(bytes), counts_of(bytes));
    let mut between = counts_of(bytes);
    let (mut calls, mut sum, mut quantile) = (7, 7, 7);
    let share = bytes.setting(0, 1_000_000) as u32;
    // SAFETY: every pointer is to a live local, and the structs say their sizes.
    unsafe {
        let status =
            fb_latency_counts_since(&raw const later, &raw const earlier, &raw mut between);
        assert_eq!(status, fb_status::FB_OK);
        let status = fb_latency_counts_totals(&raw const between, &raw mut calls, &raw mut sum);
        assert_eq!(status, fb_status::FB_OK);
        let status = fb_latency_counts_quantile(&raw const between, share, &raw mut quantile);
        match status {
            fb_status::FB_OK => assert!(calls > 0 && (1024..=1 << 42).contains(&quantile)),
            fb_status::FB_STALE => assert_eq!((calls, quantile), (0, 0)),
            fb_status::FB_EINVAL => assert!(share > 1_000_000),
            other => panic!("{other:?}"),
        }
    }
    for (index, count) in between.buckets.iter().enumerate() {
        let expected = later.buckets[index].saturating_sub(earlier.buckets[index]);
        assert_eq!(*count, expected);
    }
}

fn shadow(bytes: &mut Bytes<'_>) {
    let mut shadow: *mut fb_shadow = ptr::null_mut();
    // SAFETY: a pointer to a live local.
    let made = unsafe { fb_shadow_new(&raw mut shadow, ptr::null_mut()) };
    assert_eq!(made, fb_status::FB_OK);
    let mut rejections = 0;
    while !bytes.is_empty() {
        let decision = (bytes.setting(0, 30) as i32).wrapping_sub(15);
        // SAFETY: the handle is live.
        let admitted = unsafe { fb_shadow_admit(shadow, decision) };
        match decision {
            0 => assert_eq!(admitted, fb_status::FB_OK),
            1..=7 => {
                rejections += 1;
                assert_eq!(admitted, fb_status::FB_OK);
            }
            -13..0 => assert_eq!(admitted as i32, decision),
            _ => assert_eq!(admitted, fb_status::FB_EINVAL),
        }
    }
    let counted = (1..=7).map(|reason| {
        let mut count = 7_u64;
        // SAFETY: the handle is live, the other pointer is to a live local.
        let status = unsafe { fb_shadow_would_reject(shadow, reason, &raw mut count) };
        assert_eq!(status, fb_status::FB_OK);
        count
    });
    assert_eq!(counted.sum::<u64>(), rejections, "O1");
    // SAFETY: live, and not used after this.
    unsafe { fb_shadow_free(shadow) };
}
