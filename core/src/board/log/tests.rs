//! The log beside what it must tell, and words that somebody else has written.

use super::*;
use crate::event::{Cause, State};

fn told(owner: u16, generation: u32) -> BoardTransition {
    let transition = Transition {
        from: State::Closed,
        to: State::Open,
        generation,
        at: Nanos::new(5),
        cause: Cause::FailureRate,
        counts: Counts::default(),
    };
    BoardTransition {
        name: SlotName::new("x").expect("a good name"),
        slot: SlotId::from_bits(0),
        owner: Owner::new(owner),
        process: 9,
        transition,
    }
}

/// Generations read, and how many are lost.
fn read<const N: usize>(
    log: &BoardLog<N>,
    cursor: &mut TransitionCursor,
) -> (std::vec::Vec<u32>, u64) {
    let mut found = std::vec::Vec::new();
    let lost = log.since(cursor, |told| found.push(told.transition.generation));
    (found, lost)
}

/// A writer that has claimed its entry and not written it; gives what it will store in the end.
fn stop_in_the_middle<const N: usize>(log: &BoardLog<N>, owner: u16) -> (u64, u64) {
    // Relaxed: one thread.
    let number = log.next.fetch_add(1, Ordering::Relaxed);
    let stamp = number << NUMBER_SHIFT | u64::from(owner) << OWNER_SHIFT;
    let entry = log.entry(number).expect("it has some");
    // Relaxed: as above.
    entry.stamp.store(stamp | WRITING, Ordering::Relaxed);
    (number, stamp | WHOLE)
}

/// B15: a change that is being told comes later, and nobody waits for it.
#[test]
fn b15_a_late_change_is_told_late() {
    let log = BoardLog::<4>::new();
    let mut cursor = TransitionCursor::OLDEST;
    log.tell(&told(0, 1));
    let (number, whole) = stop_in_the_middle(&log, 0);
    log.tell(&told(1, 3));
    assert_eq!(read(&log, &mut cursor), (std::vec![1, 3], 0));
    assert_eq!(read(&log, &mut cursor), (std::vec![], 0));
    let entry = log.entry(number).expect("it has some");
    // Relaxed: one thread.
    entry.stamp.store(0, Ordering::Relaxed);
    entry.write(number, &told(0, 2));
    assert_eq!(entry.stamp.load(Ordering::Relaxed), whole);
    log.tell(&told(1, 4));
    cursor = TransitionCursor::from_words(cursor.to_words());
    assert_eq!(read(&log, &mut cursor), (std::vec![2, 4], 0));
    assert_eq!(cursor, log.end());
}

/// S5, B15: what a dead writer left is lost and told, and its entry serves again.
#[test]
fn s5_b15_an_entry_of_the_dead_serves_again() {
    let log = BoardLog::<2>::new();
    let mut cursor = log.end();
    stop_in_the_middle(&log, 7);
    log.tell(&told(0, 2));
    assert_eq!(read(&log, &mut cursor), (std::vec![2], 0));
    log.reclaim(Owner::new(8));
    assert_eq!(read(&log, &mut cursor), (std::vec![], 0), "another is dead");
    log.reclaim(Owner::new(7));
    assert_eq!(read(&log, &mut cursor), (std::vec![], 1));
    log.tell(&told(0, 3));
    log.tell(&told(0, 4));
    assert_eq!(read(&log, &mut cursor), (std::vec![3, 4], 0));
}

/// B15: entries that are overwritten are counted, gaps among them too, and each once.
#[test]
fn b15_a_gap_that_nobody_fills_is_lost_once() {
    let log = BoardLog::<128>::new();
    let mut cursor = log.end();
    stop_in_the_middle(&log, 0);
    let (mut seen, mut lost, mut told_of) = (0, 0, 1);
    // One at a time, then more than the log keeps.
    for (rounds, each) in [(300, 1), (1, 150)] {
        for _ in 0..rounds {
            for generation in 0..each {
                log.tell(&told(1, generation));
            }
            told_of += u64::from(each);
            let (found, missing) = read(&log, &mut cursor);
            seen += found.len() as u64;
            lost += missing;
            assert_eq!(seen + lost + u64::from(cursor.gaps.count_ones()), told_of);
        }
    }
    // Once in each round of the log it is the stopped one's entry; 22 more were overwritten unread.
    assert_eq!((seen, lost), (298 + 127, 4 + 22));
}

/// S2: any words at all are a log, and reading it ends.
#[test]
fn s2_any_words_are_a_log() {
    let log = BoardLog::<8>::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut cursor = TransitionCursor::OLDEST;
    for round in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let entry = &log.entries[(random >> 60) as usize % 8];
        let words = [&log.next, &entry.stamp, &entry.what, &entry.name[0]];
        let word = words[(random >> 32) as usize % 4];
        // Relaxed: one thread.
        word.store(random >> (random % 64), Ordering::Relaxed);
        if round % 3 == 0 {
            log.tell(&told(3, round));
        }
        let (found, _) = read(&log, &mut cursor);
        assert!(found.len() <= 8 + 64);
        assert_eq!(cursor.next, log.end().next);
        log.reclaim(Owner::new(3));
        if round % 7 == 0 {
            cursor = TransitionCursor::from_words([random, !random]);
        }
    }
}
