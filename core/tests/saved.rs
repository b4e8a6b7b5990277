//! Saving and restoring: bytes from anywhere never harm. S1 S2 T4.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, RestoreError, SAVED_MAX, State, Window,
};
use proptest::prelude::*;

type Breaker = CircuitBreaker<10, 1>;

fn breaker(window: Window) -> Breaker {
    Breaker::new(
        CircuitBreakerConfig::new()
            .minimum_requests(1)
            .window(window),
    )
}

fn windows() -> [Window; 4] {
    let second = Nanos::from_secs(1);
    [
        Window::Time {
            length: Nanos::from_secs(10),
            slots: 10,
        },
        Window::Count(240),
        Window::Consecutive(5),
        Window::Decay { half_life: second },
    ]
}

/// S1: the golden bytes of layout version 1.
#[test]
fn s1_the_layout_is_as_documented() {
    let tripped = breaker(Window::Consecutive(1));
    let at = Nanos::from_secs(3);
    tripped.try_acquire(at).unwrap().failure(at);
    let saved = tripped.save(Nanos::from_secs(5));
    let words: Vec<u64> = saved
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
        .collect();
    let magic = u64::from_be_bytes(*b"fb\0brk\0\x01");
    // Open (1), generation 1; two seconds ago; consecutive (2) of 1; totals: one call, one failure.
    assert_eq!(
        words,
        [
            magic,
            1 | 1 << 3,
            2_000_000_000,
            2 | 1 << 2,
            0,
            0,
            1,
            1,
            0,
            0,
            0,
            0,
            0
        ]
    );
}

/// S1: another version, another window, a missing end, nothing at all: named, and nothing is changed.
#[test]
fn s1_what_does_not_fit_is_refused() {
    for window in windows() {
        let saved = breaker(window).save(Nanos::from_secs(1));
        assert!(saved.len() <= SAVED_MAX);
        let mut target = breaker(window);
        let now = Nanos::from_secs(1);
        for end in 0..saved.len() {
            assert_eq!(
                target.restore(&saved[..end], now, Nanos::ZERO),
                Err(RestoreError::NotABreaker),
                "{end} bytes of {window:?}"
            );
        }
        let mut other = saved.clone();
        other[0] = 2;
        let refused = target.restore(&other, now, Nanos::ZERO);
        assert_eq!(refused, Err(RestoreError::OtherVersion { found: 2 }));
        let mut count = breaker(Window::Count(7));
        assert_eq!(
            count.restore(&saved, now, Nanos::ZERO),
            Err(RestoreError::OtherWindow)
        );
        assert_eq!(target.snapshot(now).generation, 0);
        assert_eq!(target.restore(&saved, now, Nanos::ZERO), Ok(()));
    }
}

/// T4: times at both ends of the range.
#[test]
fn t4_any_time_restores() {
    for window in windows() {
        for saved_at in [Nanos::ZERO, Nanos::MAX] {
            for restored_at in [Nanos::ZERO, Nanos::MAX] {
                for away in [Nanos::ZERO, Nanos::MAX] {
                    let before = breaker(window);
                    before.try_acquire(saved_at).unwrap().success(saved_at);
                    let mut after = breaker(window);
                    after
                        .restore(&before.save(saved_at), restored_at, away)
                        .unwrap();
                    assert_eq!(after.state(), State::Closed);
                    assert_eq!(after.snapshot(restored_at).totals.calls, 1);
                    after.try_acquire(restored_at).unwrap().success(restored_at);
                    assert_eq!(after.snapshot(restored_at).totals.calls, 2);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// S2: damaged bytes give an error or some legal breaker, which works on.
    #[test]
    fn s2_damaged_bytes_are_harmless(
        kind in 0_usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        now in any::<u64>(),
        away in any::<u64>(),
    ) {
        let before = breaker(windows()[kind]);
        let at = Nanos::from_secs(7);
        for _ in 0..3 {
            if let Ok(permit) = before.try_acquire(at) {
                permit.success(at);
            }
        }
        let mut saved = before.save(at);
        for (place, byte) in damage {
            let place = place.index(saved.len());
            saved[place] = byte;
        }
        let mut after = breaker(windows()[kind]);
        let now = Nanos::new(now);
        if after.restore(&saved, now, Nanos::new(away)).is_ok() {
            let snapshot = after.snapshot(now);
            prop_assert!(snapshot.window.failures <= snapshot.window.calls);
            if let Ok(permit) = after.try_acquire(now) {
                permit.failure(now);
            }
            after.reset(now, &());
            prop_assert!(after.try_acquire(now).is_ok());
        }
    }
}

/// B7, B10, B20: a forced opening that was to last for ever leaves nothing behind for later openings.
#[test]
fn b7_b20_force_open_until_leaves_nothing_behind() {
    let breaker = breaker(Window::Consecutive(1));
    breaker.force_open_until(Nanos::MAX, Nanos::from_secs(1), &());
    breaker.reset(Nanos::from_secs(2), &());
    let at = Nanos::from_secs(3);
    breaker.try_acquire(at).unwrap().failure(at);
    let rejected = breaker.check(Nanos::from_secs(4)).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_secs(29)));
}
