//! The board in memory of one process: claims, generations, places of owners, and words that somebody else has written.

use fuseboard_core::{
    Board, Cause, CircuitBreaker, CircuitBreakerConfig, ClaimError, ClockOrigin, LayoutError,
    Nanos, Observer, Outcome, Owner, Policy, Rate, Reason, SlotId, SlotName, State,
    TokenBucketConfig, Transition, TransitionCursor, WhenDifferent, Window,
};
use proptest::prelude::*;
use std::sync::Barrier;
use std::thread;

const A: Owner = Owner::new(0);
const B: Owner = Owner::new(1);
const REFUSE: WhenDifferent = WhenDifferent::Refuse;

type Small = Board<4, 3>;

fn name(name: &str) -> SlotName {
    SlotName::new(name).expect("a good name")
}

fn tripping_at_once() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new().minimum_requests(1)
}

/// S1: what is not of this layout, size, boot or namespace is refused by name.
#[test]
fn s1_s7_only_a_board_of_this_layout_and_clock_is_one() {
    let origin = ClockOrigin {
        boot: [7, 8],
        time_namespace: 9,
    };
    let board = Small::new();
    assert_eq!(board.check(origin), Err(LayoutError::Magic { found: 0 }));
    board.format(origin);
    assert_eq!(board.check(origin), Ok(()));
    let other_boot = ClockOrigin {
        boot: [7, 1],
        ..origin
    };
    assert_eq!(board.check(other_boot), Err(LayoutError::Boot));
    let elsewhere = ClockOrigin {
        time_namespace: 1,
        ..origin
    };
    let refused = board.check(elsewhere).unwrap_err();
    assert_eq!(
        refused,
        LayoutError::TimeNamespace {
            found: 9,
            expected: 1
        }
    );
    assert!(refused.to_string().contains("allowed: 1"), "{refused}");
}

#[test]
fn s3_a_name_has_one_slot_whoever_claims_it() {
    let board = Small::new();
    let config = tripping_at_once();
    let id = board
        .breakers()
        .claim(A, &name("x"), &config, REFUSE)
        .unwrap();
    let other = board
        .breakers()
        .claim(A, &name("y"), &config, REFUSE)
        .unwrap();
    assert_ne!(id, other);
    assert_eq!(
        board.breakers().claim(B, &name("x"), &config, REFUSE),
        Ok(id)
    );
    let breaker = board.breakers().get(id).unwrap();
    let now = Nanos::ZERO;
    breaker.try_acquire(now).unwrap().failure(now);
    let again = board.breakers().slot_of(&name("x")).unwrap();
    assert_eq!(board.breakers().get(again).unwrap().state(), State::Open);
    let names: Vec<_> = board
        .breakers()
        .entries()
        .map(|(_, name)| name.to_string())
        .collect();
    assert_eq!(names, ["x", "y"]);
}

