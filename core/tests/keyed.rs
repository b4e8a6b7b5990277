//! The keyed limiter against a bucket for each key that forgets nothing.

use fuseboard_core::{
    KeyedEntry, KeyedRateLimiter, KeyedTable, Nanos, Rate, Reason, WhenFull, hash_key,
};
use proptest::prelude::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SECOND: u64 = 1_000_000_000;
const PERIOD: u64 = 100;

fn limiter<const N: usize>(burst: u64, when_full: WhenFull) -> KeyedRateLimiter<N> {
    KeyedRateLimiter::try_new(Rate::new(1, Nanos::new(PERIOD)), burst, when_full)
        .expect("a good quota")
}

fn places(count: usize) -> Vec<KeyedEntry> {
    (0..count).map(|_| KeyedEntry::new()).collect()
}

/// One admission: the latest time that its key was shown, the latest that the table was shown, and the cost.
type Admission = (u64, u64, u64);

/// L1 for one key: every run of its admissions. A clock that only another key was shown does not count at the
/// start of a run; at its end it may. `slack`: how far times may be off.
fn within_quota(admitted: &[Admission], burst: u64, slack: u64) -> bool {
    (0..admitted.len()).all(|first| {
        let mut total = 0;
        admitted[first..].iter().all(|&(_, latest, cost)| {
            total += cost;
            total <= burst + (latest - admitted[first].0 + slack) / PERIOD
        })
    })
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/keyed.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    /// Room for all keys, a clock that goes forward: an expired entry is no entry.
    #[test]
    fn l2_l4_l8_l10_each_key_is_its_own_bucket(
        burst in 1_u64..5,
        steps in prop::collection::vec((0_u8..8, 0_u64..8, 1_u64..6, 0_u64..150), 1..60),
    ) {
        let limiter = limiter::<16>(burst, WhenFull::Reject);
        let (mut tats, mut taken) = (HashMap::<u64, u64>::new(), HashMap::<u64, u64>::new());
        let mut now = 0;
        for (kind, key, cost, gap) in steps {
            now += gap;
            let tat = tats.entry(key).or_default();
            let base = now.max(*tat);
            if kind == 0 {
                let taken = taken.entry(key).or_default();
                let cost = cost.min(*taken);
                *taken -= cost;
                limiter.refund(key, cost, Nanos::new(now));
                *tat = if *tat > now { (*tat - (cost * PERIOD).min(*tat)).max(now) } else { *tat };
            } else {
                let over = (base + cost * PERIOD).saturating_sub(now + burst * PERIOD);
                let expected = match over {
                    0 => Ok(()),
                    _ if cost > burst => Err(None),
                    over => Err(Some(over)),
                };
                let real = limiter.try_acquire_many(key, cost, Nanos::new(now));
                let real = real.map_err(|rejected| rejected.retry_after.map(Nanos::get));
                prop_assert_eq!(real, expected, "{} of {} at {}", cost, key, now);
                if real.is_ok() {
                    *tat = base + cost * PERIOD;
                    *taken.entry(key).or_default() += cost;
                }
            }
            let free = (now + burst * PERIOD - now.max(tats[&key])) / PERIOD;
            prop_assert_eq!(limiter.available(key, Nanos::new(now)), free);
            let live = tats.values().filter(|&&tat| tat > now).count();
            prop_assert_eq!(limiter.live(Nanos::new(now)), live);
        }
        prop_assert_eq!(limiter.overflows(), 0);
    }

    /// More keys than places, and clocks that go back: nobody gets more than burst and rate.
    #[test]
    fn l1_l3_l8_no_key_passes_burst_and_rate(
        burst in 1_u64..4,
        count in prop_oneof![Just(1_usize), Just(2), Just(9), Just(20)],
        steps in prop::collection::vec((0_u64..40, 1_u64..4, 0_u64..60, 0_u8..8), 1..70),
    ) {
        let rate = Rate::new(1, Nanos::new(PERIOD));
        let entries = places(count);
        let table = KeyedTable::try_new(&entries, rate, burst, WhenFull::Reject).unwrap();
        let (mut now, mut latest) = (0_u64, 0_u64);
        let mut admitted = HashMap::<u64, Vec<Admission>>::new();
        let mut admit = |key, now: u64, latest, cost| {
            let log = admitted.entry(key).or_default();
            let shown = log.last().map_or(now, |&(shown, ..)| now.max(shown));
            log.push((shown, latest, cost));
        };
        for (key, cost, gap, turn) in steps {
            now = if turn == 0 { now.saturating_sub(4 * gap) } else { now + gap };
            latest = latest.max(now);
            match table.try_acquire_many(key, cost, Nanos::new(now)) {
                Ok(()) => admit(key, now, latest, cost),
                Err(rejected) => {
                    prop_assert_eq!(rejected.reason == Reason::Never, cost > burst);
                    // Honest: still taken just before, and by then somebody is admitted.
                    if let Some(wait) = rejected.retry_after {
                        let early = Nanos::new(now + wait.get() - 1);
                        prop_assert!(table.try_acquire_many(key, cost, early).is_err());
                        latest = latest.max(early.get());
                        if turn == 1 {
                            now += wait.get();
                            latest = latest.max(now);
                            prop_assert!(table.try_acquire_many(key, cost, Nanos::new(now)).is_ok());
                            admit(key, now, latest, cost);
                        }
                    }
                }
            }
            prop_assert!(table.live(Nanos::new(now)) <= count);
        }
        for (key, admitted) in admitted {
            prop_assert!(within_quota(&admitted, burst, 0), "{}: {:?}", key, admitted);
        }
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        (units, per, burst) in (any::<u64>(), any::<u64>(), any::<u64>()),
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..10),
    ) {
        let entries = places(3);
        let rate = Rate::new(units, Nanos::new(per));
        let Ok(table) = KeyedTable::try_new(&entries, rate, burst, WhenFull::ShareOverflow) else {
            return Ok(());
        };
        for (key, cost, now) in steps {
            let _ = table.try_acquire_many(key, cost, Nanos::new(now));
            table.refund(key, cost, Nanos::new(cost));
            let _ = table.try_acquire_many(key, 1, Nanos::new(now >> 3));
            prop_assert!(table.available(key, Nanos::new(now)) <= burst);
        }
    }

    #[test]
    fn r8_hash_is_siphash_1_3(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut reference = DefaultHasher::new();
        reference.write(&bytes);
        prop_assert_eq!(hash_key([0, 0], &bytes), reference.finish());
    }
}

