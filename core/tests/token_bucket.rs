//! The token bucket through its public API, against exact fractions and against the invariants themselves.

use fuseboard_core::{Nanos, Rate, Reason, Rejected, TokenBucketRateLimiter, WarmUp};
use fuseboard_model::token_bucket::Schedule;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SECOND: u64 = 1_000_000_000;
const YEAR: u64 = 365 * 86_400 * SECOND;

fn bucket(units: u64, per: u64, burst: u64) -> TokenBucketRateLimiter {
    TokenBucketRateLimiter::try_new(Rate::new(units, Nanos::new(per)), burst).expect("a good quota")
}

/// L1 itself: every run of admissions, by the latest time seen, is within the burst and what the rate gives.
fn within_quota(admitted: &[(u64, u64)], units: u64, per: u64, burst: u64) -> bool {
    let mut latest = 0;
    let seen: Vec<(u64, u64)> = admitted
        .iter()
        .map(|&(now, cost)| {
            latest = latest.max(now);
            (latest, cost)
        })
        .collect();
    (0..seen.len()).all(|first| {
        let mut total = 0;
        seen[first..].iter().all(|&(now, cost)| {
            total += u128::from(cost);
            let given = u128::from(now - seen[first].0) * u128::from(units) / u128::from(per);
            total <= u128::from(burst) + given
        })
    })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(u64),
    UpTo(u64),
    Reserve(u64, u64),
    Refund(u64),
    Drain,
    Wait(u64),
    Back(u64),
}

/// From plain numbers: quicker to make than a strategy for each step, and it shrinks as well.
fn steps(interval: u64) -> impl Strategy<Value = Vec<Step>> {
    let near = 3 * interval.max(1);
    let step = move |(kind, amount, span): (u8, u64, u64)| match kind {
        0..8 => Step::Acquire(amount),
        8..14 => Step::Wait(span % near),
        14 | 15 => Step::UpTo(amount),
        16 | 17 => Step::Reserve(1 + amount / 2, span % near),
        18 => Step::Refund(1 + amount / 3),
        19 => Step::Drain,
        20 => Step::Wait(1 << (31 + amount * 5)),
        _ => Step::Back(span % near),
    };
    prop::collection::vec((0_u8..22, 0_u64..6, any::<u64>()), 1..32)
        .prop_map(move |numbers| numbers.into_iter().map(step).collect())
}

/// Rates whose interval is exact: at most 8 units in lowest terms.
fn exact_rate() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![
        Just((1, 86_400 * SECOND)),
        Just((3, SECOND)),
        Just((700_000, SECOND)),
        Just((3_000_000, SECOND)),
        Just((600_000_000, SECOND)),
        Just((SECOND, SECOND)),
        (1_u64..=8, 1_u64..1_000_000).prop_map(|(units, per)| (units, per.max(units))),
    ]
}

fn histories<R: Strategy<Value = (u64, u64)>>(
    rate: R,
) -> impl Strategy<Value = ((u64, u64), u64, Vec<Step>)> {
    (rate, 1_u64..6).prop_flat_map(|((units, per), burst)| {
        (Just((units, per)), Just(burst), steps(per / units))
    })
}

