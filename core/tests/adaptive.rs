//! The adaptive limit against a simulated server, in virtual time.

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, AdaptivePermit, Algorithm, ConcurrencyLimit, Nanos,
    Outcome, PriorityShedding,
};
use proptest::prelude::*;
use std::collections::{BinaryHeap, VecDeque};

const MILLI: u64 = 1_000_000;

/// A service with so many workers and a FIFO queue, behind a limit that is asked more often than it admits.
struct Server {
    workers: usize,
    service: u64,
    queue: VecDeque<u64>,
    /// (end, start of the call), the earliest first.
    busy: BinaryHeap<std::cmp::Reverse<(u64, u64)>>,
    served: u64,
    random: u64,
}

impl Server {
    fn new(workers: usize, service: u64) -> Self {
        Self {
            workers,
            service,
            queue: VecDeque::new(),
            busy: BinaryHeap::new(),
            served: 0,
            random: 1,
        }
    }

    /// The service time, within a tenth of the mean.
    fn time(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let tenth = self.service / 10;
        self.service - tenth + (self.random >> 33) % (2 * tenth)
    }

    /// Runs from `from` to `to` with a request each `gap`; the client gives up on a call after `timeout`.
    fn run(&mut self, limit: &AdaptiveLimit, from: u64, to: u64, gap: u64, timeout: u64) {
        let mut now = from;
        while now < to {
            self.end_calls(limit, now, timeout);
            if limit.acquire_raw().is_ok() {
                self.queue.push_back(now);
            }
            self.begin_calls(now);
            now += gap;
        }
    }

    fn begin_calls(&mut self, now: u64) {
        while self.busy.len() < self.workers {
            let Some(started) = self.queue.pop_front() else {
                return;
            };
            let end = now + self.time();
            self.busy.push(std::cmp::Reverse((end, started)));
        }
    }

