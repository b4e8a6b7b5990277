//! The log of transitions under loom. Two threads, one operation each, all interleavings.

use fuseboard_core::{Cause, Counts, Nanos, Observer, State, Transition, TransitionLog};
use fuseboard_loom::{ALL, Threads, explore};
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