fn wait_of(rejected: Rejected) -> Option<u64> {
    rejected.retry_after.map(Nanos::get)
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/token_bucket.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l2_l3_l4_l8_l10_agrees_with_exact_fractions(
        ((units, per), burst, steps) in histories(exact_rate()),
    ) {
        let limiter = bucket(units, per, burst);
        let mut model = Schedule::new(units, per, burst);
        let (mut now, mut taken) = (0_u64, 0_u64);
        for step in steps {
            let at = Nanos::new(now);
            match step {
                Step::Acquire(0) => prop_assert_eq!(limiter.try_acquire_many(0, at), Ok(())),
                Step::Acquire(cost) => {
                    let real = limiter.try_acquire_many(cost, at).map_err(wait_of);
                    let expected = model.acquire(cost, now, 0).map(|_| ());
                    taken += if real.is_ok() { cost } else { 0 };
                    prop_assert_eq!(real, expected, "{} at {}", cost, now);
                }
                Step::UpTo(max) => {
                    let expected = model.available(now).min(max);
                    prop_assert_eq!(limiter.try_acquire_up_to(max, at), expected);
                    if expected > 0 {
                        let _ = model.acquire(expected, now, 0);
                    }
                    taken += expected;
                }
                Step::Reserve(cost, max_wait) => {
                    let real = limiter
                        .reserve(cost, Nanos::new(max_wait), at)
                        .map(|reservation| reservation.wait().get())
                        .map_err(wait_of);
                    taken += if real.is_ok() { cost } else { 0 };
                    prop_assert_eq!(real, model.acquire(cost, now, max_wait));
                }
                // Only what was taken is given back.
                Step::Refund(cost) if cost <= taken => {
                    taken -= cost;
                    limiter.refund(cost, at);
                    model.refund(cost, now);
                }
                Step::Refund(_) => {}
                Step::Drain => {
                    limiter.drain(at);
                    model.drain(now);
                }
                Step::Wait(span) => now = now.saturating_add(span).min(1 << 60),
                Step::Back(span) => now = now.saturating_sub(span),
            }
            prop_assert_eq!(limiter.available(Nanos::new(now)), model.available(now));
        }
    }

    /// Any rate, also one that is rounded, with and without a warm-up.
    #[test]
    fn l1_l3_l13_no_run_passes_burst_and_rate(
        ((units, per), burst, steps) in
            histories((1_u64..2_000, 1_u64..100_000).prop_map(|(units, per)| (units, per.max(units)))),
        warm_up in prop::option::of((1_u64..50_000, 1_u32..6)),
    ) {
        let limiter = match warm_up {
            None => bucket(units, per, burst),
            Some((period, factor)) => TokenBucketRateLimiter::try_with_warm_up(
                Rate::new(units, Nanos::new(per)),
                burst,
                WarmUp::new(Nanos::new(period)).cold_factor(factor),
            )
            .expect("a good quota"),
        };
        let (mut now, mut admitted) = (0_u64, Vec::new());
        for step in steps {
            let at = Nanos::new(now);
            match step {
                Step::Acquire(cost) => {
                    if cost > 0 && limiter.try_acquire_many(cost, at).is_ok() {
                        admitted.push((now, cost));
                    }
                }
                Step::UpTo(max) => {
                    let taken = limiter.try_acquire_up_to(max, at);
                    admitted.extend((taken > 0).then_some((now, taken)));
                }
                Step::Wait(span) => now = now.saturating_add(span).min(1 << 60),
                Step::Back(span) => now = now.saturating_sub(span),
                Step::Drain => limiter.drain(at),
                Step::Reserve(..) | Step::Refund(_) => {}
            }
        }
        prop_assert!(within_quota(&admitted, units, per, burst), "{:?}", admitted);
    }

    /// What is kept of reservations and direct requests keeps to the quota at the moments at which it is used.
    #[test]
    fn l11_reservations_keep_to_the_quota_when_used(
        (units, per) in exact_rate(),
        burst in 1_u64..5,
        steps in prop::collection::vec((0_u64..10, 1_u64..4, 0_u64..300), 1..40),
    ) {
        let limiter = bucket(units, per, burst);
        let interval = per.div_ceil(units);
        let mut now = 0_u64;
        let (mut used, mut held) = (Vec::new(), Vec::new());
        for (kind, cost, amount) in steps {
            now += amount * interval / 100;
            let at = Nanos::new(now);
            match kind {
                0..5 => {
                    if let Ok(reservation) = limiter.reserve(cost, Nanos::new(5 * interval), at) {
                        held.push((now + reservation.wait().get(), cost, reservation));
                    }
                }
                5..8 => used.extend(
                    limiter
                        .try_acquire_many(cost, at)
                        .map(|()| (now, cost)),
                ),
                _ if !held.is_empty() => {
                    let (use_at, cost, reservation) = held.remove(amount as usize % held.len());
                    if use_at > now {
                        limiter.cancel(reservation, at);
                    } else {
                        used.push((use_at, cost));
                    }
                }
                _ => {}
            }
        }
        used.extend(held.iter().map(|&(use_at, cost, _)| (use_at, cost)));
        used.sort_unstable();
        // A wait is rounded up to a nanosecond, so two uses can be closer than they are on the exact schedule by less than one.
        let spread: Vec<(u64, u64)> = used.iter().map(|&(at, cost)| (at * units, cost)).collect();
        let exact = spread.iter().enumerate().all(|(first, &(from, _))| {
            let mut total = 0;
            spread[first..].iter().all(|&(to, cost)| {
                total += u128::from(cost) * u128::from(per);
                total <= u128::from(burst * per) + u128::from(to - from + units)
            })
        });
        prop_assert!(exact, "{:?}", used);
    }

    #[test]
    fn l8_warm_or_cold_the_wait_is_exact(
        burst in 1_u64..8,
        factor in 1_u32..6,
        steps in prop::collection::vec((1_u64..9, 0_u64..3_000), 1..60),
    ) {
        let new = || {
            let warm_up = WarmUp::new(Nanos::new(10_000)).cold_factor(factor);
            TokenBucketRateLimiter::try_with_warm_up(Rate::new(1, Nanos::new(1_000)), burst, warm_up)
                .expect("a good quota")
        };
        let mut history: Vec<(u64, u64)> = Vec::new();
        let replay = |history: &[(u64, u64)]| {
            let limiter = new();
            for &(cost, now) in history {
                let _ = limiter.try_acquire_many(cost, Nanos::new(now));
            }
            limiter
        };
        let mut now = 0;
        let limiter = new();
        for (cost, gap) in steps {
            now += gap;
            if let Err(rejected) = limiter.try_acquire_many(cost, Nanos::new(now)) {
                prop_assert_eq!(rejected.retry_after.is_none(), cost > burst);
                if let Some(wait) = rejected.retry_after.map(Nanos::get) {
                    let early = replay(&history).try_acquire_many(cost, Nanos::new(now + wait - 1));
                    prop_assert!(early.is_err());
                    let due = replay(&history).try_acquire_many(cost, Nanos::new(now + wait));
                    prop_assert!(due.is_ok());
                }
            } else {
                history.push((cost, now));
            }
            let available = limiter.available(Nanos::new(now));
            prop_assert!(
                available == 0
                    || replay(&history).try_acquire_many(available, Nanos::new(now)).is_ok()
            );
        }
    }

    /// Every lease spends at most what the bucket has given out, and what it gives back is there again.
    #[test]
    fn h1_leases_never_pass_the_bucket(
        burst in 1_u64..30,
        batch in 0_u64..40,
        lifetime in 0_u64..20,
        steps in prop::collection::vec((0_usize..4, 1_u64..5, 0_u64..6), 1..80),
    ) {
        let per = 3;
        let limiter = bucket(1, per, burst);
        let mut leases = [
            limiter.lease(batch, Nanos::new(lifetime)),
            limiter.lease(batch, Nanos::new(lifetime)),
        ];
        let (mut now, mut spent) = (0_u64, 0_u64);
        // What was taken of the bucket and not given back, by the moment at which it was taken.
        let mut taken = Vec::<(u64, u64)>::new();
        let mut latest = [None::<usize>; 2];
        for (who, cost, gap) in steps {
            now += gap;
            let at = Nanos::new(now);
            let before = leases.each_ref().map(fuseboard_core::TokenLease::left);
            let admitted = match who {
                0 | 1 => leases[who].try_acquire_many(cost, at),
                2 => limiter.try_acquire_many(cost, at),
                _ => {
                    leases[0].give_back(at);
                    prop_assert_eq!(leases[0].left(), 0);
                    Err(Rejected { reason: Reason::Limited, retry_after: None })
                }
            };
            spent += if admitted.is_ok() { cost } else { 0 };
            if who < 2 && admitted.is_err() {
                prop_assert_eq!(admitted.unwrap_err().reason == Reason::Never, cost > burst);
            }
            let held: u64 = leases.iter().map(fuseboard_core::TokenLease::left).sum();
            prop_assert!(spent + held <= burst + now / per, "{} {} at {}", spent, held, now);
            prop_assert!(leases.iter().all(|lease| lease.left() <= batch.min(burst)));
            let cost = if admitted.is_ok() { cost } else { 0 };
            match who {
                2 => taken.push((now, cost)),
                0 | 1 => {
                    let expired = latest[who].is_some_and(|index: usize| now >= taken[index].0 + lifetime);
                    let back = if expired && (cost > 0 || leases[who].left() == 0) { before[who] } else { 0 };
                    if let Some(index) = latest[who] {
                        taken[index].1 -= back;
                    }
                    let more = leases[who].left() + cost + back - before[who];
                    if more > 0 {
                        latest[who] = Some(taken.len());
                        taken.push((now, more));
                    }
                }
                _ => if let Some(index) = latest[0] {
                    taken[index].1 -= before[0];
                }
            }
            prop_assert!(within_quota(&taken, 1, per, burst), "{:?}", taken);
        }
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        (units, per, burst) in (any::<u64>(), any::<u64>(), any::<u64>()),
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..10),
    ) {
        let Ok(limiter) = TokenBucketRateLimiter::try_new(Rate::new(units, Nanos::new(per)), burst) else {
            return Ok(());
        };
        for (cost, now, other) in steps {
            let at = Nanos::new(now);
            let _ = limiter.try_acquire_many(cost, at);
            let _ = limiter.reserve(cost, Nanos::new(other), at).map(|held| limiter.cancel(held, Nanos::new(other)));
            limiter.refund(other, at);
            limiter.drain(Nanos::new(other));
            let _ = limiter.try_acquire_up_to(other, at);
            prop_assert!(limiter.available(at) <= burst);
            let _ = limiter.configure(Rate::new(other, Nanos::new(cost)), other);
            let _ = limiter.configure(Rate::new(units, Nanos::new(per)), burst);
        }
    }
}