#[test]
fn r8_hash_takes_the_seed() {
    // From the authors' test vectors: key 00 01 .. 0f.
    let seed = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    assert_eq!(hash_key(seed, b""), 0xabac_0158_050f_c4dc);
    assert_ne!(hash_key([1, 0], b"a"), hash_key([0, 1], b"a"));
}

#[test]
fn r6_sizes_and_settings() {
    assert_eq!(size_of::<KeyedEntry>(), 16);
    assert_eq!(size_of::<KeyedRateLimiter<1024>>(), 1024 * 16 + 128);
    let refused = |units, burst| {
        let rate = Rate::per_second(units);
        KeyedRateLimiter::<1>::try_new(rate, burst, WhenFull::Reject)
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, 1), "rate");
    assert_eq!(refused(1, 0), "burst");
    assert_eq!(refused(1, u64::MAX), "burst");
    let none = KeyedTable::try_new(&[], Rate::per_second(1), 1, WhenFull::Reject);
    assert_eq!(none.unwrap_err().field(), "entries");
    assert_eq!(limiter::<7>(1, WhenFull::Reject).capacity(), 7);
}

#[test]
fn l5_at_the_end_of_the_clock_everything_is_denied() {
    let limiter = limiter::<4>(2, WhenFull::Reject);
    let last = (1 << 61) - 1 - 2 * PERIOD;
    assert!(limiter.try_acquire(1, Nanos::new(last)).is_ok());
    for now in [last + 1, u64::MAX] {
        for key in [1, 2] {
            assert_eq!(
                limiter
                    .try_acquire(key, Nanos::new(now))
                    .unwrap_err()
                    .retry_after,
                None
            );
            assert_eq!(limiter.available(key, Nanos::new(now)), 0);
        }
    }
}

/// A key that was put out comes back by a clock that is behind: its bucket is as full as it was when it left.
#[test]
fn l1_l3_l13_putting_a_key_out_does_not_fill_its_bucket() {
    let limiter = limiter::<1>(5, WhenFull::Reject);
    assert!(limiter.try_acquire_many(1, 5, Nanos::ZERO).is_ok());
    // Its bucket is full at 500: another key takes its place, and leaves it at 700.
    assert!(limiter.try_acquire(2, Nanos::new(600)).is_ok());
    // By a clock that went back it is admitted once more at most, not again at 600.
    let mut admitted = 0;
    for now in [700, 0, 700, 700] {
        while limiter.try_acquire(1, Nanos::new(now)).is_ok() {
            admitted += 1;
        }
    }
    assert!(admitted <= 7, "{admitted}");
    let late = limiter.try_acquire(2, Nanos::ZERO);
    assert!(late.is_err());
}

