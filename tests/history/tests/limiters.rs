//! Histories of the limiters. Each operation is one moment (the swap, or the last load, of one word), so all of them, reads
//! included, are linearizable against the sequential model.
//!
//! The sliding log has two parts more. A request that found room raises the log's latest time before the swap that admits
//! it: if another request is faster, that one's admission counts from the later time (`Overtaken`). And the units of
//! one admission are written down one after another: such a raise between them counts for the later units alone (`Written`).
//! Both reject longer by at most the difference of two threads' clocks, and admit nothing more.
//!
//! A key that enters the keyed table first makes room (`Overtaken`, before its own request): another may be faster into it.
#![cfg(fuseboard_shuttle)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fuseboard_core::{
    ConcurrencyLimit, KeyedRateLimiter, Nanos, Rate, SlidingWindowRateLimiter,
    TokenBucketRateLimiter, WhenFull,
};
use fuseboard_history::clock::{Clock, SECOND, START};
use fuseboard_history::faults::{NOT_LINEARIZABLE, must_be_caught};
use fuseboard_history::history::History;
use fuseboard_history::schedule::{explore, interrupted, steps_of};
use fuseboard_history::sometimes::Sometimes;
use fuseboard_model::concurrency::Concurrency;
use fuseboard_model::keyed::Keyed;
use fuseboard_model::sliding_window::SlidingWindow;
use fuseboard_model::token_bucket::TokenBucket;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use stateright::semantics::SequentialSpec;

const THREADS: usize = 3;
const OPERATIONS: usize = 4;

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Acquire { cost: u32, now: u64 },
    Refund { cost: u32, now: u64 },
    Available { now: u64 },
    Release,
    SetLimit(u32),
    InFlight,
    Overtaken { now: u64 },
    Written { cost: u32 },
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Admitted,
    /// And how long to wait, where that is known.
    Rejected(Option<u64>),
    Number(u64),
    Done,
}

use Answer::{Admitted, Done, Number, Rejected};
use Call::{Acquire, Available, InFlight, Overtaken, Refund, Release, SetLimit, Written};

fn answer(result: Result<(), Option<u64>>) -> Answer {
    result.map_or_else(Rejected, |()| Admitted)
}

fn real(result: Result<(), fuseboard_core::Rejected>) -> Answer {
    answer(result.map_err(|rejected| rejected.retry_after.map(Nanos::get)))
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct BucketSpec(TokenBucket);

impl SequentialSpec for BucketSpec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Acquire { cost, now } => answer(self.0.acquire(u64::from(cost), now)),
            Refund { cost, now } => {
                self.0.refund(u64::from(cost), now);
                Done
            }
            Available { now } => Number(self.0.available(now)),
            ref other => panic!("{other:?}"),
        }
    }
}