/// A year at each rate: the bucket is emptied in weighted requests at day and second boundaries, one tick before and after
/// each, and must have given burst and rate x time, to the unit.
#[test]
fn l7_a_year_is_exact_at_every_rate() {
    let rates = [
        (1, 86_400 * SECOND),
        (3, SECOND),
        (700_000, SECOND),
        (3_000_000, SECOND),
        (600_000_000, SECOND),
        (SECOND, SECOND),
    ];
    for (units, per) in rates {
        let interval = per.div_ceil(units);
        // Large enough that no sample finds the bucket full again.
        let longest_gap = 86_400 * SECOND + 2;
        let burst = longest_gap / interval * 2 + 5;
        let limiter = bucket(units, per, burst);
        let mut admitted = 0_u128;
        let mut weight = 1;
        let days = (0..=365_u64).map(|day| day * 86_400 * SECOND);
        for boundary in days {
            for now in [
                boundary.saturating_sub(1),
                boundary,
                boundary + 1,
                boundary + SECOND / 3,
            ] {
                let at = Nanos::new(now);
                // Weighted requests for a while, then the rest at once, by weights that halve.
                for _ in 0..20 {
                    weight = weight % 7 + 1;
                    admitted += limiter
                        .try_acquire_many(weight, at)
                        .map_or(0, |()| weight.into());
                }
                let mut large = burst;
                while large > 0 {
                    admitted += limiter
                        .try_acquire_many(large, at)
                        .map_or(0, |()| large.into());
                    large /= 2;
                }
                admitted += u128::from(limiter.try_acquire_up_to(u64::MAX, at));
                let exact = u128::from(now) * u128::from(units) / u128::from(per);
                assert_eq!(
                    admitted,
                    u128::from(burst) + exact,
                    "{units} in {per} at {now}"
                );
            }
        }
    }
}

