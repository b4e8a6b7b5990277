//! A limiter of many keys: what finding the key adds.

use crate::rows::{Row, START, Target, Who, Worker, groups, repeat_in_time, share};
use fuseboard_core::{KeyedEntry, KeyedTable, Rate, WhenFull};
use std::hint::black_box;

/// A million, as a power of two.
pub(crate) const MILLION: u64 = 1 << 20;
/// Units that a key may take at once: more than a run takes.
pub(super) const BURST: u32 = 100_000;

pub(super) fn add(rows: &mut Vec<Row>) {
    rows.extend([
        Row::new(groups::ONE_KEY, Who::Fuseboard, "allow", |threads| {
            workers(threads, 1)
        }),
        Row::new(groups::MILLION_KEYS, Who::Fuseboard, "allow", |threads| {
            workers(threads, MILLION)
        })
        .target(1, Target::Peer(0.25)),
    ]);
}

/// Requests of `keys` keys, a power of two, in an order that no cache foresees; each is in the table.
pub(crate) fn workers(threads: usize, keys: u64) -> Vec<Worker> {
    // Half as many places more, as its documentation advises.
    let places: Vec<KeyedEntry> = (0..keys + keys / 2 + 16)
        .map(|_| KeyedEntry::new())
        .collect();
    // So slow that no bucket is full again within a run: each key keeps its place.
    let table = KeyedTable::try_new(
        places.leak(),
        Rate::per_second(10),
        u64::from(BURST).max(u64::from(u32::MAX) / keys),
        WhenFull::Reject,
    )
    .expect("a legal quota");
    for key in 0..keys {
        let entered = table.try_acquire(key, START);
        assert!(entered.is_ok(), "every key has a place");
    }
    share(threads, table, move |table| {
        let (mut now, mut key) = (START, 0);
        move |times| {
            let table = black_box(table);
            let mut next = key;
            repeat_in_time(times, &mut now, |now| {
                next = after(next, keys);
                table.try_acquire(next, now).is_ok()
            });
            key = next;
        }
    })
}

/// The key after `key`, of as many as the power of two `keys`: all in turn, in no order to be seen.
#[inline]
pub(super) const fn after(key: u64, keys: u64) -> u64 {
    // A linear congruential generator of full period: the factor is 1 modulo 4, the addend odd.
    key.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1) & (keys - 1)
}