/// S3: threads that claim the same names at one moment get the same slots.
#[test]
fn s3_claimers_at_one_moment_agree() {
    for _ in 0..300 {
        let board = Board::<8, 4>::new();
        let start = Barrier::new(4);
        let config = TokenBucketConfig {
            rate: Rate::per_second(1),
            burst: 5,
        };
        let claimed: Vec<_> = thread::scope(|scope| {
            let claim = |owner| {
                let (board, start) = (&board, &start);
                scope.spawn(move || {
                    start.wait();
                    ["x", "y"].map(|text| {
                        board
                            .token_buckets()
                            .claim(Owner::new(owner), &name(text), &config, REFUSE)
                            .unwrap()
                    })
                })
            };
            let threads: Vec<_> = (0..4).map(claim).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(claimed.iter().all(|ids| *ids == claimed[0]), "{claimed:?}");
        assert_eq!(
            board.token_buckets().entries().count(),
            2,
            "drafts were given up"
        );
    }
}

#[test]
fn s1_another_configuration_is_refused_or_taken_over() {
    let board = Small::new();
    let breakers = board.breakers();
    let id = breakers
        .claim(A, &name("x"), &tripping_at_once(), REFUSE)
        .unwrap();
    let breaker = breakers.get(id).unwrap();
    breaker
        .try_acquire(Nanos::ZERO)
        .unwrap()
        .failure(Nanos::ZERO);
    // Another seed is no other configuration.
    breakers
        .claim(B, &name("x"), &tripping_at_once().jitter_seed(9), REFUSE)
        .unwrap();
    let seed = breaker.jitter_seed();
    let longer = tripping_at_once()
        .open_timeout(Nanos::from_secs(99))
        .jitter_seed(seed + 1);
    assert_eq!(
        breakers.claim(B, &name("x"), &longer, REFUSE),
        Err(ClaimError::Differs)
    );
    assert_eq!(
        breakers.claim(B, &name("x"), &longer, WhenDifferent::Update),
        Ok(id)
    );
    assert_eq!(
        breaker.jitter_seed(),
        seed,
        "an open period keeps its jitter"
    );
    assert_eq!(breaker.state(), State::Open, "the state stays");
    assert_eq!(
        breaker.try_acquire(Nanos::ZERO).unwrap_err().retry_after,
        Some(Nanos::from_secs(99))
    );
    let window = longer.window(Window::Consecutive(3));
    let refused = breakers
        .claim(B, &name("x"), &window, WhenDifferent::Update)
        .unwrap_err();
    assert!(matches!(refused, ClaimError::Config(error) if error.field() == "window"));

    let limits = board.concurrency_limits();
    let limit = limits.claim(A, &name("x"), &2, REFUSE).unwrap();
    assert_eq!(
        limits.claim(A, &name("x"), &3, REFUSE),
        Err(ClaimError::Differs)
    );
    limits
        .claim(A, &name("x"), &3, WhenDifferent::Update)
        .unwrap();
    assert_eq!(limits.get(limit).unwrap().limit(), 3);
}

/// S5: a full section says so; what was removed makes room, and an old claim or permit does nothing to the new name.
#[test]
fn s5_b5_a_removed_name_is_not_confused_with_a_new_one() {
    let board = Small::new();
    let breakers = board.breakers();
    let config = tripping_at_once();
    let ids =
        ["a", "b", "c", "d"].map(|text| breakers.claim(A, &name(text), &config, REFUSE).unwrap());
    let full = breakers.claim(A, &name("e"), &config, REFUSE);
    assert_eq!(full, Err(ClaimError::Full { slots: 4 }));

    let [a, ..] = ids;
    let old = breakers.get(a).unwrap();
    let now = Nanos::from_secs(1_000);
    let permit = old.acquire(now, &()).unwrap();
    old.force_open(now, &());
    assert!(breakers.remove(a) && !breakers.remove(a));
    assert!(breakers.get(a).is_none() && breakers.slot_of(&name("a")).is_none());

    let e = breakers.claim(B, &name("e"), &config, REFUSE).unwrap();
    assert_ne!(a, e);
    assert!(breakers.get(a).is_none());
    let new = breakers.get(e).unwrap();
    let snapshot = new.snapshot(Nanos::ZERO);
    assert_eq!((snapshot.state, snapshot.totals.calls), (State::Closed, 0));
    // The clock of the old one does not hold the new one either.
    new.settle(permit, Outcome::Failure, now, &());
    assert_eq!(new.state(), State::Closed, "the old permit is stale");
    new.try_acquire(Nanos::ZERO).unwrap().failure(Nanos::ZERO);
    assert_eq!(new.state(), State::Open);
}

/// Tells the board of one breaker's changes, as a host does.
struct Told<'a>(&'a Small, SlotId, Owner);

impl Observer for Told<'_> {
    fn transition(&self, transition: &Transition) {
        self.0.tell(self.1, self.2, transition);
    }
}