/// The same with a small burst: around boundaries of the year, one request after the other, each decision is that of exact fractions.
#[test]
fn l7_l8_around_the_boundaries_of_a_year_every_decision_is_exact() {
    for (units, per) in [
        (1, 86_400 * SECOND),
        (3, SECOND),
        (700_000, SECOND),
        (600_000_000, SECOND),
    ] {
        let limiter = bucket(units, per, 7);
        let mut model = Schedule::new(units, per, 7);
        let step = (per / units / 3).max(1);
        for boundary in [0, SECOND, 86_400 * SECOND, YEAR / 2, YEAR - SECOND, YEAR] {
            for turn in 0..2_000 {
                let (now, cost) = (boundary + turn * step, turn % 5 + 1);
                let real = limiter
                    .try_acquire_many(cost, Nanos::new(now))
                    .map_err(wait_of);
                assert_eq!(
                    real,
                    model.acquire(cost, now, 0).map(|_| ()),
                    "{units} in {per} at {now}"
                );
            }
        }
    }
}

#[test]
fn l7_other_rates_err_by_less_than_an_eighth_of_a_nanosecond_a_unit() {
    for units in [11, 999_983, 7_919, 999_999_937] {
        let limiter = bucket(units, SECOND, 2);
        assert_eq!(limiter.try_acquire_up_to(2, Nanos::ZERO), 2);
        let (mut at, count) = (0, 10_000_u64);
        for _ in 0..count {
            at += limiter
                .try_acquire(Nanos::new(at))
                .map_or_else(|full| wait_of(full).unwrap(), |()| 0);
            if limiter.available(Nanos::new(at)) == 0 {
                at += wait_of(limiter.try_acquire(Nanos::new(at)).unwrap_err()).unwrap();
            }
        }
        let exact = u128::from(count) * u128::from(SECOND) / u128::from(units);
        assert!(u128::from(at) + 2 >= exact, "{units}: {at} before {exact}");
        assert!(
            u128::from(at) <= exact + u128::from(count) / 8 + 2 * u128::from(SECOND / units + 2)
        );
    }
}

