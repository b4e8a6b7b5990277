"""The limiters: how many calls in a time, and how many at once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar

from . import _native
from ._breaker import Duration
from ._decorate import ADMITTED, Guard, decorate
from ._native import ConcurrencyPermit

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _RateLimiter:
    """What the rate limiters have in common."""

    __slots__ = ("__weakref__", "_limiter", "_name")

    def __init__(self, name: str, limiter: _native.TokenBucket | _native.SlidingWindow) -> None:
        self._name = name
        self._limiter = limiter

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def try_acquire(self, cost: int = 1) -> bool:
        """True when the request is admitted. A refused one changes nothing. It never waits."""
        return self._limiter.try_acquire(cost)

    def admit(self, cost: int = 1) -> None:
        """The same by an exception, which says when to come back.

        Raises:
            RateLimitedError: Not now, or never with this cost.
        """
        self._limiter.admit(cost)

    def available(self) -> int:
        """Whole units that would be admitted now."""
        return self._limiter.available()

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function: each call costs 1, or raises `RateLimitedError`."""
        return decorate(function, self._guard, self._limiter)

    def _guard(self) -> Guard:
        self._limiter.admit()
        return ADMITTED

    def __enter__(self) -> None:
        self._limiter.admit()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        return False

    async def __aenter__(self) -> None:
        self._limiter.admit()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        return False


class TokenBucketRateLimiter(_RateLimiter):
    """Admits `rate` units per `per`, and up to `burst` of them at once.

    Args:
        rate: Units per `per`, a whole number; half a unit a second is `rate=1, per=2`.
        per: Seconds or a `timedelta`.
        burst: Size of a clump, in total; by default `rate`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("_bucket",)

    def __init__(
        self,
        rate: int,
        per: Duration = 1.0,
        burst: int | None = None,
        *,
        name: str = "",
        clock: Callable[[], int] | None = None,
    ) -> None:
        burst = rate if burst is None else burst
        self._bucket = _native.TokenBucket(name, rate, per, burst, clock)
        super().__init__(name, self._bucket)

    def refund(self, cost: int = 1) -> None:
        """Gives back units of a request that was not made after all; never more than a burst."""
        self._bucket.refund(cost)

    def configure(self, rate: int, per: Duration = 1.0, burst: int | None = None) -> None:
        """Changes the quota and keeps what was used of it."""
        self._bucket.configure(rate, per, rate if burst is None else burst)

    def reset(self) -> None:
        """A full burst is available again."""
        self._bucket.reset()


class SlidingWindowRateLimiter(_RateLimiter):
    """Admits `limit` units in any span of `window`, exactly: it keeps the moment of each.

    Args:
        limit: Units, 1 to 8192; for more, a `TokenBucketRateLimiter`.
        window: Seconds or a `timedelta`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ()

    def __init__(
        self,
        limit: int,
        window: Duration,
        *,
        name: str = "",
        clock: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(name, _native.SlidingWindow(name, limit, window, clock))


class ConcurrencyLimit:
    """Admits `limit` calls at once. It never waits.

    Args:
        limit: Calls in flight.
        name: Stands in errors.

    Raises:
        ConfigError: The limit is out of its range.
        TypeError: It has the wrong type.
    """

    __slots__ = ("__weakref__", "_core", "_name")

    def __init__(self, limit: int, *, name: str = "") -> None:
        self._core = _native.Concurrency(name, limit)
        self._name = name

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def limit(self) -> int:
        """Calls allowed at once."""
        return self._core.limit()

    @property
    def in_flight(self) -> int:
        """Calls at the moment."""
        return self._core.in_flight()

    def try_acquire(self) -> ConcurrencyPermit | None:
        """A place, or `None`. Give it back by `release()` or `with permit:`; one that is forgotten
        gives itself back.
        """
        return self._core.try_acquire()

    def configure(self, limit: int) -> None:
        """Changes the limit; calls in flight stay."""
        self._core.configure(limit)

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function: a call too many raises `ConcurrencyLimitError`."""
        return decorate(function, self._core.acquire, self._core)

    def __enter__(self) -> None:
        self._core.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        self._core.leave()
        return False

    async def __aenter__(self) -> None:
        self._core.enter()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        self._core.leave()
        return False