/// B15: changes of all breakers are told to any reader, with their names and who caused them; what is overwritten is counted.
#[test]
fn b15_changes_are_told_to_any_reader() {
    let board = Small::new();
    let claim = |text| {
        let breakers = board.breakers();
        let id = breakers.claim(A, &name(text), &tripping_at_once(), REFUSE);
        id.expect("free")
    };
    let (x, y) = (claim("x"), claim("y"));
    board.set_owner_word(B, 4_711);
    let mut early = board.transitions_end();
    let now = Nanos::from_secs(1);
    let breaker = board.breakers().get(x).unwrap();
    let permit = breaker.acquire(now, &()).unwrap();
    breaker.settle(permit, Outcome::Failure, now, &Told(&board, x, B));
    let other = board.breakers().get(y).unwrap();
    other.force_open(now, &Told(&board, y, A));

    let mut found = Vec::new();
    assert_eq!(
        board.transitions_since(&mut early, |told| found.push(told)),
        0
    );
    let [first, second] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!((first.name.as_str(), first.slot), ("x", x));
    assert_eq!((first.owner, first.process), (B, 4_711));
    assert_eq!(first.transition.cause, Cause::FailureRate);
    assert_eq!(first.transition.counts.failures, 1);
    assert_eq!((second.name.as_str(), second.process), ("y", 0));
    assert_eq!(second.transition.to, State::ForcedOpen);

    let mut late = TransitionCursor::OLDEST;
    let mut again = Vec::new();
    assert_eq!(
        board.transitions_since(&mut late, |told| again.push(told)),
        0
    );
    assert_eq!((again, late), (found, early));

    for _ in 0..200 {
        other.reset(now, &Told(&board, y, A));
    }
    let mut kept = 0;
    assert_eq!(board.transitions_since(&mut late, |_| kept += 1), 72);
    assert_eq!(kept, 128);
    board.breakers().remove(y);
    other.reset(now, &Told(&board, y, A));
    assert_eq!(
        late,
        board.transitions_end(),
        "a removed name tells nothing"
    );
}

/// O1: a board counts how long calls took that ended, where it is asked to, and forgets that with the name.
#[test]
fn o1_a_board_counts_latency_where_it_is_asked_to() {
    let board = Small::new();
    let breakers = board.breakers();
    let quiet = CircuitBreakerConfig::new();
    let id = breakers.claim(A, &name("x"), &quiet, REFUSE).unwrap();
    let breaker = breakers.get(id).unwrap();
    let call = |outcome| {
        let permit = breaker.acquire(Nanos::from_secs(1), &()).unwrap();
        breaker.settle(permit, outcome, Nanos::from_secs(3), &());
    };
    call(Outcome::Success);
    assert_eq!(breaker.latency().snapshot().count(), 0);
    let asked = quiet.record_latency(true);
    // Who asks for it has it, and who does not takes it from nobody.
    for (config, when) in [
        (asked, REFUSE),
        (quiet, REFUSE),
        (quiet, WhenDifferent::Update),
        (quiet.minimum_requests(9), WhenDifferent::Update),
    ] {
        assert_eq!(breakers.claim(B, &name("x"), &config, when), Ok(id));
        assert!(breaker.config().record_latency && breaker.is_intact());
    }
    let differs = breakers.claim(A, &name("x"), &asked, REFUSE);
    assert_eq!(differs, Err(ClaimError::Differs));
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        call(outcome);
    }
    let permit = breaker.acquire(Nanos::from_secs(1), &()).unwrap();
    breaker.settle_weighted(permit, Outcome::Failure, 3, Nanos::ZERO, &());
    let snapshot = breaker.latency().snapshot();
    assert_eq!((snapshot.count(), snapshot.short()), (3, 1));
    assert!(snapshot.p50() >= Some(Nanos::from_secs(2)));

    CircuitBreaker::configure(breaker, quiet).expect("a good configuration");
    call(Outcome::Success);
    assert_eq!(breaker.latency().snapshot().count(), 3);
    breakers.remove(id);
    for text in ["a", "b", "c", "d"] {
        let id = breakers.claim(A, &name(text), &asked, REFUSE).unwrap();
        let breaker = breakers.get(id).unwrap();
        assert_eq!(breaker.latency().snapshot().count(), 0);
    }
}

