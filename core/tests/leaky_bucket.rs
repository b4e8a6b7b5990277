//! The leaky bucket against a list of turns.

use fuseboard_core::{LeakyBucket, Nanos, Rate, Reason};
use fuseboard_model::leaky_bucket::LeakyBucket as Turns;
use proptest::prelude::*;
use std::sync::Mutex;
use std::thread;

const SECOND: u64 = 1_000_000_000;

fn pacer(units: u64, per: u64, queue: u64) -> LeakyBucket {
    LeakyBucket::try_new(Rate::new(units, Nanos::new(per)), queue).expect("good settings")
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/leaky_bucket.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l1_l2_l8_l10_l11_agrees_with_a_list_of_turns(
        (units, per) in prop_oneof![
            Just((1, 86_400 * SECOND)),
            Just((3, SECOND)),
            Just((700_000, SECOND)),
            (1_u64..=8, 1_u64..10_000).prop_map(|(units, per)| (units, per.max(units))),
        ],
        queue in 0_u64..5,
        steps in prop::collection::vec((1_u64..4, any::<u64>(), 0_u64..300), 1..40),
    ) {
        let pacer = pacer(units, per, queue);
        let mut model = Turns::new(units, per, queue);
        let interval = per.div_ceil(units);
        let mut now = 0;
        for (cost, max_wait, gap) in steps {
            now += gap * interval / 100;
            let max_wait = if max_wait % 3 == 0 { u64::MAX } else { max_wait % (3 * interval) };
            let real = pacer
                .reserve_many(cost, Nanos::new(max_wait), Nanos::new(now))
                .map(|reservation| reservation.wait().get())
                .map_err(|rejected| rejected.retry_after.map(Nanos::get));
            prop_assert_eq!(real, model.reserve(cost, max_wait, now), "{} at {}", cost, now);
            let free = pacer.available(Nanos::new(now));
            prop_assert_eq!(free, model.available(now));
        }
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        (units, per, queue) in (any::<u64>(), any::<u64>(), any::<u64>()),
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..10),
    ) {
        let Ok(pacer) = LeakyBucket::try_new(Rate::new(units, Nanos::new(per)), queue) else {
            return Ok(());
        };
        for (cost, now, other) in steps {
            let at = Nanos::new(now);
            if let Ok(reservation) = pacer.reserve_many(cost, Nanos::new(other), at) {
                pacer.cancel(reservation, Nanos::new(other));
            }
            pacer.refund(other, at);
            prop_assert!(pacer.available(at) <= queue.saturating_add(1));
        }
    }
}

#[test]
fn l8_l11_turns_queue_and_rejection() {
    let pacer = pacer(10, SECOND, 2);
    let wait = |now| {
        pacer
            .reserve(Nanos::from_millis(now))
            .map(|turn| turn.wait())
            .map_err(|full| full.retry_after.unwrap())
    };
    let millis = Nanos::from_millis;
    assert_eq!(
        [wait(0), wait(0), wait(0)],
        [Ok(millis(0)), Ok(millis(100)), Ok(millis(200))]
    );
    assert_eq!(wait(0), Err(millis(100)));
    assert_eq!(wait(50), Err(millis(50)));
    assert_eq!(wait(100), Ok(millis(200)));
    // Nobody waits: the turn must be free at once.
    assert_eq!(
        pacer.try_acquire(millis(100)).unwrap_err().retry_after,
        Some(millis(300))
    );
    assert!(pacer.try_acquire(millis(400)).is_ok());
    assert_eq!(
        pacer.try_acquire_many(4, millis(1_000)).unwrap_err().reason,
        Reason::Never
    );
    assert!(pacer.try_acquire_many(3, millis(1_000)).is_ok());
    assert_eq!(pacer.available(millis(1_000)), 0);
}

#[test]
fn l4_l11_a_cancelled_turn_moves_nobody_behind_it() {
    let pacer = pacer(1, SECOND, 10);
    let turns: Vec<_> = (0..4)
        .map(|_| pacer.reserve(Nanos::ZERO).unwrap())
        .collect();
    pacer.cancel(turns[1], Nanos::ZERO);
    // 2 s and 3 s are taken.
    assert_eq!(
        pacer.reserve(Nanos::ZERO).unwrap().wait(),
        Nanos::from_secs(4)
    );
    pacer.refund(1, Nanos::ZERO);
    assert_eq!(
        pacer.reserve(Nanos::ZERO).unwrap().wait(),
        Nanos::from_secs(4)
    );
    pacer.reset();
    assert_eq!(pacer.reserve(Nanos::ZERO).unwrap().wait(), Nanos::ZERO);
}

#[test]
fn l12_changed_while_some_wait() {
    let pacer = pacer(1, SECOND, 3);
    for _ in 0..4 {
        assert!(pacer.reserve(Nanos::ZERO).is_ok());
    }
    pacer.configure(Rate::per_second(10), 2).unwrap();
    assert!(pacer.reserve(Nanos::from_secs(3)).is_err());
    assert_eq!(
        pacer.reserve(Nanos::from_millis(3_900)).unwrap().wait(),
        Nanos::from_millis(100)
    );
}

#[test]
fn r6_l6_bad_settings_name_the_field() {
    let refused = |units, per, queue| {
        LeakyBucket::try_new(Rate::new(units, Nanos::new(per)), queue)
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, SECOND, 1), "rate");
    assert_eq!(refused(1, 0, 1), "rate");
    assert_eq!(refused(1, SECOND, u64::MAX), "queue");
    let most = (1 << 59) / SECOND - 1;
    assert!(LeakyBucket::try_new(Rate::per_second(1), most).is_ok());
    assert_eq!(refused(1, SECOND, most + 1), "queue");
    assert_eq!(size_of::<LeakyBucket>(), 32);
}

#[test]
fn l1_l11_threads_get_one_turn_each() {
    let pacer = pacer(1, 1_000, 100_000);
    let turns = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let waits: Vec<u64> = (0..5_000)
                    .map(|_| pacer.reserve(Nanos::ZERO).unwrap().wait().get())
                    .collect();
                turns.lock().unwrap().extend(waits);
            });
        }
    });
    let mut turns = turns.into_inner().unwrap();
    turns.sort_unstable();
    assert!(turns.into_iter().eq((0..15_000).map(|turn| turn * 1_000)));
}
