//! The logs of transitions, of a breaker and of a board, under loom. Two threads, one operation each, all interleavings.

use fuseboard_core::{
    Board, Cause, CircuitBreakerConfig, Counts, Nanos, Observer, Owner, SlotName, State,
    Transition, TransitionCursor, TransitionLog, WhenDifferent,
};
use fuseboard_loom::{ALL, Threads, bound, explore};
use loom::sync::Arc;

/// A change whose every field names its generation.
fn change(generation: u32) -> Transition {
    let number = u64::from(generation);
    Transition {
        from: State::Closed,
        to: State::Open,
        generation,
        at: Nanos::new(number),
        cause: Cause::FailureRate,
        counts: Counts {
            calls: number,
            failures: number,
            slow: number,
        },
    }
}

/// B15, S2: an entry is written anew while another reads: what is read is one change, never halves of two.
#[test]
fn b15_a_change_is_never_read_in_halves() {
    explore("b15_never_in_halves", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let log = Arc::new(TransitionLog::<1>::new());
        log.transition(&change(1));
        let reader = {
            let log = Arc::clone(&log);
            threads.spawn(move |_| log.since(0))
        };
        threads.here(|_| log.transition(&change(2)));
        let batch = reader.join().unwrap();
        for read in &batch.transitions {
            assert_eq!(*read, change(read.generation));
        }
        assert!(batch.transitions.len() <= 1);
    });
}

/// B15: two changes that share an entry are told at once: the log has one of them whole, and says if it has lost the other.
#[test]
fn b15_two_changes_for_one_entry() {
    explore("b15_one_entry", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let log = Arc::new(TransitionLog::<1>::new());
        let other = {
            let log = Arc::clone(&log);
            threads.spawn(move |_| log.transition(&change(1)))
        };
        threads.here(|_| log.transition(&change(2)));
        other.join().unwrap();
        let batch = log.since(0);
        assert_eq!(batch.transitions.len(), 1);
        let kept = batch.transitions[0];
        assert_eq!(kept, change(kept.generation));
        assert_eq!(batch.lost + 1, kept.generation);
    });
}

/// B15, S2: a board's log (of one entry here) is read while the entry is written anew: what is read is one change, and what is not is
/// lost and counted, or comes with the next call. Two threads, bound 2.
#[test]
fn b15_a_boards_change_is_never_read_in_halves() {
    explore(
        "b15_board_never_in_halves",
        bound(2, Some(3)),
        20,
        &["late"],
        |reached| {
            let threads = Threads::new();
            let board = Arc::new(Board::<1, 1>::new());
            let owner = Owner::new(0);
            let name = SlotName::new("x").expect("a good name");
            let config = CircuitBreakerConfig::new();
            let slot = board
                .breakers()
                .claim(owner, &name, &config, WhenDifferent::Refuse)
                .expect("free");
            let mut cursor = board.transitions_end();
            board.tell(slot, owner, &change(1));
            let writer = {
                let board = Arc::clone(&board);
                threads.spawn(move |_| board.tell(slot, owner, &change(2)))
            };
            let read = |cursor: &mut TransitionCursor| {
                let mut read = 0;
                let lost = board.transitions_since(cursor, |found| {
                    assert_eq!(found.transition, change(found.transition.generation));
                    assert_eq!((&found.name, found.slot), (&name, slot));
                    read += 1;
                });
                read + lost
            };
            let before = threads.here(|_| read(&mut cursor));
            writer.join().unwrap();
            let after = read(&mut cursor);
            if after > 0 {
                reached.reached("late");
            }
            assert_eq!(before + after, 2, "each is told or lost, once");
        },
    );
}