#[test]
fn l6_r6_bad_quotas_name_the_field() {
    let refused = |units, per, burst| {
        TokenBucketRateLimiter::try_new(Rate::new(units, Nanos::new(per)), burst)
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, SECOND, 1), "rate");
    assert_eq!(refused(1, 0, 1), "rate");
    assert_eq!(refused(SECOND + 1, SECOND, 1), "rate");
    assert_eq!(refused(1, SECOND, 0), "burst");
    // 18 years of 1/s: 2^59 ns.
    let most = (1 << 59) / SECOND;
    assert!(TokenBucketRateLimiter::try_new(Rate::per_second(1), most - 1).is_ok());
    assert!(TokenBucketRateLimiter::try_new(Rate::per_second(1), most).is_ok());
    assert_eq!(refused(1, SECOND, most + 1), "burst");
    assert_eq!(refused(1, u64::MAX, u64::MAX), "burst");
    let warm = |period, factor| {
        let warm_up = WarmUp::new(Nanos::new(period)).cold_factor(factor);
        TokenBucketRateLimiter::try_with_warm_up(Rate::per_second(1), 1, warm_up)
            .map_err(|error| error.field())
    };
    assert_eq!(warm(0, 3).unwrap_err(), "warm_up");
    assert_eq!(warm((1 << 59) + 1, 3).unwrap_err(), "warm_up");
    assert_eq!(warm(1, 0).unwrap_err(), "cold_factor");
    assert_eq!(warm(1, 1_001).unwrap_err(), "cold_factor");
    assert!(warm(1 << 59, 1_000).is_ok());
    assert_eq!(size_of::<TokenBucketRateLimiter>(), 56);
}

#[test]
fn l5_at_the_end_of_the_clock_everything_is_denied() {
    let limiter = bucket(1, SECOND, 5);
    let last = u64::MAX / 8 - 5 * SECOND;
    assert!(limiter.try_acquire(Nanos::new(last)).is_ok());
    for now in [last + 1, u64::MAX / 8, u64::MAX / 8 + 1, u64::MAX] {
        assert_eq!(
            limiter
                .try_acquire(Nanos::new(now))
                .unwrap_err()
                .retry_after,
            None
        );
        assert_eq!(limiter.available(Nanos::new(now)), 0);
        limiter.drain(Nanos::new(now));
    }
    // L8: nobody is told to come back at a time that is rejected.
    let limiter = bucket(1, SECOND, 1);
    let last = u64::MAX / 8 - SECOND;
    assert!(limiter.try_acquire(Nanos::new(last)).is_ok());
    assert_eq!(
        limiter
            .try_acquire(Nanos::new(last))
            .unwrap_err()
            .retry_after,
        None
    );
}