/// S5: what a dead owner held comes back, and nothing of the living.
#[test]
fn s5_k1_places_of_the_dead_come_back() {
    let board = Small::new();
    let limits = board.concurrency_limits();
    let id = limits.claim(A, &name("x"), &3, REFUSE).unwrap();
    let places = limits.get(id).unwrap();
    for owner in [A, B, B] {
        places.acquire(owner).unwrap();
    }
    assert_eq!(places.acquire(A).unwrap_err().reason, Reason::Full);
    assert!(!places.release(Owner::new(2)), "it holds none");
    board.reclaim(B);
    assert_eq!(
        (
            places.in_flight(),
            places.in_flight_of(A),
            places.in_flight_of(B)
        ),
        (1, 1, 0)
    );
    board.reclaim(B);
    assert_eq!(places.in_flight(), 1, "once is enough");
    assert!(!places.release(B) && places.release(A) && !places.release(A));
    assert_eq!(places.in_flight(), 0);
    assert!(
        places.acquire(Owner::new(3)).is_err(),
        "there is no such owner"
    );
}

/// K1: stamps come again after 2^20 deeds, and a cell that was not touched meanwhile is not taken for done.
#[test]
fn k1_k2_no_deed_is_lost_when_stamps_come_again() {
    let board = Small::new();
    let id = board
        .concurrency_limits()
        .claim(A, &name("x"), &9, REFUSE)
        .unwrap();
    let places = board.concurrency_limits().get(id).unwrap();
    places.acquire(A).unwrap();
    // With the take before and the one after, exactly one circle.
    for _ in 0..(1 << 19) - 1 {
        places.acquire(B).unwrap();
        assert!(places.release(B));
    }
    places.acquire(B).unwrap();
    places.acquire(A).unwrap();
    assert_eq!((places.in_flight_of(A), places.in_flight_of(B)), (2, 1));
    assert_eq!(places.in_flight(), 3);
}

#[test]
fn k1_k2_threads_of_several_owners_lose_no_place() {
    let board = Small::new();
    let id = board
        .concurrency_limits()
        .claim(A, &name("x"), &2, REFUSE)
        .unwrap();
    let places = board.concurrency_limits().get(id).unwrap();
    thread::scope(|scope| {
        for owner in 0..3 {
            scope.spawn(move || {
                for _ in 0..50_000 {
                    if places.acquire(Owner::new(owner)).is_ok() {
                        assert!(places.in_flight() <= 2);
                        assert!(places.release(Owner::new(owner)));
                    }
                }
            });
        }
    });
    assert_eq!(places.in_flight(), 0);
    assert!((0..3).all(|owner| places.in_flight_of(Owner::new(owner)) == 0));
}

proptest! {
    /// K1, K2, S5: any history of takes, returns, deaths and new limits is that of a plain table.
    #[test]
    fn k1_k4_s5_places_agree_with_a_table(deeds in prop::collection::vec((0_u16..3, 0_u8..8), 0..300)) {
        let board = Small::new();
        let id = board.concurrency_limits().claim(A, &name("x"), &2, REFUSE).unwrap();
        let places = board.concurrency_limits().get(id).unwrap();
        let (mut table, mut limit) = ([0_u16; 3], 2);
        for (owner, deed) in deeds {
            let own = &mut table[usize::from(owner)];
            match deed {
                0 => { *own = 0; board.reclaim(Owner::new(owner)); }
                1 => { limit = owner + 1; places.set_limit(limit).unwrap(); }
                2..=4 => {
                    let had = *own > 0;
                    *own -= u16::from(had);
                    prop_assert_eq!(places.release(Owner::new(owner)), had);
                }
                _ => {
                    let is_free = table.iter().sum::<u16>() < limit;
                    table[usize::from(owner)] += u16::from(is_free);
                    prop_assert_eq!(places.acquire(Owner::new(owner)).is_ok(), is_free);
                }
            }
            prop_assert_eq!(places.in_flight(), table.iter().sum::<u16>());
        }
    }
}