#[test]
fn l8_when_full_the_choice_is_the_users() {
    let fill = |limiter: &KeyedRateLimiter<8>| {
        for key in 0..8 {
            assert!(limiter.try_acquire(key, Nanos::new(key)).is_ok());
        }
    };
    let now = Nanos::new(20);
    let reject = limiter::<8>(1, WhenFull::Reject);
    fill(&reject);
    assert_eq!(reject.available(9, now), 0);
    // The first of the eight is free again at 100.
    assert_eq!(
        reject.try_acquire(9, now).unwrap_err().retry_after,
        Some(Nanos::new(80))
    );
    assert!(reject.try_acquire(9, Nanos::new(99)).is_err());
    assert!(reject.try_acquire(9, Nanos::new(100)).is_ok());
    assert_eq!(reject.overflows(), 2);

    let admit = limiter::<8>(1, WhenFull::Admit);
    fill(&admit);
    assert!((0..5).all(|_| admit.try_acquire(9, now).is_ok()));
    assert_eq!(admit.overflows(), 5);
    assert!(admit.try_acquire(3, now).is_err());

    let share = limiter::<8>(1, WhenFull::ShareOverflow);
    fill(&share);
    assert_eq!(share.available(9, now), 1);
    assert!(share.try_acquire(9, now).is_ok());
    let rejected = share.try_acquire(10, now).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::new(100)));
    assert_eq!(share.overflows(), 2);
    share.reset();
    assert_eq!(
        (
            share.live(now),
            share.available(10, now),
            share.available(3, now)
        ),
        (0, 1, 1)
    );
    assert!(share.try_acquire(3, now).is_ok());
}

/// Keys in a row and keys from a hash spread over the table; with half as many places more than keys, all find one.
#[test]
fn r2_a_table_with_half_as_much_to_spare_takes_all_its_keys() {
    let rate = Rate::per_hour(1);
    for mix in [
        |key: u64| key,
        |key: u64| key << 32,
        |key: u64| hash_key([1, 2], &key.to_le_bytes()),
    ] {
        let entries = places(45_000);
        let table = KeyedTable::try_new(&entries, rate, 1, WhenFull::Reject).unwrap();
        for key in 0..30_000 {
            assert!(table.try_acquire(mix(key), Nanos::ZERO).is_ok(), "{key}");
        }
        assert_eq!((table.overflows(), table.live(Nanos::ZERO)), (0, 30_000));
        assert!((0..30_000).all(|key| table.try_acquire(mix(key), Nanos::ZERO).is_err()));
    }
}

/// Nearly full, few keys find all their places taken: no line is crowded for the sake of those that begin there.
#[test]
fn r2_a_table_nearly_full_turns_few_keys_away() {
    let entries = places(100_000);
    let table = KeyedTable::try_new(&entries, Rate::per_hour(1), 1, WhenFull::Reject).unwrap();
    for key in 0..95_000 {
        let _ = table.try_acquire(key, Nanos::ZERO);
    }
    assert!(
        table.overflows() < 95_000 * 3 / 100,
        "{}",
        table.overflows()
    );
    assert_eq!(table.live(Nanos::ZERO) as u64, 95_000 - table.overflows());
}

/// Whatever is left over of a table's lines is taken too.
#[test]
fn r2_every_place_of_any_table_is_taken() {
    for count in 1..40 {
        let entries = places(count);
        let table = KeyedTable::try_new(&entries, Rate::per_hour(1), 1, WhenFull::Reject).unwrap();
        let keys = 0..1_000;
        let admitted = keys.filter(|&key| table.try_acquire(key, Nanos::ZERO).is_ok());
        assert_eq!((admitted.count(), table.live(Nanos::ZERO)), (count, count));
    }
}