#[test]
fn l4_a_refund_never_fills_more_than_the_bucket() {
    let limiter = bucket(1, SECOND, 5);
    let now = Nanos::from_secs(100);
    assert!(limiter.try_acquire_many(3, now).is_ok());
    limiter.refund(u64::MAX, now);
    assert_eq!(limiter.available(now), 5);
    limiter.refund(5, now);
    assert_eq!(limiter.try_acquire_up_to(u64::MAX, now), 5);
}

#[test]
fn l4_l11_a_cancelled_reservation_moves_nobody_behind_it() {
    let limiter = bucket(1, SECOND, 1);
    let (now, long) = (Nanos::ZERO, Nanos::from_secs(60));
    let wait = |reservation: fuseboard_core::Reservation| reservation.wait().get() / SECOND;
    assert!(limiter.try_acquire(now).is_ok());
    let first = limiter.reserve(1, long, now).unwrap();
    let second = limiter.reserve(1, long, now).unwrap();
    assert_eq!((wait(first), wait(second)), (1, 2));
    // The second still goes at 2 s; the place at 1 s is lost, the next new one is at 3 s.
    limiter.cancel(first, now);
    assert_eq!(wait(limiter.reserve(1, long, now).unwrap()), 3);
    // The last in line gives its place to the next.
    let last = limiter.reserve(1, long, now).unwrap();
    limiter.cancel(last, now);
    assert_eq!(wait(limiter.reserve(1, long, now).unwrap()), wait(last));
    // L11: a small request does not pass those who wait.
    let rejected = limiter.try_acquire(now).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_secs(5)));
    // Too long a wait: when it will be short enough.
    let rejected = limiter.reserve(1, Nanos::from_secs(2), now).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_secs(3)));
    assert_eq!(
        limiter.reserve(2, long, now).unwrap_err().reason,
        Reason::Never
    );
}

/// What has flowed in since a reservation was made is not given back with it: others may have taken it.
#[test]
fn l1_l4_a_late_cancel_gives_back_what_is_not_used_up() {
    // All 5 reserved at 0; at `now` another takes 1, then they are cancelled.
    for (now, free) in [(0, 0), (30, 3), (49, 3), (50, 4), (60, 4), (1_000, 4)] {
        let limiter = bucket(1, 10, 5);
        let all = limiter.reserve(5, Nanos::ZERO, Nanos::ZERO).unwrap();
        let now = Nanos::new(now);
        let taken = u64::from(limiter.try_acquire(now).is_ok());
        limiter.cancel(all, now);
        assert!(taken + limiter.available(now) <= 5);
        assert!(limiter.available(now) >= free, "at {now}");
    }
}

#[test]
fn l2_drained_it_fills_again_at_its_rate() {
    let limiter = bucket(10, SECOND, 5);
    limiter.drain(Nanos::from_secs(1));
    let rejected = limiter.try_acquire(Nanos::from_secs(1)).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
    assert_eq!(limiter.available(Nanos::from_millis(1_499)), 4);
    assert_eq!(limiter.try_acquire_up_to(9, Nanos::from_secs(60)), 5);
    limiter.reset();
    assert_eq!(limiter.available(Nanos::from_secs(60)), 5);
}

