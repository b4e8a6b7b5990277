//! [`Handle`]: a thread's own stripe of a breaker.

use crate::breaker::CircuitBreaker;
use crate::breaker::permit::RawPermit;
use crate::breaker::window::owned::OwnedStripe;
use crate::event::Observer;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};
use crate::rejected::Rejected;
use core::cell::Cell;
use core::marker::PhantomData;

/// A breaker's counters for one thread alone: recording a call takes plain loads and stores, and no thread waits for
/// another's cache line. All else, the state above all, is the breaker's own: a failure here is judged together with
/// those of all other handles and callers.
///
/// A handle may move to another thread and not be shared between two. Dropped, it is free for the next; what it counted
/// stays. Permits may also be settled with the breaker itself, on any thread ([`HandlePermit::into_raw`]).
///
/// # Staleness
///
/// Sums are exact once all handles are quiet. Meanwhile a decision may miss of each *other* handle the successes that
/// its processor has not published yet (a store buffer: some tens of nanoseconds), and of a handle that is just
/// beginning a slot, that slot. A failure or slow call never goes unseen: of two that are recorded at once, one sees both.
/// A window of calls (`count`, `consecutive`) is one word for all: there a handle spares only the counting of rejections.
///
/// # Memory ordering
///
/// As the breaker's.
///
/// ```
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos};
///
/// // Ten slots, one stripe for callers without a handle, room for four handles.
/// static UPSTREAM: CircuitBreaker<10, 1, 4> = CircuitBreaker::new(CircuitBreakerConfig::new());
///
/// let handle = UPSTREAM.handle().expect("fewer than four threads have one");
/// let now = Nanos::from_secs(1);
/// handle.try_acquire(now).expect("closed").success(now);
/// assert_eq!(UPSTREAM.snapshot(now).window.calls, 1);
/// ```
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// static B: CircuitBreaker<10, 1, 1> = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let handle = B.handle().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| handle.try_acquire(Nanos::ZERO)); // a handle is one thread's
/// });
/// ```
#[derive(Debug)]
pub struct Handle<'a, const SLOTS: usize = 10, const STRIPES: usize = 1, const HANDLES: usize = 1> {
    breaker: &'a CircuitBreaker<SLOTS, STRIPES, HANDLES>,
    own: &'a OwnedStripe<SLOTS>,
    /// Not `Sync`: the stripe has one writer.
    one_thread: PhantomData<Cell<()>>,
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// A handle of the breaker. `None`: all `HANDLES` of them are taken.
    pub fn handle(&self) -> Option<Handle<'_, SLOTS, STRIPES, HANDLES>> {
        let own = self.words.owned.iter().find(|stripe| stripe.claim())?;
        Some(Handle {
            breaker: self,
            own,
            one_thread: PhantomData,
        })
    }
}

impl<'a, const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    Handle<'a, SLOTS, STRIPES, HANDLES>
{
    /// The breaker.
    pub const fn breaker(&self) -> &'a CircuitBreaker<SLOTS, STRIPES, HANDLES> {
        self.breaker
    }

    /// As [`CircuitBreaker::try_acquire`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_acquire(
        &self,
        now: Nanos,
    ) -> Result<HandlePermit<'_, 'a, SLOTS, STRIPES, HANDLES>, Rejected> {
        self.acquire(now, &())
            .map(|raw| HandlePermit { handle: self, raw })
    }

    /// As [`CircuitBreaker::acquire`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn acquire(&self, now: Nanos, observer: &impl Observer) -> Result<RawPermit, Rejected> {
        self.breaker.acquire_in(Some(self.own), now, observer)
    }

    /// As [`CircuitBreaker::settle`]; the permit may come from the breaker itself.
    #[inline]
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.breaker
            .settle_in(Some(self.own), permit, outcome, now, observer)
    }

    /// As [`CircuitBreaker::settle_weighted`].
    pub fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.breaker
            .settle_weighted_in(Some(self.own), permit, outcome, weight, now, observer)
    }

    /// As [`CircuitBreaker::cancel`].
    pub fn cancel(&self, permit: RawPermit, observer: &impl Observer) -> Settled {
        self.breaker.cancel_in(Some(self.own), permit, observer)
    }
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize> Drop
    for Handle<'_, SLOTS, STRIPES, HANDLES>
{
    fn drop(&mut self) {
        self.own.release();
    }
}

/// The right to make one call, from a handle. As [`Permit`](crate::Permit): settle it with the outcome; dropped, it is
/// cancelled.
#[derive(Debug)]
#[must_use = "dropped at once, the call is not counted; settle it with `success` or `failure`"]
pub struct HandlePermit<
    'h,
    'a,
    const SLOTS: usize = 10,
    const STRIPES: usize = 1,
    const HANDLES: usize = 1,
> {
    handle: &'h Handle<'a, SLOTS, STRIPES, HANDLES>,
    raw: RawPermit,
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    HandlePermit<'_, '_, SLOTS, STRIPES, HANDLES>
{
    /// The call succeeded, at `now`.
    #[inline]
    pub fn success(self, now: Nanos) -> Settled {
        let handle = self.handle;
        handle.settle(self.into_raw(), Outcome::Success, now, &())
    }

    /// The call failed, at `now`.
    #[inline]
    pub fn failure(self, now: Nanos) -> Settled {
        self.failure_weighted(1, now)
    }

    /// The call failed, at `now`, and counts as `weight` failed calls (1 to 1,000).
    pub fn failure_weighted(self, weight: u32, now: Nanos) -> Settled {
        let handle = self.handle;
        handle.settle_weighted(self.into_raw(), Outcome::Failure, weight, now, &())
    }

    /// The call's end says nothing about the dependency.
    pub fn ignore(self) -> Settled {
        let handle = self.handle;
        handle.cancel(self.into_raw(), &())
    }

    /// Whether this call is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.raw.is_probe()
    }

    /// The permit as a value, which any thread may settle with the breaker.
    #[inline]
    pub fn into_raw(self) -> RawPermit {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize> Drop
    for HandlePermit<'_, '_, SLOTS, STRIPES, HANDLES>
{
    #[inline]
    fn drop(&mut self) {
        let _ = self.handle.cancel(self.raw, &());
    }
}
