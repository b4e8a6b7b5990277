//! A limiter of many keys: what finding the key adds.

use crate::rows::{Row, START, Target, Who, Worker, groups, repeat_in_time, share};
use fuseboard_core::{KeyedEntry, KeyedTable, Rate, WhenFull};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

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
        // The same with as much of the table in the cache as there can be.
        Row::new(groups::MILLION_WARM, Who::Fuseboard, "allow", |threads| {
            workers(threads, MILLION)
        })
        .warmed_up_by(MILLION)
        .target(1, Target::Peer(0.25)),
        Row::new(
            groups::MILLION_WARM,
            Who::Machine,
            "load and CAS of 16 random bytes",
            |threads| swaps::<false, 0>(threads, Vec::new()),
        )
        .warmed_up_by(MILLION),
        // What the machine takes for a table of this size, whatever is computed.
        Row::new(
            groups::MILLION_KEYS,
            Who::Machine,
            "load and CAS of 16 random bytes",
            |threads| swaps::<false, 0>(threads, Vec::new()),
        ),
        Row::new(
            groups::MILLION_KEYS,
            Who::Machine,
            "the same, one after the other",
            |threads| swaps::<true, 0>(threads, Vec::new()),
        ),
        // How far a processor sees ahead: what any request computes takes room in which the next ones could wait for memory.
        Row::new(
            groups::MILLION_KEYS,
            Who::Machine,
            "load and CAS, 23 instructions more",
            |threads| swaps::<false, 3>(threads, Vec::new()),
        ),
        Row::new(
            groups::MILLION_KEYS,
            Who::Machine,
            "load and CAS, 100 instructions more",
            |threads| swaps::<false, 10>(threads, Vec::new()),
        ),
    ]);
    #[cfg(target_os = "linux")]
    rows.extend([
        Row::new(
            groups::MILLION_KEYS,
            Who::Fuseboard,
            "allow, huge pages",
            |threads| table(threads, MILLION, huge::reserve(places(MILLION))),
        ),
        Row::new(
            groups::MILLION_KEYS,
            Who::Machine,
            "load and CAS of 16 random bytes, huge pages",
            |threads| swaps::<false, 0>(threads, huge::reserve(places(MILLION))),
        ),
    ]);
}

/// Half as many places more than keys, as the table's documentation advises.
const fn places(keys: u64) -> usize {
    (keys + keys / 2 + 16) as usize
}

/// Memory in pages of two megabytes: a table needs twelve of them instead of six thousand.
#[cfg(target_os = "linux")]
mod huge {
    use rustix::mm::{Advice, madvise};

    /// Room for so many, before anything is written to it.
    pub(super) fn reserve<T>(places: usize) -> Vec<T> {
        const PAGE: usize = 4096;
        let mut memory = Vec::with_capacity(places);
        let room = memory.spare_capacity_mut();
        let (start, bytes) = (room.as_mut_ptr().cast::<u8>(), size_of_val(room));
        let skipped = start.align_offset(PAGE);
        let whole = bytes.saturating_sub(skipped) / PAGE * PAGE;
        // SAFETY: pages inside of what the vector owns, and the advice changes no content. Where it is refused the pages are small.
        let _ = unsafe {
            madvise(
                start.wrapping_add(skipped).cast(),
                whole,
                Advice::LinuxHugepage,
            )
        };
        memory
    }
}

/// One place of a table, of which only the memory is meant.
type Place = [AtomicU64; 2];

/// The finalizer of `SplitMix64`, as the table has it.
#[inline]
const fn mixed(key: u64) -> u64 {
    let hash = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

/// Looks at a place in an order that no cache foresees, and changes it. Many at once, as far as the processor sees ahead; or each only when
/// memory has answered the one before. `ROUNDS`: what else is computed for each, which nothing waits for.
fn swaps<const WAITS: bool, const ROUNDS: usize>(
    threads: usize,
    mut memory: Vec<Place>,
) -> Vec<Worker> {
    memory.resize_with(places(MILLION), Default::default);
    share(threads, memory, |memory| {
        let (mut now, mut key) = (START, 0);
        move |times| {
            let places: &[Place] = black_box(memory);
            let mut next = key;
            repeat_in_time(times, &mut now, |now| {
                next = after(next, MILLION);
                if ROUNDS > 0 {
                    black_box((0..ROUNDS).fold(next, |number, _| mixed(number)));
                }
                let place = ((u128::from(mixed(next)) * places.len() as u128) >> 64) as usize;
                let [tag, time] = &places[place];
                // Relaxed: the least that the machine can be asked for. Every tag is 0.
                let tag = tag.load(Ordering::Relaxed);
                if WAITS {
                    next += tag;
                }
                let seen = time.load(Ordering::Relaxed) + tag;
                time.compare_exchange(seen, now.get(), Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            });
            key = next;
        }
    })
}

/// Requests of `keys` keys, a power of two, in an order that no cache foresees; each is in the table.
pub(crate) fn workers(threads: usize, keys: u64) -> Vec<Worker> {
    table(threads, keys, Vec::new())
}

fn table(threads: usize, keys: u64, mut memory: Vec<KeyedEntry>) -> Vec<Worker> {
    memory.resize_with(places(keys) + 7, KeyedEntry::new);
    // Where a cache line begins, so that a key's places are on as few as can be.
    let memory = memory.leak();
    let skipped = memory.as_ptr().align_offset(128);
    let memory = &memory[skipped..skipped + places(keys)];
    // So slow that no bucket is full again within a run: each key keeps its place.
    let table = KeyedTable::try_new(
        memory,
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