#[test]
fn l1_l2_a_cold_start_grows_to_the_full_rate() {
    let warm_up = WarmUp::new(Nanos::from_secs(10)).cold_factor(4);
    let limiter = TokenBucketRateLimiter::with_warm_up(Rate::per_second(100), 20, warm_up);
    let in_second = |second: u64| {
        (0..1_000)
            .filter(|&milli| {
                let now = Nanos::from_millis(second * 1_000 + milli);
                limiter.try_acquire(now).is_ok()
            })
            .count()
    };
    let counts: Vec<usize> = (1_000..1_016).map(in_second).collect();
    // The first second has a quarter of the burst besides a quarter of the rate.
    assert!((25..=33).contains(&counts[0]), "{counts:?}");
    assert!(
        counts[1..].windows(2).all(|pair| pair[0] <= pair[1]),
        "{counts:?}"
    );
    assert_eq!(counts[12], 100, "{counts:?}");
    // Five seconds of rest cool it by half, ten all the way.
    let half = in_second(1_021);
    assert!((35..=65).contains(&half), "{half}");
    assert!((25..=33).contains(&in_second(1_100)));
    // A full bucket admits any request up to the burst, cold or not; the next one pays.
    let later = Nanos::from_secs(5_000);
    assert!(limiter.try_acquire_many(20, later).is_ok());
    assert!(limiter.try_acquire(later).unwrap_err().retry_after > Some(Nanos::from_millis(300)));
}

#[test]
fn l12_a_changed_quota_grants_at_most_both_bursts() {
    let quotas = [
        (1, 1_000, 1_000),
        (1, SECOND, 1),
        (1_000, SECOND, 100),
        (3, SECOND, 50),
    ];
    for (units, per, burst) in quotas {
        for (new_units, new_per, new_burst) in quotas {
            let limiter = bucket(units, per, burst);
            let now = Nanos::from_secs(1);
            let mut admitted = limiter.try_acquire_up_to(u64::MAX, now);
            limiter
                .configure(Rate::new(new_units, Nanos::new(new_per)), new_burst)
                .unwrap();
            admitted += limiter.try_acquire_up_to(u64::MAX, now);
            assert!(admitted <= burst + new_burst);
            assert_eq!(limiter.available(Nanos::from_secs(10_000)), new_burst);
            let refused = limiter.configure(Rate::per_second(0), 1).unwrap_err();
            assert_eq!(refused.field(), "rate");
            assert_eq!(limiter.available(Nanos::from_secs(10_000)), new_burst);
        }
    }
}

