//! The protocol of a keyed table: which place is a key's, and how it comes to be.
//!
//! A key has up to 16 places, or 19 where the table ends within a line: two groups of eight that lie side by side, chosen by its hash. It is in one of them or in
//! none; in none means that its bucket is full. A place whose bucket is full again is free for any other key.
//!
//! The first line of its first group is the key's own: there a request looks first, in few instructions, then in the first line of the
//! second group; whatever is not admitted there goes the long way. So a key enters its own line, as long as its group has places to spare
//! for those that find their other group full.
//!
//! To enter, a key (1) claims a free place, (2) brings the owner word up to the claim, (3) looks at all its other places,
//! and (4) swaps the claim for its first tat; that swap is the admission. If it finds itself at (3) in another place, it
//! gives its claim up and starts again; if it finds another claim of its own, the one in the lower place stays and the
//! other is taken away. Anybody who asks for the same key helps a claim that it finds, so nobody waits
//! for a thread that was stopped.
//!
//! **A key is in one place at most.** Let two claims of one key, c and d, both be swapped for a tat. Each swap was made by a thread
//! that saw the claim, then (a sequentially consistent fence between) looked at the other place. One of the two looks came
//! after the other claim was made, say d's look at c's place. It found c claimed: then the higher of the two was
//! given up or taken away, and is not swapped. Or it found c's tat: then d was given up. Or c was gone from its place, so both are
//! never there together.
//!
//! **No key gets more than its burst and rate.** While it is in its place, its requests swap one tat word, which shows the
//! proof of the token bucket (`token_bucket/policy.rs`); a tat read under another owner cannot be swapped (`entry.rs`). A key leaves only
//! when its bucket is full by the clock of whoever takes its place, and before that its tat goes into `horizon`, a maximum. A
//! key that enters starts with a full bucket at its own time or at the horizon, whichever is later, read after step 3, which
//! saw the place that it had left; so it never starts earlier than it had stopped, even by a clock that went back, and
//! never later than the latest time that the table was shown.
//!
//! A claim whose thread was killed is free for others when nothing else is. Two keys that take each other's last
//! place away again and again stop after some rounds and count as "full".
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | fence between claim and look | `SeqCst` | the same fence of another claim: one of two looks sees the other claim |
//! | the rest | | `entry.rs`, `shared.rs` |

use crate::fault::fault;
use crate::keyed::WhenFull;
use crate::keyed::entry::{Held, KeyedEntry, TIME_MAX};
use crate::keyed::places::{GROUP, Group, Key};
use crate::keyed::shared::Shared;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sync::{Ordering, fence};
use crate::token_bucket::policy;
use crate::token_bucket::quota::Quota;

/// A request that was pushed aside so often finds the table full.
const ROUNDS: usize = 16;

/// A key takes a place in its own line while its group has more free ones than these.
const ROOM: usize = 4;

/// A keyed limiter's words, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    pub(crate) entries: &'a [KeyedEntry],
    pub(crate) shared: &'a Shared,
}

/// A request for units, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) now: u64,
    pub(super) span: u64,
    pub(super) quota: Quota,
}

