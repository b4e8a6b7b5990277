//! Taking: what a request does, in few instructions where its key is on one of two lines and it is admitted.

use crate::keyed::entry::{KeyedEntry, TIME_MAX, Tag};
use crate::keyed::places::Key;
use crate::keyed::shared::Shared;
use crate::keyed::table::{Request, Table};
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};

impl<'a> Table<'a> {
    /// Takes `cost` units of `key` or none.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "what a call saves and passes on takes the room in which the next requests wait for memory"
    )]
    pub(crate) fn acquire(self, key: u64, cost: u64, now: Nanos) -> Result<(), Rejected> {
        let Self { entries, shared } = self;
        if cost == 0 || Self::take_at_once(Key::new(key).at_home(entries), shared, cost, now) {
            return Ok(());
        }
        Self::acquire_next_door(entries, shared, key, cost, now)
    }

    /// A request that `place` admits. `false`: it does not, or the key is not there, or somebody else was faster.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn take_at_once(
        place: Option<(Tag, &KeyedEntry)>,
        shared: &Shared,
        cost: u64,
        now: Nanos,
    ) -> bool {
        // A small image has no room for a second way.
        let (true, Some((tag, entry))) = (cfg!(target_has_atomic = "64"), place) else {
            return false;
        };
        let Some((interval, tolerance)) = shared.quota.load_at_once() else {
            return false;
        };
        let (now, Some(span)) = (now.get(), interval.checked_mul(cost)) else {
            return false;
        };
        // Two times below 2^61 have a sum; all four are compared as one.
        let limit = now.wrapping_add(tolerance);
        now | span | tolerance | limit <= TIME_MAX && entry.advance(tag, now, span, limit)
    }

    /// A request that the key's own line does not admit.
    #[inline(never)]
    fn acquire_next_door(
        entries: &'a [KeyedEntry],
        shared: &'a Shared,
        key: u64,
        cost: u64,
        now: Nanos,
    ) -> Result<(), Rejected> {
        let key = Key::new(key);
        if Self::take_at_once(key.next_door(entries), shared, cost, now) {
            return Ok(());
        }
        let quota = shared.quota.load();
        let span = quota.span(cost);
        if span > quota.tolerance {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        let request = Request {
            now: now.get(),
            span,
            quota,
        };
        Self { entries, shared }.acquire_anywhere(key, request)
    }
}