    fn end_calls(&mut self, limit: &AdaptiveLimit, now: u64, timeout: u64) {
        while let Some(&std::cmp::Reverse((end, started))) = self.busy.peek() {
            if end > now {
                return;
            }
            self.busy.pop();
            self.served += 1;
            let outcome = if end - started > timeout {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            assert!(limit.release_raw(Nanos::new(started), outcome, Nanos::new(end)));
            self.begin_calls(end);
        }
    }
}

fn config(algorithm: Algorithm) -> AdaptiveLimitConfig {
    AdaptiveLimitConfig::new(algorithm)
        .latency_limit(Nanos::from_millis(40))
        .baseline_windows(150)
}

/// Runs from `start` for 25 s; the mean limit and the served share of what the workers can in the last five.
fn settle(limit: &AdaptiveLimit, server: &mut Server, start: u64) -> (f64, f64) {
    let second = 1_000 * MILLI;
    let gap = server.service / server.workers as u64 / 2;
    server.run(limit, start, start + 20 * second, gap, 500 * MILLI);
    let before = server.served;
    let mut sum = 0_u64;
    for tenth in 0..50 {
        let from = start + 20 * second + tenth * second / 10;
        server.run(limit, from, from + second / 10, gap, 500 * MILLI);
        sum += u64::from(limit.limit());
    }
    let capacity = 5 * second / server.service * server.workers as u64;
    let share = (server.served - before) as f64 / capacity as f64;
    (sum as f64 / 50.0, share)
}

/// The knee is where each worker has one call: fewer waste workers, more only wait.
fn assert_near_knee(name: &str, workers: usize, (limit, share): (f64, f64)) {
    let knee = workers as f64;
    println!("{name}: {workers} workers, limit {limit:.1}, served {share:.3}");
    assert!(share > 0.9, "{name}: served {share} of {workers} workers");
    assert!(
        limit > 0.9 * knee && limit < 2.6 * knee + 12.0,
        "{name}: limit {limit} for {workers} workers"
    );
}

#[test]
fn k1_adaptive_converges_near_the_knee_and_recovers() {
    for algorithm in Algorithm::ALL {
        let name = algorithm.as_str();
        let limit = AdaptiveLimit::new(config(algorithm));
        let minute = 60_000 * MILLI;
        let mut server = Server::new(40, 20 * MILLI);
        assert_near_knee(name, 40, settle(&limit, &mut server, minute));
        // Three quarters of the workers are lost …
        server.workers = 10;
        settle(&limit, &mut server, 2 * minute);
        assert_near_knee(name, 10, settle(&limit, &mut server, 3 * minute));
        // … and come back.
        server.workers = 40;
        settle(&limit, &mut server, 4 * minute);
        assert_near_knee(name, 40, settle(&limit, &mut server, 5 * minute));
    }
}

/// A slower service is no queue: within a baseline period the limit is back.
#[test]
fn s33_baseline_is_not_a_minimum_of_an_earlier_epoch() {
    for algorithm in [Algorithm::Vegas, Algorithm::Gradient2] {
        let limit = AdaptiveLimit::new(config(algorithm));
        let minute = 60_000 * MILLI;
        let mut server = Server::new(20, 5 * MILLI);
        settle(&limit, &mut server, minute);
        assert!(limit.baseline().unwrap() < Nanos::from_millis(8));
        server.service = 20 * MILLI;
        settle(&limit, &mut server, 2 * minute);
        assert_near_knee(
            algorithm.as_str(),
            20,
            settle(&limit, &mut server, 3 * minute),
        );
        let baseline = limit.baseline().unwrap();
        assert!(baseline > Nanos::from_millis(15) && baseline < Nanos::from_millis(30));
    }
}

/// A call that began before the last decrease is no second reason to decrease.
#[test]
fn s33_one_congestion_one_decrease() {
    let limit = AdaptiveLimit::new(config(Algorithm::Aimd).initial_limit(100));
    for _ in 0..100 {
        limit.acquire_raw().unwrap();
    }
    for call in 0..100 {
        let end = Nanos::from_millis(1_000 + 200 * call);
        limit.release_raw(Nanos::from_millis(500), Outcome::Failure, end);
    }
    assert_eq!(limit.limit(), 90);
}

/// For a quarter of an hour of moderate overload the limit stays where the baseline bounds it.
#[test]
fn s34_gradient2_does_not_grow_without_end() {
    let limit = AdaptiveLimit::new(config(Algorithm::Gradient2).max_limit(10_000));
    let minute = 60_000 * MILLI;
    let mut server = Server::new(10, 10 * MILLI);
    for passed in 1..=15 {
        let from = passed * minute;
        server.run(&limit, from, from + minute, 600_000, 60_000 * MILLI);
    }
    assert!(limit.limit() < 40, "limit {}", limit.limit());
}

/// Calls that are slower than the baseline allows leave no room for a queue, however low the limit.
#[test]
fn s34_no_growth_at_a_gradient_of_four_fifths() {
    let limit = AdaptiveLimit::new(config(Algorithm::Gradient2).initial_limit(5).min_samples(5));
    let mut last = u32::MAX;
    for round in 1..150_u64 {
        // Two windows of 10 ms give the baseline; then 28 ms, which is 1.25 times the tolerance squared.
        let latency = if round < 3 { 10 } else { 28 };
        for call in 0..10 {
            let now = Nanos::from_millis(200 * round + call);
            let held = [(); 5].map(|()| limit.try_acquire(now));
            for permit in held.into_iter().flatten() {
                permit.success(now.saturating_add(Nanos::from_millis(latency)));
            }
        }
        if round > 3 {
            assert!(limit.limit() <= last, "{} after {last}", limit.limit());
            last = limit.limit();
        }
    }
    assert!(last < 5, "limit {last}");
}

#[test]
fn k3_no_growth_while_less_than_half_is_used() {
    for algorithm in Algorithm::ALL {
        let limit = AdaptiveLimit::new(config(algorithm).initial_limit(10));
        for call in 1..10_000_u64 {
            let now = Nanos::from_millis(5 * call);
            // While the baseline is measured, fewer are admitted.
            let held = [(); 4].map(|()| limit.try_acquire(now));
            for permit in held.into_iter().flatten() {
                permit.success(Nanos::from_millis(5 * call + 4));
            }
            assert!(limit.limit() <= 10, "{}", algorithm.as_str());
        }
        assert_eq!(limit.in_flight(), 0);
    }
}

#[test]
fn k1_dropped_calls_shrink_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let limit = AdaptiveLimit::new(config(algorithm).initial_limit(100));
        for round in 1..200_u64 {
            let now = Nanos::from_millis(1_000 * round);
            limit
                .try_acquire(now)
                .unwrap()
                .failure(now.saturating_add(Nanos::from_millis(500)));
        }
        assert_eq!(limit.limit(), 1, "{}", algorithm.as_str());
    }
}

#[test]
fn k4_new_bounds_hold_at_once() {
    let limit = AdaptiveLimit::new(config(Algorithm::Vegas).initial_limit(50));
    limit
        .configure(config(Algorithm::Gradient2).max_limit(20))
        .unwrap();
    assert_eq!(limit.limit(), 20);
    let bad = config(Algorithm::Aimd).min_limit(30).max_limit(20);
    assert_eq!(limit.configure(bad).unwrap_err().field(), "min_limit");
    limit
        .configure(config(Algorithm::Aimd).min_limit(30).initial_limit(30))
        .unwrap();
    assert_eq!(limit.limit(), 30);
}

