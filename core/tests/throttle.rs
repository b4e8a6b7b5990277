//! The client throttle against the formula over a plain list of events.

use fuseboard_core::{ClientThrottle, ClientThrottleConfig, Nanos, Reason};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// (when, requests, accepts).
type Events = Vec<(u64, u64, u64)>;

fn sums(events: &Events, now: u64, slot: u64, slots: u64) -> (u64, u64) {
    let inside = events
        .iter()
        .filter(|(at, _, _)| now / slot - at / slot < slots);
    inside.fold((0, 0), |(requests, accepts), event| {
        (requests + event.1, accepts + event.2)
    })
}

/// The draw of `SplitMix64`, as published.
fn draw(seed: u64, turn: u64) -> f64 {
    let mut state = seed;
    let mut z = 0;
    for _ in 0..=turn {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
    }
    (z >> 32) as f64 / 2_f64.powi(32)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn w1_w5_l1_as_the_formula(
        seed in any::<u64>(),
        eighths in 8_u32..40,
        minimum in 0_u32..10,
        events in prop::collection::vec((0_u8..3, 0_u64..5, 0_u32..200), 1..60),
    ) {
        let multiplier = f64::from(eighths) / 8.0;
        let throttle = ClientThrottle::<4>::new(
            ClientThrottleConfig::new()
                .multiplier(multiplier)
                .minimum_requests(minimum)
                .window(Nanos::from_secs(40))
                .seed(seed),
        );
        let (slot, slots) = (10 * SECOND, 4);
        let mut model = Events::new();
        let (mut now, mut turn) = (0_u64, 0);
        for (event, gap, jump) in events {
            // Gaps of less than a slot, and now and then of any number of slots.
            now += gap * SECOND + match jump {
                0 => (1 << 24) * slot,
                1 => 4 * slot,
                2 => 3 * slot,
                _ => 0,
            };
            let at = Nanos::new(now);
            match event {
                0 => {
                    throttle.accepted(at);
                    model.push((now, 1, 1));
                }
                1 => {
                    throttle.refused(at);
                    model.push((now, 1, 0));
                }
                _ => {
                    let (requests, accepts) = sums(&model, now, slot, slots);
                    let share = if requests < u64::from(minimum) {
                        0.0
                    } else {
                        (requests as f64 - multiplier * accepts as f64).max(0.0)
                            / (requests + 1) as f64
                    };
                    prop_assert!((throttle.rejection_share(at) - share).abs() < 1e-12);
                    let rejects = share > 0.0 && draw(seed, turn) < share;
                    turn += u64::from(share > 0.0);
                    let decision = throttle.try_acquire(at);
                    prop_assert_eq!(decision.is_err(), rejects);
                    if let Err(rejected) = decision {
                        prop_assert_eq!(rejected.reason, Reason::Limited);
                        model.push((now, 1, 0));
                    }
                }
            }
            prop_assert_eq!(throttle.counts(at), sums(&model, now, slot, slots));
        }
    }
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/throttle.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

/// Of a backend that takes one request in ten, about `K` tenths are sent, in the steady state of the source.
#[test]
fn l2_share_sent_follows_the_backend() {
    let throttle: ClientThrottle = ClientThrottle::new(ClientThrottleConfig::new());
    let (mut sent, mut accepted) = (0_u32, 0_u32);
    for request in 0..200_000_u64 {
        // A thousand a second; the backend has room for a hundred.
        let now = Nanos::from_millis(request);
        let room = u32::try_from(request / 10).unwrap() + 1;
        if throttle.try_acquire(now).is_ok() {
            sent += 1;
            if accepted < room {
                accepted += 1;
                throttle.accepted(now);
            } else {
                throttle.refused(now);
            }
        }
    }
    assert!(accepted > 19_000, "accepted {accepted}");
    assert!((35_000..50_000).contains(&sent), "sent {sent}");
    // The backend recovers: within a window everything passes again.
    let mut rejected = 0;
    for request in 200_000..400_000_u64 {
        let now = Nanos::from_millis(request);
        match throttle.try_acquire(now) {
            Ok(()) => throttle.accepted(now),
            Err(_) => rejected += u32::from(request > 330_000),
        }
    }
    assert_eq!(rejected, 0);
}

#[test]
fn l2_a_good_backend_is_never_throttled() {
    let throttle: ClientThrottle =
        ClientThrottle::new(ClientThrottleConfig::new().minimum_requests(0));
    for request in 0..10_000 {
        let now = Nanos::from_millis(request);
        assert!(throttle.try_acquire(now).is_ok());
        throttle.accepted(now);
    }
}

/// Calls in flight are not refused calls: a burst before the first answer passes whole.
#[test]
fn l2_a_burst_before_the_first_answer_passes() {
    let throttle: ClientThrottle =
        ClientThrottle::new(ClientThrottleConfig::new().minimum_requests(0));
    for _ in 0..1_000 {
        assert!(throttle.try_acquire(Nanos::ZERO).is_ok());
    }
}

#[test]
fn w4_t4_any_time_and_numbers_next_to_the_wrap() {
    let slot = 10_000_000;
    for tick in [
        0,
        1,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        u64::MAX / slot,
    ] {
        let throttle =
            ClientThrottle::<1>::new(ClientThrottleConfig::new().window(Nanos::new(slot)));
        let now = Nanos::new(tick * slot);
        assert_eq!(throttle.counts(now), (0, 0));
        throttle.accepted(now);
        throttle.refused(now);
        assert_eq!(throttle.counts(now), (2, 1), "tick {tick}");
        if let Some(later) = (tick + 1).checked_mul(slot) {
            assert_eq!(throttle.counts(Nanos::new(later)), (0, 0), "tick {tick}");
            throttle.refused(Nanos::new(later));
            assert_eq!(throttle.counts(Nanos::new(later)), (1, 0), "tick {tick}");
        }
    }
    let throttle: ClientThrottle = ClientThrottle::new(ClientThrottleConfig::new());
    throttle.refused(Nanos::MAX);
    assert_eq!(throttle.counts(Nanos::MAX), (1, 0));
    // T1, W7: what an old clock records is kept where it belongs now.
    throttle.refused(Nanos::ZERO);
    assert!(throttle.counts(Nanos::MAX).0 >= 1);
}

#[test]
fn w3_threads_lose_no_count() {
    static THROTTLE: ClientThrottle = ClientThrottle::new(ClientThrottleConfig::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for request in 0..10_000 {
                    let now = Nanos::from_millis(request);
                    THROTTLE.accepted(now);
                    THROTTLE.refused(now);
                }
            });
        }
    });
    assert_eq!(THROTTLE.counts(Nanos::from_secs(10)), (80_000, 40_000));
}

#[test]
fn r6_fields_and_size() {
    assert_eq!(size_of::<ClientThrottle>(), 8 * 24);
    let ok = ClientThrottleConfig::new();
    for (config, field) in [
        (ok.multiplier(0.99), "multiplier"),
        (ok.multiplier(1_001.0), "multiplier"),
        (ok.multiplier(f64::NAN), "multiplier"),
        (ok.window(Nanos::from_millis(9)), "window"),
    ] {
        assert_eq!(config.validate().unwrap_err().field(), field);
    }
    let short = ok.window(Nanos::from_millis(99));
    assert_eq!(
        ClientThrottle::<10>::try_new(short).unwrap_err().field(),
        "window"
    );
    let throttle: ClientThrottle = ClientThrottle::new(ok);
    throttle.refused(Nanos::ZERO);
    assert_eq!(
        throttle
            .configure(short.window(Nanos::from_secs(60)))
            .unwrap_err()
            .field(),
        "window"
    );
    throttle.configure(ok.multiplier(1.5)).unwrap();
    assert_eq!(throttle.counts(Nanos::ZERO), (1, 0));
}
