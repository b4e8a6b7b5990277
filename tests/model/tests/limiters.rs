//! Histories of the real limiters against their models. Shows L1 L2 L3 L4 L8 L9 L10 L13 T1 T4.

use fuseboard_core::{Nanos, Rate, Reason, SlidingWindowRateLimiter, TokenBucketRateLimiter};
use fuseboard_model::sliding_window::SlidingWindow;
use fuseboard_model::token_bucket::TokenBucket;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(u64),
    Refund(u64),
    Wait(u64),
    Back(u64),
}

fn step(scale: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..5).prop_map(Step::Acquire),
        1 => (1_u64..3).prop_map(Step::Refund),
        5 => (0..scale.max(1)).prop_map(Step::Wait),
        1 => prop_oneof![Just(1 << 31), Just(1 << 40), Just(1 << 59)].prop_map(Step::Wait),
        1 => (0..3 * scale.max(1)).prop_map(Step::Back),
    ]
}

/// Rates whose interval is exact: at most 8 units in lowest terms.
fn exact_rate() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![
        Just((1, 86_400 * SECOND)),
        Just((3, SECOND)),
        Just((7, SECOND)),
        Just((700_000, SECOND)),
        Just((3_000_000, SECOND)),
        Just((600_000_000, SECOND)),
        Just((SECOND, SECOND)),
        Just((10, SECOND)),
        (1_u64..=8, 1_u64..1_000_000).prop_map(|(units, per)| (units, per.max(units))),
    ]
}

fn histories() -> impl Strategy<Value = ((u64, u64), u64, Vec<Step>)> {
    (exact_rate(), 1_u64..8).prop_flat_map(|((units, per), burst)| {
        let steps = prop::collection::vec(step(2 * per / units), 1..80);
        (Just((units, per)), Just(burst), steps)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(10_000),
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/regressions/limiters.txt"
        ))) as _),
        ..ProptestConfig::default()
    })]

    #[test]
    fn l1_l2_l8_token_bucket_agrees_with_exact_fractions(((units, per), burst, steps) in histories()) {
        let limiter = TokenBucketRateLimiter::try_new(Rate::new(units, Nanos::new(per)), burst).unwrap();
        let mut model = TokenBucket::new(units, per, burst);
        let (mut now, mut taken) = (0_u64, 0_u64);
        for step in steps {
            let at = Nanos::new(now);
            match step {
                Step::Acquire(cost) => {
                    let real = limiter.try_acquire_many(cost, at);
                    taken += if real.is_ok() { cost } else { 0 };
                    match (real, model.acquire(cost, now)) {
                        (Ok(()), Ok(())) => {}
                        (Err(rejected), Err(None)) => prop_assert_eq!(rejected.reason, Reason::Never),
                        (Err(rejected), Err(Some(wait))) => {
                            prop_assert_eq!(rejected.retry_after, Some(Nanos::new(wait)));
                        }
                        (real, expected) => {
                            return Err(TestCaseError::fail(format!("{real:?} but {expected:?} at {now}")));
                        }
                    }
                }
                // L4: only what was taken is given back.
                Step::Refund(cost) if cost <= taken => {
                    taken -= cost;
                    limiter.refund(cost, at);
                    model.refund(cost, now);
                }
                Step::Refund(_) => {}
                Step::Wait(span) => now = now.saturating_add(span).min(1 << 60),
                Step::Back(span) => now = now.saturating_sub(span),
            }
            prop_assert_eq!(limiter.available(Nanos::new(now)), model.available(now));
        }
    }

    #[test]
    fn l1_l8_l10_sliding_window_agrees_with_a_list(
        limit in 1_u32..20,
        window in prop_oneof![Just(1_u64), 1..SECOND, Just(3_600 * SECOND)],
        steps in prop::collection::vec(step(SECOND), 1..120),
    ) {
        let limiter = SlidingWindowRateLimiter::<19>::try_new(limit, Nanos::new(window)).unwrap();
        let mut model = SlidingWindow::new(limit, window);
        let mut now = 0_u64;
        for step in steps {
            match step {
                Step::Acquire(cost) => {
                    let real = limiter.try_acquire_many(cost as u32, Nanos::new(now));
                    match (real, model.acquire(cost as u32, now)) {
                        (Ok(()), Ok(())) => {}
                        (Err(rejected), Err(None)) => prop_assert_eq!(rejected.reason, Reason::Never),
                        (Err(rejected), Err(Some(wait))) => {
                            prop_assert_eq!(rejected.retry_after, Some(Nanos::new(wait)));
                        }
                        (real, expected) => {
                            return Err(TestCaseError::fail(format!("{real:?} but {expected:?} at {now}")));
                        }
                    }
                }
                Step::Refund(_) => {}
                Step::Wait(span) => now = now.saturating_add(span / 3),
                Step::Back(span) => now = now.saturating_sub(span / 3),
            }
        }
    }
}