#[test]
fn k1_priorities_share_the_same_word() {
    let limit = AdaptiveLimit::new(config(Algorithm::Aimd).initial_limit(4));
    let shedding = PriorityShedding::new(0.5);
    let now = Nanos::ZERO;
    let low = [(); 2].map(|()| limit.try_acquire_prioritized(shedding, 0, now).unwrap());
    assert!(limit.try_acquire_prioritized(shedding, 0, now).is_err());
    assert!(limit.try_acquire_prioritized(shedding, 255, now).is_ok());
    for permit in low {
        permit.ignore();
    }
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn r6_fields_and_sizes() {
    fn is_send<T: Send>() {}
    is_send::<AdaptivePermit<'static>>();
    assert_eq!(size_of::<AdaptiveLimit>(), 112);
    let ok = AdaptiveLimitConfig::new(Algorithm::Vegas);
    for (config, field) in [
        (ok.max_limit(0), "max_limit"),
        (ok.max_limit(1_000_001), "max_limit"),
        (ok.min_limit(0), "min_limit"),
        (ok.min_limit(201), "min_limit"),
        (ok.initial_limit(0), "initial_limit"),
        (ok.initial_limit(201), "initial_limit"),
        (ok.window(Nanos::new(999)), "window"),
        (ok.min_samples(0), "min_samples"),
        (ok.min_samples(10_001), "min_samples"),
        (ok.latency_limit(Nanos::from_secs(241)), "latency_limit"),
        (ok.backoff(1.0), "backoff"),
        (ok.backoff(f64::NAN), "backoff"),
        (ok.tolerance(0.99), "tolerance"),
        (ok.smoothing(0.0), "smoothing"),
        (ok.baseline_windows(9), "baseline_windows"),
    ] {
        assert_eq!(config.validate().unwrap_err().field(), field);
        assert_eq!(AdaptiveLimit::try_new(config).unwrap_err().field(), field);
    }
    ok.backoff(0.999_99).validate().unwrap();
    ok.max_limit(1_000_000)
        .initial_limit(1_000_000)
        .validate()
        .unwrap();
}

/// Mostly two seconds; an eighth at the clock's ends or anywhere.
fn any_time() -> impl Strategy<Value = u64> {
    any::<u64>().prop_map(|bits| match bits % 32 {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX - 1,
        3 => bits,
        _ => (bits >> 8) % (2_000 * MILLI),
    })
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever the clock and the calls do, the limit keeps its bounds, and admits as a plain limit of the same height.
    #[test]
    fn k1_t1_t4_bounds_hold_for_any_history(
        algorithm in 0_usize..3,
        min in 1_u32..5,
        span in 0_u32..10,
        calls in prop::collection::vec((0_u8..4, any_time(), any_time()), 0..20),
    ) {
        let config = AdaptiveLimitConfig::new(Algorithm::ALL[algorithm])
            .min_limit(min)
            .max_limit(min + span)
            .initial_limit(min + span / 2)
            .min_samples(1)
            .baseline_windows(10)
            .window(Nanos::from_millis(1));
        let limit = AdaptiveLimit::new(config);
        let mut held = 0;
        for (operation, started, now) in calls {
            if operation == 0 || held == 0 {
                let plain = ConcurrencyLimit::new(limit.limit());
                for _ in 0..held {
                    let _ = plain.acquire_raw();
                }
                let admits = plain.acquire_raw().is_ok();
                prop_assert_eq!(limit.acquire_raw().is_ok(), admits && held < limit.limit());
                held += u32::from(admits && held < limit.limit());
            } else {
                let outcome = [Outcome::Success, Outcome::Failure, Outcome::Ignored]
                    [usize::from(operation - 1)];
                prop_assert!(limit.release_raw(Nanos::new(started), outcome, Nanos::new(now)));
                held -= 1;
            }
            prop_assert_eq!(limit.in_flight(), held);
            prop_assert!((min..=min + span).contains(&limit.limit()));
        }
    }
}

/// A clock that jumped to its end and came back does not stop the limit from moving.
#[test]
fn t1_a_jump_of_the_clock_does_not_freeze_the_limit() {
    let limit = AdaptiveLimit::new(config(Algorithm::Aimd).initial_limit(10));
    let permit = limit.try_acquire(Nanos::MAX).unwrap();
    permit.failure(Nanos::MAX);
    let before = limit.limit();
    for round in 1..10_u64 {
        let now = Nanos::from_millis(1_000 * round);
        limit.try_acquire(now).unwrap().failure(now);
    }
    assert!(limit.limit() < before);
}

#[test]
fn k1_threads_keep_the_bounds_and_the_count() {
    static LIMIT: AdaptiveLimit = AdaptiveLimit::new(
        AdaptiveLimitConfig::new(Algorithm::Gradient2)
            .max_limit(8)
            .initial_limit(4)
            .min_samples(1)
            .baseline_windows(10)
            .window(Nanos::from_micros(1)),
    );
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for round in 1..20_000_u64 {
                    let now = Nanos::new(1_000 * round);
                    if let Ok(permit) = LIMIT.try_acquire(now) {
                        let end = now.saturating_add(Nanos::new(100 * (thread + 1)));
                        match round % 5 {
                            0 => permit.failure(end),
                            1 => permit.ignore(),
                            _ => permit.success(end),
                        }
                    }
                    assert!((1..=8).contains(&LIMIT.limit()));
                }
            });
        }
    });
    assert_eq!(LIMIT.in_flight(), 0);
}

fn cases() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/adaptive.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}