/// One look at a key's places.
enum Found<'a> {
    /// Its own, with a tat or claimed.
    Own(usize, &'a KeyedEntry, Held),
    /// None; here is one that it can have.
    Free(usize, &'a KeyedEntry, Held),
    /// None, and none is free before this time, where that is known.
    Full(Option<u64>),
}

/// The first place of each kind in a group.
#[derive(Default)]
struct Choice<'a> {
    empty: Option<(usize, &'a KeyedEntry, Held)>,
    full_again: Option<(usize, &'a KeyedEntry, Held)>,
    /// By another key: only where nothing else is free.
    claimed: Option<(usize, &'a KeyedEntry, Held)>,
}

/// What came of a step.
enum Step {
    Done(Result<(), Rejected>),
    /// Somebody else was faster.
    Again,
}

impl<'a> Table<'a> {
    /// A request for a key that may be anywhere, or nowhere yet.
    #[inline(never)]
    pub(super) fn acquire_anywhere(self, key: Key, request: Request) -> Result<(), Rejected> {
        let mut full_until = None;
        for _ in 0..ROUNDS {
            let step = match self.find(key, request.now) {
                Found::Own(index, entry, held) => self.take(key, index, entry, held, request),
                Found::Free(index, entry, held) => self.enter(key, index, entry, held, request),
                Found::Full(until) => {
                    full_until = until;
                    break;
                }
            };
            if let Step::Done(decision) = step {
                return decision;
            }
        }
        self.overflow(request, full_until)
    }

    pub(crate) fn refund(self, key: u64, cost: u64, now: Nanos) {
        let (key, span) = (Key::new(key), self.shared.quota.load().span(cost));
        while let Found::Own(_, entry, held) = self.find(key, now.get()) {
            // A claimed place has nothing taken.
            let Some(time) = held.time() else { return };
            let refunded = policy::refund(time, now.get(), span);
            if refunded == time || entry.move_tat(held, refunded) {
                return;
            }
        }
    }

    pub(crate) fn available(self, key: u64, now: Nanos) -> u64 {
        let (quota, now) = (self.shared.quota.load(), now.get());
        let tat = match self.find(Key::new(key), now) {
            Found::Own(_, _, held) => held.time().unwrap_or(0),
            Found::Free(..) => 0,
            Found::Full(_) => match self.shared.when_full() {
                WhenFull::Reject => return 0,
                WhenFull::Admit => 0,
                WhenFull::ShareOverflow => self.shared.overflow.load(),
            },
        };
        if now.saturating_add(quota.tolerance) > TIME_MAX {
            return 0;
        }
        policy::room(tat, now, quota.tolerance) / quota.interval
    }

    /// Keys whose bucket is not full at `now`.
    pub(crate) fn live(self, now: Nanos) -> usize {
        let is_live =
            |entry: &&KeyedEntry| entry.load().time().is_some_and(|time| time > now.get());
        self.entries.iter().filter(is_live).count()
    }

    pub(crate) fn reset(self) {
        for entry in self.entries {
            while !entry.release(entry.load()) {}
        }
        self.shared.overflow.reset();
    }

    #[inline]
    fn find(self, key: Key, now: u64) -> Found<'a> {
        for group in key.groups(self.entries) {
            for (index, entry) in group.places() {
                if entry.may_be(key.tag()) {
                    let held = entry.load();
                    if held.owner.is(key.tag()) {
                        return Found::Own(index, entry, held);
                    }
                }
            }
        }
        self.find_claimed_or_free(key, now)
    }

    #[cold]
    fn find_claimed_or_free(self, key: Key, now: u64) -> Found<'a> {
        let (mut until, mut chosen, mut best) = (None::<u64>, None, 0);
        for (nth, group) in key.groups(self.entries).into_iter().enumerate() {
            // A place that is nobody's counts more than all those whose owner's bucket is full again: the owner may come back, and then
            // is at home.
            let (mut room, mut worth, mut free) = (0, 0, Choice::default());
            for (index, entry) in group.places() {
                let held = entry.load();
                if held.owner.is(key.tag()) {
                    return Found::Own(index, entry, held);
                }
                let place = Some((index, entry, held));
                match held.time() {
                    _ if held.is_empty() => {
                        (room, worth) = (room + 1, worth + GROUP + 1);
                        free.empty = free.empty.or(place);
                    }
                    Some(time) if time <= now || fault!("keyed_evicts_the_live") => {
                        (room, worth) = (room + 1, worth + 1);
                        free.full_again = free.full_again.or(place);
                    }
                    Some(time) => until = Some(until.map_or(time, |until| until.min(time))),
                    None => free.claimed = free.claimed.or(place),
                }
            }
            let place = free.empty.or(free.full_again).or(free.claimed);
            // Its own line, where requests look first, while its group has room for those who find no other. Then the emptier group: with
            // two to choose from, few keys find both full.
            let is_home = nth == 0
                && (room > ROOM || fault!("keyed_crowds_a_line"))
                && place.is_some_and(|(index, ..)| group.is_own(index));
            if is_home {
                (best, chosen) = (usize::MAX, place);
            } else if chosen.is_none() || worth > best {
                (best, chosen) = (worth, place);
            }
        }
        match chosen {
            Some((index, entry, held)) => Found::Free(index, entry, held),
            None => Found::Full(until),
        }
    }

    /// A request for a key that is in `entry`.
    #[inline]
    fn take(
        self,
        key: Key,
        index: usize,
        entry: &KeyedEntry,
        mut held: Held,
        request: Request,
    ) -> Step {
        while held.owner.is(key.tag()) {
            let Some(time) = held.time() else {
                return self.settle(key, index, entry, held, request);
            };
            match request.decide(time) {
                Err(rejected) => return Step::Done(Err(rejected)),
                Ok(next) if entry.move_tat(held, next) => return Step::Done(Ok(())),
                Ok(_) => held = entry.load(),
            }
        }
        Step::Again
    }

    /// A request for a key that is nowhere: steps 1 to 4.
    #[cold]
    fn enter(
        self,
        key: Key,
        index: usize,
        entry: &KeyedEntry,
        held: Held,
        request: Request,
    ) -> Step {
        // Who would be rejected writes nothing.
        if let Err(rejected) = request.enter(self.shared.horizon()) {
            return Step::Done(Err(rejected));
        }
        if let Some(time) = held.time() {
            self.shared.raise_horizon(time);
        }
        match entry.claim(held, key.tag()) {
            Some(claim) => self.settle(key, index, entry, claim, request),
            None => Step::Again,
        }
    }

    /// Steps 2 to 4, for a claim that was made or found.
    #[cold]
    fn settle(
        self,
        key: Key,
        index: usize,
        entry: &KeyedEntry,
        claim: Held,
        request: Request,
    ) -> Step {
        if !entry.publish(claim) {
            return Step::Again;
        }
        if !fault!("keyed_no_fence") {
            // SeqCst: see the head of the file.
            fence(Ordering::SeqCst);
        }
        let groups = key.groups(self.entries);
        for (other, place) in groups.into_iter().flat_map(Group::places) {
            let held = place.load();
            if other == index || !held.owner.is(key.tag()) || fault!("keyed_no_look") {
                continue;
            }
            if held.time().is_some() || other < index {
                entry.release(claim);
                return Step::Again;
            }
            if !place.release(held) {
                return Step::Again;
            }
        }
        match request.enter(self.shared.horizon()) {
            Ok(next) if entry.move_tat(claim, next) => Step::Done(Ok(())),
            Ok(_) => Step::Again,
            Err(rejected) => {
                entry.release(claim);
                Step::Done(Err(rejected))
            }
        }
    }

    /// A request for a key that finds no place.
    #[cold]
    fn overflow(self, request: Request, until: Option<u64>) -> Result<(), Rejected> {
        self.shared.count_overflow();
        match self.shared.when_full() {
            _ if fault!("keyed_full_admits") => Ok(()),
            WhenFull::Admit => Ok(()),
            WhenFull::ShareOverflow => self
                .shared
                .overflow
                .swap(|tat| request.decide(tat))
                .map(|_| ()),
            WhenFull::Reject => Err(Rejected {
                reason: Reason::Limited,
                retry_after: until
                    // Later than that, the freed place would not help.
                    .filter(|until| until.saturating_add(request.quota.tolerance) <= TIME_MAX)
                    .and_then(|until| until.checked_sub(request.now))
                    .map(Nanos::new),
            }),
        }
    }
}

impl Request {
    /// The first tat of a key that enters.
    fn enter(mut self, horizon: u64) -> Result<u64, Rejected> {
        self.now = self.now.max(horizon);
        self.decide(horizon)
    }

    /// The next tat of a bucket at `tat`.
    #[inline]
    fn decide(self, tat: u64) -> Result<u64, Rejected> {
        let Self { now, span, quota } = self;
        let limited = |wait: Option<u64>| Rejected {
            reason: Reason::Limited,
            retry_after: wait
                .filter(|wait| {
                    let latest = now.saturating_add(*wait).saturating_add(quota.tolerance);
                    latest <= TIME_MAX
                })
                .map(Nanos::new),
        };
        // Two times below 2^61 have a sum; all three are compared as one.
        let limit = now.wrapping_add(quota.tolerance);
        let in_time = now | quota.tolerance | limit <= TIME_MAX;
        if !in_time && !fault!("keyed_without_end") {
            return Err(limited(None));
        }
        policy::admit(tat, now, span, quota.tolerance, 0).map_err(limited)
    }
}