/// L1, L2, L3, L4, L8, L9, L10: three threads, four operations each, with stale times and refunds.
#[test]
fn l1_l3_l4_token_bucket_histories() {
    let seen = Sometimes::new(&[
        "admitted",
        "rejected",
        "refunded",
        "swap retried",
        "stale time",
    ]);
    let all = seen.clone();
    explore("token bucket", 3_000, move || {
        let bucket = Arc::new(TokenBucketRateLimiter::new(Rate::per_second(1), 2));
        let clock = Arc::new(Clock::default());
        let history = History::default();
        let other = TokenBucketRateLimiter::new(Rate::per_second(1), 2);
        let (alone, _) = steps_of(|| other.try_acquire(Nanos::from_secs(100)));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (bucket, clock) = (Arc::clone(&bucket), Arc::clone(&clock));
                let (history, seen) = (history.clone(), seen.clone());
                thread::spawn(move || {
                    let (mut last, mut taken) = (START, 0);
                    for _ in 0..OPERATIONS {
                        let before = last;
                        let now = clock.look(&mut last);
                        seen.count("stale time", now == before && now > START);
                        let at = Nanos::new(now);
                        match thread_rng().gen_range(0..6) {
                            0 => {
                                history.record(thread, Available { now }, || {
                                    Number(bucket.available(at))
                                });
                            }
                            1 if taken > 0 => {
                                let cost = taken;
                                taken = 0;
                                history.record(thread, Refund { cost, now }, || {
                                    bucket.refund(u64::from(cost), at);
                                    Done
                                });
                                seen.count("refunded", true);
                            }
                            kind => {
                                let cost = 1 + u32::from(kind == 5);
                                let (steps, answer) = steps_of(|| {
                                    history.record(thread, Acquire { cost, now }, || {
                                        real(bucket.try_acquire_many(u64::from(cost), at))
                                    })
                                });
                                seen.count("swap retried", steps > alone);
                                seen.count("admitted", answer == Admitted);
                                seen.count("rejected", matches!(answer, Rejected(Some(_))));
                                taken = if answer == Admitted { cost } else { 0 };
                            }
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        history.record(0, Available { now: 200 * SECOND }, || {
            Number(bucket.available(Nanos::from_secs(200)))
        });
        let spec = BucketSpec(TokenBucket::new(1, SECOND, 2));
        history.must_be_linearizable(spec, |call, answer| vec![(call.clone(), answer.clone())]);
    });
    all.must_all_have_happened();
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct LogSpec {
    log: SlidingWindow,
    /// The units of the newest admission, until they are all written.
    unwritten: Option<u32>,
}

impl SequentialSpec for LogSpec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Acquire { cost, now } => {
                // Whoever comes next writes first.
                if self.unwritten.is_some() {
                    return Done;
                }
                let answer = answer(self.log.acquire(cost, now));
                self.unwritten = (answer == Admitted && cost > 1).then_some(cost);
                answer
            }
            Overtaken { now } => {
                self.log.overtaken(now);
                Done
            }
            Written { cost } if self.unwritten == Some(cost) => {
                self.unwritten = None;
                self.log.written_late(cost);
                Done
            }
            Written { .. } => Rejected(None),
            ref other => panic!("{other:?}"),
        }
    }
}

/// L1, L2, L3, L8, L10: the exact log, whose admission is two writes, the second of which anybody may make.
#[test]
fn l1_l3_l10_sliding_log_histories() {
    let seen = Sometimes::new(&["admitted", "rejected", "two at once", "swap retried"]);
    let all = seen.clone();
    explore("sliding log", 3_000, move || {
        let log = Arc::new(SlidingWindowRateLimiter::<2>::new(2, Nanos::from_secs(1)));
        let clock = Arc::new(Clock::default());
        let history: History<Call, (Answer, bool)> = History::default();
        let other = SlidingWindowRateLimiter::<2>::new(2, Nanos::from_secs(1));
        let alone = || steps_of(|| other.try_acquire_many(2, Nanos::from_secs(100))).0;
        let (admission, rejection) = (alone(), alone());
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (log, clock) = (Arc::clone(&log), Arc::clone(&clock));
                let (history, seen) = (history.clone(), seen.clone());
                thread::spawn(move || {
                    let mut last = START;
                    for _ in 0..OPERATIONS {
                        let now = clock.look(&mut last);
                        let cost = 1 + u32::from(thread_rng().gen_range(0..4) == 0);
                        let (answer, retried) =
                            history.record(thread, Acquire { cost, now }, || {
                                let (steps, answer) =
                                    steps_of(|| real(log.try_acquire_many(cost, Nanos::new(now))));
                                let alone = if answer == Admitted {
                                    admission
                                } else {
                                    rejection
                                };
                                (answer, steps > alone)
                            });
                        seen.count("swap retried", retried);
                        seen.count("admitted", answer == Admitted);
                        seen.count("two at once", answer == Admitted && cost == 2);
                        seen.count("rejected", matches!(answer, Rejected(_)));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let spec = LogSpec {
            log: SlidingWindow::new(2, SECOND),
            unwritten: None,
        };
        history.must_be_linearizable(spec, |call, (answer, retried)| {
            let mut parts = vec![(call.clone(), answer.clone())];
            if let (Acquire { now, .. }, true) = (call, retried) {
                parts.push((Overtaken { now: *now }, Done));
            }
            if let (&Acquire { cost: 2.., .. }, Admitted) = (call, answer) {
                parts.push((Written { cost: 2 }, Done));
            }
            parts
        });
    });
    all.must_all_have_happened();
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct PlacesSpec(Concurrency);

impl SequentialSpec for PlacesSpec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Acquire { .. } if self.0.acquire() => Admitted,
            Acquire { .. } => Rejected(None),
            Release => {
                assert!(self.0.release(), "given back only what was taken");
                Done
            }
            SetLimit(limit) => {
                self.0.limit = limit;
                Done
            }
            InFlight => Number(u64::from(self.0.in_flight)),
            ref other => panic!("{other:?}"),
        }
    }
}

/// K1, K2, K3, K4: places taken and given back while the limit changes.
#[test]
fn k1_k2_k3_k4_concurrency_histories() {
    let seen = Sometimes::new(&["admitted", "rejected", "above the limit", "swap retried"]);
    let all = seen.clone();
    explore("concurrency limit", 3_000, move || {
        let limit = Arc::new(ConcurrencyLimit::new(2));
        let (alone, _) = steps_of(|| ConcurrencyLimit::new(1).acquire_raw());
        let history = History::default();
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let limit = Arc::clone(&limit);
                let (history, seen) = (history.clone(), seen.clone());
                thread::spawn(move || {
                    let mut taken = 0;
                    for _ in 0..=OPERATIONS {
                        match thread_rng().gen_range(0..8) {
                            0 => {
                                let next = thread_rng().gen_range(1..4);
                                history.record(thread, SetLimit(next), || {
                                    limit.set_limit(next).expect("above zero");
                                    Done
                                });
                            }
                            1 => {
                                history.record(thread, InFlight, || {
                                    Number(u64::from(limit.in_flight()))
                                });
                            }
                            2..4 if taken > 0 => {
                                taken -= 1;
                                history.record(thread, Release, || {
                                    assert!(limit.release_raw());
                                    Done
                                });
                            }
                            _ => {
                                let call = Acquire { cost: 1, now: 0 };
                                let (steps, answer) = steps_of(|| {
                                    history.record(thread, call, || real(limit.acquire_raw()))
                                });
                                seen.count("swap retried", steps > alone);
                                taken += u32::from(answer == Admitted);
                                seen.count("admitted", answer == Admitted);
                                seen.count("rejected", answer != Admitted);
                            }
                        }
                        seen.count("above the limit", limit.in_flight() > limit.limit());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        history.record(0, InFlight, || Number(u64::from(limit.in_flight())));
        let spec = PlacesSpec(Concurrency::new(2));
        history.must_be_linearizable(spec, |call, answer| vec![(call.clone(), answer.clone())]);
    });
    all.must_all_have_happened();
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct KeyedSpec {
    table: Keyed,
    /// Operations that are over.
    ended: BTreeSet<usize>,
}

/// An operation's number, its key, what it asks.
#[derive(Clone, Debug, PartialEq)]
struct ForKey(usize, u64, Call);

impl SequentialSpec for KeyedSpec {
    type Op = ForKey;
    type Ret = Answer;

    fn invoke(&mut self, ForKey(id, key, call): &ForKey) -> Answer {
        match *call {
            Acquire { now, .. } => {
                self.ended.insert(*id);
                answer(self.table.acquire(*key, now).map_err(Some))
            }
            Overtaken { now } => {
                if !self.ended.contains(id) {
                    self.table.make_room(*key, now);
                }
                Done
            }
            ref other => panic!("{other:?}"),
        }
    }
}

/// Two keys in a table with so many places.
fn keyed_histories<const N: usize>(name: &str, cases: &[&'static str]) {
    let seen = Sometimes::new(cases);
    let all = seen.clone();
    let has_one_place = N == 1;
    explore(name, 2_000, move || {
        let quota = (Rate::per_second(1), 2);
        let table = Arc::new(KeyedRateLimiter::<N>::new(
            quota.0,
            quota.1,
            WhenFull::Reject,
        ));
        let clock = Arc::new(Clock::default());
        let history: History<ForKey, (Answer, bool)> = History::default();
        let latest = Arc::new(Mutex::new(None));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (table, clock) = (Arc::clone(&table), Arc::clone(&clock));
                let latest = Arc::clone(&latest);
                let (history, seen) = (history.clone(), seen.clone());
                thread::spawn(move || {
                    let mut last = START;
                    for operation in 0..OPERATIONS {
                        let now = clock.look(&mut last);
                        let (key, at) = (thread_rng().gen_range(0..2), Nanos::new(now));
                        let id = thread * OPERATIONS + operation;
                        let call = ForKey(id, key, Acquire { cost: 1, now });
                        let (answer, _) = history.record(thread, call, || {
                            let (interrupted, result) = interrupted(|| table.try_acquire(key, at));
                            (real(result), interrupted)
                        });
                        seen.count("admitted", answer == Admitted);
                        let is_rejected = matches!(answer, Rejected(Some(_)));
                        seen.count("rejected", is_rejected);
                        if answer == Admitted {
                            let before = latest.lock().unwrap().replace(key);
                            let is_other = before.is_some_and(|before| before != key);
                            seen.count("place taken over", has_one_place && is_other);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let spec = KeyedSpec {
            table: Keyed::new(N, SECOND, quota.1),
            ended: BTreeSet::new(),
        };
        history.must_be_linearizable(spec, |call, (answer, interrupted)| {
            let mut parts = vec![(call.clone(), answer.clone())];
            if let (&ForKey(id, key, Acquire { now, .. }), true) = (call, interrupted) {
                parts.push((ForKey(id, key, Overtaken { now }), Done));
            }
            parts
        });
    });
    all.must_all_have_happened();
}

/// L1, L3, L8: two keys with a place each.
#[test]
fn l1_l3_keyed_histories() {
    keyed_histories::<2>("keyed", &["admitted", "rejected"]);
}

/// L1, L3, L8: two keys take one place from each other.
#[test]
fn l1_l3_keyed_takeover_histories() {
    let cases = ["admitted", "rejected", "place taken over"];
    keyed_histories::<1>("keyed, one place", &cases);
}

/// The faults of these words, each caught by the histories alone.
#[test]
fn the_histories_catch_the_faults() {
    for (fault, test) in [
        ("tat_store", "l1_l3_l4_token_bucket_histories"),
        ("refund_overfills", "l1_l3_l4_token_bucket_histories"),
        ("keyed_tat_store", "l1_l3_keyed_histories"),
        ("keyed_torn_entry", "l1_l3_keyed_takeover_histories"),
        ("keyed_no_horizon", "l1_l3_keyed_takeover_histories"),
        ("log_time_goes_back", "l1_l3_l10_sliding_log_histories"),
        (
            "concurrency_check_then_add",
            "k1_k2_k3_k4_concurrency_histories",
        ),
    ] {
        must_be_caught(fault, test, NOT_LINEARIZABLE);
    }
}
