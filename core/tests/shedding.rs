//! `CoDel` against the pseudocode of RFC 8289 in floating point, and priorities against their order.

use fuseboard_core::{CoDel, ConcurrencyLimit, Nanos, PriorityShedding};
use proptest::prelude::*;

const MILLI: u64 = 1_000_000;

/// RFC 8289 §5, with times in units of an interval's 1024th as floats.
#[derive(Default)]
struct Model {
    first_above: Option<u64>,
    is_dropping: bool,
    count: u64,
    next: u64,
}

impl Model {
    fn is_served(&mut self, sojourn: u64, now: u64, target: u64, interval: u64) -> bool {
        let tick = now / (interval / 1024);
        let spacing = |count: u64| ((1024.0 / (count as f64).sqrt()) as u64).max(1);
        let stands = if sojourn < target {
            self.first_above = None;
            false
        } else if let Some(first) = self.first_above {
            now >= first.saturating_add(interval)
        } else {
            self.first_above = Some(now);
            false
        };
        if !stands {
            self.is_dropping = false;
            return true;
        }
        if self.is_dropping {
            if tick < self.next {
                return true;
            }
            self.count += 1;
            self.next += spacing(self.count);
        } else {
            self.is_dropping = true;
            let is_recent = tick.saturating_sub(self.next) < 16 * 1024;
            self.count = if is_recent && self.count > 2 {
                self.count - 2
            } else {
                1
            };
            self.next = tick + spacing(self.count);
        }
        false
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn l2_codel_sheds_as_the_rfc(
        target in 1_u64..20,
        entries in prop::collection::vec((0_u64..60, 0_u64..80, 0_u8..30), 0..150),
    ) {
        let (target, interval) = (target * MILLI, 100 * MILLI);
        let codel = CoDel::new(Nanos::new(target), Nanos::new(interval));
        let mut model = Model::default();
        let mut now = 0;
        for (gap, sojourn, idle) in entries {
            now += gap * MILLI + if idle == 0 { 3_000 * MILLI } else { 0 };
            // Mostly slow ones, or the law would never begin.
            let sojourn = if idle < 28 { sojourn.max(20) } else { sojourn } * MILLI;
            let sojourn = sojourn.min(now);
            prop_assert_eq!(
                codel.is_served(Nanos::new(now - sojourn), Nanos::new(now)),
                model.is_served(sojourn, now, target, interval)
            );
            prop_assert_eq!(codel.is_shedding(), model.is_dropping);
        }
    }
}

#[test]
fn r6_codel_fields_and_size() {
    assert_eq!(size_of::<CoDel>(), 32);
    let millis = Nanos::from_millis;
    for (target, interval, field) in [
        (Nanos::ZERO, millis(100), "target"),
        (millis(101), millis(100), "target"),
        (Nanos::new(1), Nanos::new(1_023), "interval"),
        (Nanos::ZERO, Nanos::ZERO, "interval"),
    ] {
        assert_eq!(CoDel::try_new(target, interval).unwrap_err().field(), field);
    }
    let codel = CoDel::new(CoDel::TARGET, CoDel::INTERVAL);
    assert_eq!(
        codel.configure(Nanos::ZERO, millis(1)).unwrap_err().field(),
        "target"
    );
    codel.configure(millis(1), millis(10)).unwrap();
}

/// A burst that drains within an interval is no standing queue, however deep.
#[test]
fn l2_codel_lets_a_burst_pass() {
    let codel = CoDel::new(CoDel::TARGET, CoDel::INTERVAL);
    for burst in 1..100_u64 {
        for entry in 0..=90_u64 {
            let at = burst * 1_000 + entry;
            let enqueued = burst * 1_000 + entry * 9 / 90 * 10;
            assert!(codel.is_served(Nanos::from_millis(enqueued), Nanos::from_millis(at)));
        }
    }
}

#[test]
fn t1_t4_codel_serves_at_any_time() {
    let codel = CoDel::new(Nanos::new(1), Nanos::new(1_024));
    // At the clock's end the law is always due.
    for now in [0, u64::MAX - 5_000, u64::MAX, u64::MAX] {
        let _ = codel.is_served(Nanos::ZERO, Nanos::new(now));
    }
    assert!(!codel.is_served(Nanos::ZERO, Nanos::MAX));
    // The clock went back: nothing is shed until it has caught up or meets a fresh entry.
    let codel = CoDel::new(CoDel::TARGET, CoDel::INTERVAL);
    let later = |millis: u64| Nanos::from_millis(10_000 + millis);
    assert!(codel.is_served(later(0), later(10)));
    assert!(!codel.is_served(later(0), later(110)));
    for back in (100..10_000).step_by(100) {
        assert!(codel.is_served(Nanos::ZERO, Nanos::from_millis(back)));
    }
}

/// Several consumers of one standing queue shed no more than one would.
#[test]
fn l1_codel_threads_shed_as_one() {
    static CODEL: CoDel = CoDel::new(Nanos::from_millis(5), Nanos::from_millis(100));
    let shed = std::sync::atomic::AtomicU64::new(0);
    let start = std::sync::Barrier::new(4);
    assert!(CODEL.is_served(Nanos::ZERO, Nanos::from_millis(10)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for step in 0..1_000_u64 {
                    start.wait();
                    let now = Nanos::from_millis(200 + step);
                    if !CODEL.is_served(Nanos::ZERO, now) {
                        shed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut model = Model::default();
    model.is_served(10 * MILLI, 10 * MILLI, 5 * MILLI, 100 * MILLI);
    let alone = (0..4_000_u64)
        .filter(|step| {
            let now = (200 + step / 4) * MILLI;
            !model.is_served(now, now, 5 * MILLI, 100 * MILLI)
        })
        .count();
    assert_eq!(shed.into_inner(), alone as u64);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn k3_priority_shares_grow_with_the_priority(
        from in 0.0_f64..=1.0,
        limit in prop_oneof![0_u32..300, Just(u32::MAX - 1), Just(u32::MAX), any::<u32>()],
        low in any::<u8>(),
        high in any::<u8>(),
    ) {
        let (low, high) = (low.min(high), low.max(high));
        let shedding = PriorityShedding::new(from);
        let (few, many) = (shedding.places(limit, low), shedding.places(limit, high));
        prop_assert!(few <= many && many <= limit);
        prop_assert_eq!(shedding.places(limit, 255), limit);
        prop_assert!(few >= u32::from(limit > 0));
        let share = from + (1.0 - from) * f64::from(low) / 255.0;
        prop_assert!((f64::from(few) - share * f64::from(limit)).abs() <= 1.0 + f64::from(limit) / 1e6);
    }
}

#[test]
fn k1_lower_priorities_are_shed_first_as_load_rises() {
    let limit = ConcurrencyLimit::new(100);
    let shedding = PriorityShedding::new(0.4);
    let mut last = vec![];
    for load in 0..100 {
        let admitted: Vec<u8> = (0..=255)
            .filter(|&priority| limit.try_acquire_prioritized(shedding, priority).is_ok())
            .collect();
        let least = *admitted.first().expect("255 is admitted below the limit");
        assert_eq!(admitted, (least..=255).collect::<Vec<_>>(), "load {load}");
        assert_eq!(least == 0, load < 40, "load {load}");
        last.push(least);
        limit.acquire_raw().unwrap();
    }
    assert!(last.is_sorted());
    assert!(limit.try_acquire_prioritized(shedding, 255).is_err());
}

#[test]
fn r6_priority_share_is_checked() {
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = PriorityShedding::try_new(share).unwrap_err();
        assert_eq!(error.field(), "sheds_from");
    }
}

fn cases() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/shedding.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}
