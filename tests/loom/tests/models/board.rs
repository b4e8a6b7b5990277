//! Boards: claims by name, and places of owners that may be dead.

use fuseboard_core::{Board, Owner, Rate, SlotId, SlotName, TokenBucketConfig, WhenDifferent};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;

const A: Owner = Owner::new(0);
const B: Owner = Owner::new(1);

type Tiny = Board<2, 2>;

fn claim(board: &Tiny, owner: Owner, name: &str) -> SlotId {
    let config = TokenBucketConfig {
        rate: Rate::per_second(1),
        burst: 5,
    };
    let name = SlotName::new(name).expect("a good name");
    board
        .token_buckets()
        .claim(owner, &name, &config, WhenDifferent::Refuse)
        .expect("a slot is free, and the configuration is the same")
}

/// S3: two processes claim one name: one slot, whose settings both see, and no draft is left. Two threads, bound 2.
#[test]
fn s3_two_claimers_of_one_name() {
    explore("s3_claim", bound(2, Some(3)), 20, &[], |_| {
        let board = Arc::new(Tiny::new());
        let other = Arc::clone(&board);
        let see = |board: &Tiny, owner| {
            let id = claim(board, owner, "x");
            let bucket = board.token_buckets().get(id).expect("live");
            assert_eq!(bucket.available(fuseboard_core::Nanos::ZERO), 5);
            id
        };
        let (other, mine) = beside(move |_| see(&other, B), |_| see(&board, A));
        assert_eq!(other, mine);
        assert_eq!(board.token_buckets().entries().count(), 1);
        // The draft of the one who came later is free again.
        assert_ne!(claim(&board, A, "y"), mine);
    });
}

/// S3, S5: a name is removed and its slot claimed for another one, while somebody claims a third: each name has its own slot, and the
/// stale claim none. Two threads, bound 2.
#[test]
fn s5_claim_beside_a_removal() {
    explore("s5_claim_remove", bound(2, Some(3)), 20, &[], |_| {
        let board = Arc::new(Tiny::new());
        let old = claim(&board, A, "old");
        let other = Arc::clone(&board);
        let (other, mine) = beside(
            move |_| claim(&other, B, "x"),
            |threads: &Threads| {
                assert!(board.token_buckets().remove(old));
                threads.step();
                claim(&board, A, "x")
            },
        );
        assert_eq!(other, mine);
        assert!(board.token_buckets().get(old).is_none());
        assert_eq!(board.token_buckets().entries().count(), 1);
    });
}

/// K1, S5: two owners take and give back the only place, and the total is always what their cells say. Two threads, all
/// interleavings.
#[test]
fn k1_s5_cells_add_up_to_the_total() {
    explore("s5_cells", ALL, 20, &["both", "one"], |sometimes| {
        let board = Arc::new(Tiny::new());
        let name = SlotName::new("x").expect("a good name");
        let id = board
            .concurrency_limits()
            .claim(A, &name, &1, WhenDifferent::Refuse)
            .expect("a slot is free");
        let visit = move |board: &Tiny, owner| {
            let places = board.concurrency_limits().get(id).expect("live");
            let is_in = places.acquire(owner).is_ok();
            if is_in {
                assert_eq!(places.in_flight_of(owner), 1);
                assert!(places.release(owner));
            }
            is_in
        };
        let other = Arc::clone(&board);
        let (other, mine) = beside(move |_| visit(&other, B), |_| visit(&board, A));
        assert!(other || mine, "K3: it was free");
        sometimes.reached(if other && mine { "both" } else { "one" });
        let places = board.concurrency_limits().get(id).expect("live");
        assert_eq!([A, B].map(|owner| places.in_flight_of(owner)), [0, 0]);
        assert_eq!(places.in_flight(), 0);
    });
}

/// K1, S5: while a dead owner's place is taken back, a living one takes a place: nobody gains or loses one. Bound 2.
#[test]
fn s5_a_dead_owner_is_reclaimed_beside_a_taker() {
    explore("s5_reclaim", bound(2, Some(3)), 50, &[], |_| {
        let board = Arc::new(Tiny::new());
        let name = SlotName::new("x").expect("a good name");
        let id = board
            .concurrency_limits()
            .claim(A, &name, &2, WhenDifferent::Refuse)
            .expect("a slot is free");
        board
            .concurrency_limits()
            .get(id)
            .expect("live")
            .acquire(B)
            .expect("free");
        let reclaimer = Arc::clone(&board);
        let (_, is_in) = beside(
            move |_| {
                let limits = reclaimer.concurrency_limits();
                limits.get(id).expect("live").reclaim(B);
            },
            |_| {
                let limits = board.concurrency_limits();
                limits.get(id).expect("live").acquire(A).is_ok()
            },
        );
        assert!(is_in, "there was room for two");
        let places = board.concurrency_limits().get(id).expect("live");
        assert_eq!([A, B].map(|owner| places.in_flight_of(owner)), [1, 0]);
        assert_eq!(places.in_flight(), 1);
    });
}