#[test]
fn l12_a_changed_quota_keeps_what_was_taken() {
    let limiter = limiter::<8>(5, WhenFull::Reject);
    assert!(limiter.try_acquire_many(1, 5, Nanos::ZERO).is_ok());
    limiter.configure(Rate::new(1, Nanos::new(10)), 7).unwrap();
    assert_eq!(
        (
            limiter.available(1, Nanos::ZERO),
            limiter.available(2, Nanos::ZERO)
        ),
        (0, 7)
    );
    assert_eq!(
        limiter
            .configure(Rate::per_second(0), 7)
            .unwrap_err()
            .field(),
        "rate"
    );
    assert_eq!(limiter.available(1, Nanos::new(500)), 7);
}

/// All threads at one time, then all at the next: so the times of a round are known exactly, and places change hands all
/// the time.
fn rounds<const N: usize>(keys: u64, burst: u64, spread: u64) {
    const THREADS: u64 = 3;
    const ROUNDS: usize = 3_000;
    let limiter = limiter::<N>(burst, WhenFull::Reject);
    let barrier = Barrier::new(THREADS as usize);
    let logs: Vec<Vec<Vec<u64>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|me| {
                let (limiter, barrier) = (&limiter, &barrier);
                scope.spawn(move || {
                    let mut log = vec![vec![0; keys as usize]; ROUNDS];
                    let mut random = me + 1;
                    for (round, log) in log.iter_mut().enumerate() {
                        // Steps of 37: sometimes some places are free again, sometimes all, sometimes none.
                        let now = 1_000 + round as u64 * 37 + me * spread;
                        barrier.wait();
                        for _ in 0..30 {
                            random = random
                                .wrapping_mul(6_364_136_223_846_793_005)
                                .wrapping_add(1);
                            let key = (random >> 33) % keys;
                            if limiter.try_acquire(key, Nanos::new(now)).is_ok() {
                                log[key as usize] += 1;
                            }
                        }
                        barrier.wait();
                    }
                    log
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut sum = 0;
    for key in 0..keys as usize {
        let admitted: Vec<Admission> = (0..ROUNDS)
            .map(|round| {
                let now = 1_000 + round as u64 * 37;
                (now, now, logs.iter().map(|log| log[round][key]).sum())
            })
            .collect();
        sum += admitted.iter().map(|(.., count)| count).sum::<u64>();
        let slack = 2 * (THREADS - 1) * spread;
        for start in 0..ROUNDS {
            let end = (start + 40).min(ROUNDS);
            assert!(
                within_quota(&admitted[start..end], burst, slack),
                "{key}: {:?}",
                &admitted[start..end]
            );
        }
    }
    assert!(sum > 900, "nothing happened: {sum}");
}

#[test]
fn l1_threads_on_one_place() {
    rounds::<1>(3, 1, 0);
}

#[test]
fn l1_threads_on_two_places_with_clocks_apart() {
    rounds::<2>(5, 2, 3);
}

#[test]
fn l1_threads_on_two_groups_with_clocks_apart() {
    rounds::<16>(40, 1, 7);
}

/// Threads whose clocks differ see different places free: the key must end in one of them all the same.
#[test]
fn l1_a_key_enters_once_whoever_looks() {
    const THREADS: u64 = 3;
    let period = SECOND;
    let (turn, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let admitted = AtomicU64::new(0);
    let rate = Rate::new(1, Nanos::new(period));
    let entries: Vec<Vec<KeyedEntry>> = (0..3_000).map(|_| places(16)).collect();
    let tables: Vec<KeyedTable<'_>> = entries
        .iter()
        .map(|entries| {
            let table = KeyedTable::try_new(entries, rate, 1, WhenFull::Reject).unwrap();
            for key in 0..16 {
                let _ = table.try_acquire(key, Nanos::new(key * 7 % 16));
            }
            table
        })
        .collect();
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (turn, done, admitted, tables) = (&turn, &done, &admitted, &tables);
            scope.spawn(move || {
                for (round, table) in tables.iter().enumerate() {
                    // All at once, as near as can be.
                    if me == 0 {
                        while done.load(Ordering::SeqCst) != round as u64 * THREADS {
                            std::hint::spin_loop();
                        }
                        turn.store(round as u64 + 1, Ordering::SeqCst);
                    }
                    while turn.load(Ordering::SeqCst) <= round as u64 {
                        std::hint::spin_loop();
                        thread::yield_now();
                    }
                    let now = Nanos::new(period + 6 + me * 4);
                    if table.try_acquire(1_000_000, now).is_ok() {
                        admitted.fetch_add(1, Ordering::SeqCst);
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::SeqCst), 3_000);
}
