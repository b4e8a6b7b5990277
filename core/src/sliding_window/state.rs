//! The log's words: the only file that swaps them.
//!
//! ```text
//! head  63     40 39      20 19       0
//!      +---------+----------+----------+
//!      | version |  pending |   index  |
//!      |    24   |    20    |    20    |
//!      +---------+----------+----------+
//! ```
//! `index` is the oldest place of the ring. An admission of `cost` units is one swap of the head that sets
//! `pending`; its time is `latest`, which was raised before. Then its places are filled and the
//! index moves past them; everybody who finds `pending` set does that first, so nobody waits.
//!
//! A place holds the admission's time plus one; zero is empty. Filling only ever raises it to `latest`, and the index
//! moves past it only after somebody found it there: so it is never earlier than its admission, whoever filled it. A
//! helper that was late, or a request that lost its swap, may have raised it further, to a time that was seen: that only rejects
//! longer. **Wrap-around.** So does a helper that sleeps for exactly 2^24 admissions between its look at the head and its swap.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | load head | Acquire | swap of head |
//! | swap head | `AcqRel` | load of head: `latest` and the places are seen with it |
//! | raise latest | Release | load of latest |
//! | load latest | Acquire | raise of latest |
//! | load place | Acquire | swap of place; keeps the second load of the head behind it |
//! | swap place | `AcqRel` | load of place |

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

const FIELD_BITS: u32 = 20;
const FIELD_MASK: u64 = (1 << FIELD_BITS) - 1;
/// The largest log.
pub(crate) const CAPACITY_MAX: usize = FIELD_MASK as usize;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

impl Head {
    fn index(self) -> u64 {
        self.0 & FIELD_MASK
    }

    fn pending(self) -> u64 {
        self.0 >> FIELD_BITS & FIELD_MASK
    }

    fn next(self, index: u64, pending: u64) -> Self {
        let version = (self.0 >> (2 * FIELD_BITS)).wrapping_add(1);
        Self(
            version << (2 * FIELD_BITS) | (pending & FIELD_MASK) << FIELD_BITS | index & FIELD_MASK,
        )
    }
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct LogHead {
    head: AtomicU64,
    latest: AtomicU64,
}

impl LogHead {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self { head: AtomicU64::new(0), latest: AtomicU64::new(0) }
        }
    }
}

/// The log, borrowed from the limiter.
pub(crate) struct Log<'a> {
    pub(crate) head: &'a LogHead,
    pub(crate) ring: &'a [AtomicU64],
    /// 1 to the ring's length.
    pub(crate) limit: u64,
    pub(crate) window: Nanos,
}

impl Log<'_> {
    /// Admits `cost` units (1 to the limit) at `now`, or says how long to wait.
    pub(crate) fn admit(&self, cost: u64, now: Nanos) -> Result<(), Option<Nanos>> {
        loop {
            let cost = fault!("log_cost_ignored", 1, cost);
            let head = self.settled_head();
            let room = self.room(head, cost, now);
            if self.load_head() != head {
                continue;
            }
            room?;
            if fault!("log_time_goes_back") {
                // Release: a fault for the tests to catch.
                self.head.latest.store(now.get(), Ordering::Release);
            }
            // Release: pairs with the load in `fill`. A maximum: the log's time never goes back.
            self.head.latest.fetch_max(now.get(), Ordering::Release);
            let taken = head.next(head.index(), cost);
            if fault!("log_store") {
                // Release: a fault for the tests to catch.
                self.head.head.store(taken.0, Ordering::Release);
                self.fill(taken);
                return Ok(());
            }
            // AcqRel: publishes `latest`; Relaxed on failure: the loop loads again.
            if self
                .head
                .head
                .compare_exchange(head.0, taken.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                self.fill(taken);
                return Ok(());
            }
        }
    }

    /// Whether there is room for `cost` units, or how long until there is; `Err(None)`: not before the
    /// clock's end, where a time cannot be told from a later one.
    fn room(&self, head: Head, cost: u64, now: Nanos) -> Result<(), Option<Nanos>> {
        if now == Nanos::MAX && !fault!("log_without_end") {
            return Err(None);
        }
        match self.place(head.index() + cost - 1).map(Self::time) {
            None | Some(None) => Ok(()),
            Some(Some(time)) => match time.checked_add(self.window).and_then(|free| {
                free.checked_add(Nanos::new(u64::from(fault!("log_window_too_long"))))
            }) {
                None => Err(None),
                Some(free)
                    if now >= free
                        || fault!("log_window_too_short") && now.get() + 1 == free.get() =>
                {
                    Ok(())
                }
                Some(free) => Err(free.checked_sub(now)),
            },
        }
    }

    pub(crate) fn available(&self, now: Nanos) -> u32 {
        loop {
            let head = self.settled_head();
            // Times grow along the log: the first that is inside ends the count.
            let free = (1..=self.limit).take_while(|&cost| self.room(head, cost, now).is_ok());
            let free = free.count() as u32;
            if self.load_head() == head {
                return free;
            }
        }
    }

    fn load_head(&self) -> Head {
        // Acquire: pairs with the swap of the head.
        Head(self.head.head.load(Ordering::Acquire))
    }

    /// The head with no admission half done.
    fn settled_head(&self) -> Head {
        loop {
            let head = self.load_head();
            if head.pending() == 0 {
                return head;
            }
            if fault!("log_waits_for_its_writer") {
                continue;
            }
            self.fill(head);
        }
    }

    /// Fills the places of the admission that `head` says is pending, and moves the index past them.
    fn fill(&self, head: Head) {
        for offset in 0..head.pending() {
            let Some(place) = self.place(head.index() + offset) else {
                continue;
            };
            loop {
                // Acquire: pairs with the swap below.
                let held = place.load(Ordering::Acquire);
                if self.load_head() != head {
                    return;
                }
                // Acquire: pairs with the raise; at least the time of this admission.
                let latest = Nanos::new(self.head.latest.load(Ordering::Acquire));
                let is_filled = match Self::decode(held) {
                    None => false,
                    Some(time) if fault!("log_fills_once") => {
                        time.saturating_add(self.window) > latest
                    }
                    Some(time) => time >= latest,
                };
                // AcqRel: pairs with the load above.
                if is_filled
                    || place
                        .compare_exchange(
                            held,
                            latest.get().saturating_add(1),
                            Ordering::AcqRel,
                            Ordering::Relaxed,
                        )
                        .is_ok()
                {
                    break;
                }
            }
        }
        let settled = head.next(self.wrapped(head.index() + head.pending()), 0);
        // AcqRel: publishes the places with the index; failure: somebody else has done it.
        let _ =
            self.head
                .head
                .compare_exchange(head.0, settled.0, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn place(&self, index: u64) -> Option<&AtomicU64> {
        self.ring.get(self.wrapped(index) as usize)
    }

    fn wrapped(&self, index: u64) -> u64 {
        // The limit is at least 1; the compiler cannot see it.
        index % self.limit.max(1)
    }

    fn time(place: &AtomicU64) -> Option<Nanos> {
        // Acquire: pairs with the swap of the place.
        Self::decode(place.load(Ordering::Acquire))
    }

    fn decode(held: u64) -> Option<Nanos> {
        held.checked_sub(1).map(Nanos::new)
    }
}