/// The interval of one quota with the tolerance of the other would admit a million. Whoever sleeps between two loads while the quota changes
/// and changes back may take the burst once more (`token_bucket/settings.rs`, wrap-around).
#[test]
fn l12_threads_never_meet_half_of_a_change() {
    for _ in 0..20 {
        let limiter = bucket(1, 1_000, 1_000);
        let (admitted, start) = (AtomicU64::new(0), Barrier::new(3));
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..5_000 {
                    limiter
                        .configure(Rate::new(1, Nanos::from_secs(1)), 1)
                        .unwrap();
                    limiter
                        .configure(Rate::new(1, Nanos::new(1_000)), 1_000)
                        .unwrap();
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..20_000 {
                        let taken = limiter.try_acquire_up_to(u64::MAX, Nanos::from_secs(1));
                        admitted.fetch_add(taken, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(admitted.load(Ordering::Relaxed) <= 2_001);
    }
}

#[test]
fn l12_of_two_changes_at_once_one_stays() {
    for _ in 0..2_000 {
        let limiter = bucket(1, SECOND, 1);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for (per, burst) in [(1_000, 1_000), (SECOND, 7)] {
                let (limiter, start) = (&limiter, &start);
                scope.spawn(move || {
                    start.wait();
                    limiter
                        .configure(Rate::new(1, Nanos::new(per)), burst)
                        .unwrap();
                });
            }
        });
        let burst = limiter.available(Nanos::from_secs(1_000));
        assert!(burst == 1_000 || burst == 7, "{burst}");
    }
}

#[test]
fn l1_l2_threads_together_get_the_burst_exactly() {
    for _ in 0..50 {
        let limiter = bucket(1, SECOND, 1_000);
        let (admitted, start) = (AtomicU64::new(0), Barrier::new(4));
        thread::scope(|scope| {
            for cost in [1, 2, 3, 1] {
                let (limiter, admitted, start) = (&limiter, &admitted, &start);
                scope.spawn(move || {
                    start.wait();
                    while limiter.try_acquire_many(cost, Nanos::from_secs(5)).is_ok() {
                        admitted.fetch_add(cost, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 1_000);
    }
}

#[test]
fn h1_l1_threads_with_leases_get_the_burst_at_most() {
    let limiter = bucket(1, SECOND, 10_000);
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for batch in [1, 10, 64, 1_000] {
            let (limiter, admitted) = (&limiter, &admitted);
            scope.spawn(move || {
                let mut lease = limiter.lease(batch, Nanos::from_secs(1));
                while lease.try_acquire(Nanos::from_secs(5)).is_ok() {
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
                lease.give_back(Nanos::from_secs(5));
            });
        }
    });
    // All quiet: what was not spent is back.
    let left = limiter.available(Nanos::from_secs(5));
    assert_eq!(admitted.load(Ordering::Relaxed) + left, 10_000);
}

/// What an idle lease holds has flowed in again when it expires: giving it back would admit it twice.
#[test]
fn h1_l1_an_idle_lease_does_not_fill_a_bucket_that_others_emptied() {
    let limiter = bucket(1, 10, 10);
    let mut lease = limiter.lease(10, Nanos::new(5));
    assert!(lease.try_acquire(Nanos::ZERO).is_ok());
    assert_eq!(lease.left(), 9);
    let later = Nanos::new(1_000);
    assert_eq!(limiter.try_acquire_up_to(u64::MAX, later), 10);
    assert_eq!(
        lease.try_acquire(later).unwrap_err().retry_after,
        Some(Nanos::new(10))
    );
}

/// A lease gives back what it paid, not what the same units cost by now.
#[test]
fn h1_l12_a_lease_does_not_give_back_at_a_new_price() {
    let limiter = bucket(1, 10, 20);
    let now = Nanos::ZERO;
    let mut lease = limiter.lease(10, Nanos::from_secs(1));
    assert!(lease.try_acquire(now).is_ok());
    assert_eq!(limiter.try_acquire_up_to(10, now), 10);
    limiter
        .configure(Rate::new(1, Nanos::new(1_000)), 1)
        .unwrap();
    let left = limiter.available(now);
    lease.give_back(now);
    assert!(limiter.available(now) <= left + 1);
    limiter.configure(Rate::new(1, Nanos::new(10)), 20).unwrap();
    assert_eq!(limiter.available(now), 9);
}

#[test]
fn h1_a_lease_expires_and_gives_back() {
    let limiter = bucket(1, SECOND, 100);
    let mut lease = limiter.lease(50, Nanos::from_millis(10));
    assert!(lease.try_acquire(Nanos::ZERO).is_ok());
    assert_eq!((lease.left(), limiter.available(Nanos::ZERO)), (49, 50));
    // Expired: 49 go back, the request takes new ones.
    let now = Nanos::from_millis(10);
    assert!(lease.try_acquire_many(60, now).is_ok());
    assert_eq!((lease.left(), limiter.available(now)), (0, 39));
    assert_eq!(
        lease.try_acquire_many(101, now).unwrap_err().reason,
        Reason::Never
    );
    let rejected = lease.try_acquire_many(40, now).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_millis(990)));
}

/// R6: the rate that a bucket says makes one that limits alike.
#[test]
fn r6_a_quota_reads_back() {
    for rate in [
        Rate::per_second(10),
        Rate::per_second(3),
        Rate::per_second(700_000),
        Rate::per_hour(1),
        Rate::new(11, Nanos::from_secs(7)),
    ] {
        let bucket = TokenBucketRateLimiter::new(rate, 5);
        let (read, burst) = (bucket.rate(), bucket.burst());
        assert_eq!(burst, 5);
        let again = TokenBucketRateLimiter::new(read, burst);
        assert_eq!((again.rate(), again.burst()), (read, burst));
        let wanted = rate.units() as f64 / rate.per().get() as f64;
        let is = read.units() as f64 / read.per().get() as f64;
        assert!((is / wanted - 1.0).abs() < 1e-3, "{rate:?}: {read:?}");
    }
}
