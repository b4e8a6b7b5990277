"""The rate limiters: how many calls in a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

from . import _native
from ._arguments import instance, only_shared, text
from ._board import Board, WhenDifferent
from ._decorate import acall, call, decorate
from ._durations import Duration, as_seconds
from ._errors import ConfigError
from ._native import Reservation, TokenLease
from ._runtime import Clock, apause, pause, system_clock

_P = ParamSpec("_P")
_R = TypeVar("_R")


class RateLimiter:
    """What the rate limiters have in common; make one of its kinds."""

    __slots__ = ("__weakref__", "_clock", "_limiter", "_name", "_quota")

    def __init__(
        self, name: str, limiter: _native.RateLimiter, clock: Clock, quota: tuple[int, float]
    ) -> None:
        self._quota = quota
        self._name = name
        self._limiter = limiter
        self._clock = clock

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def quota(self) -> tuple[int, float]:
        """So many units at most, and the seconds in which as many come again."""
        return self._quota

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
        return decorate(function, self._limiter)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)` at the cost of 1.

        Raises:
            RateLimitedError: The call was not made.
        """
        return call(function, self._limiter, args, kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)` at the cost of 1.

        Raises:
            RateLimitedError: The call was not made.
        """
        return await acall(function, self._limiter, args, kwargs)

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

    def __reduce__(self) -> tuple[Callable[..., RateLimiter], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"


def _refill(rate: int, per: Duration, units: int) -> tuple[int, float]:
    """Units, and how long a rate takes to give them."""
    return units, as_seconds(per) * units / rate


class _Refunding(RateLimiter):
    __slots__ = ()

    def refund(self, cost: int = 1) -> None:
        """Gives back units of a request that was not made after all; never more than were taken."""
        self._limiter.refund(cost)

    def reset(self) -> None:
        """As it was when it was made."""
        self._limiter.reset()


class _Bucket(_Refunding):
    __slots__ = ()

    def reserve(self, cost: int = 1, *, max_wait: Duration | None = None) -> Reservation:
        """Takes units that are the caller's after `reservation.wait` seconds, in the order of asking.

        Raises:
            RateLimitedError: The wait would be longer than `max_wait`, or for ever.
        """
        return self._limiter.reserve(cost, max_wait)

    def acquire(self, cost: int = 1, *, max_wait: Duration | None = None) -> None:
        """Waits for its turn: puts the thread to sleep. Interrupted, it gives the units back.

        Raises:
            RateLimitedError: The wait would be longer than `max_wait`; it is raised at once.
        """
        turn = self._limiter.reserve(cost, max_wait)
        if turn.wait:
            try:
                pause(turn.wait, self._clock)
            except BaseException:
                turn.cancel()
                raise

    async def aacquire(self, cost: int = 1, *, max_wait: Duration | None = None) -> None:
        """Waits for its turn, while other tasks run. Cancelled, it gives the units back.

        Raises:
            RateLimitedError: The wait would be longer than `max_wait`; it is raised at once.
        """
        turn = self._limiter.reserve(cost, max_wait)
        if turn.wait:
            try:
                await apause(turn.wait, self._clock)
            except BaseException:
                turn.cancel()
                raise


class TokenBucketRateLimiter(_Bucket):
    """Admits `rate` units per `per`, and up to `burst` of them at once.

    Args:
        rate: Units per `per`, a whole number; half a unit a second is `rate=1, per=2`.
        per: Seconds or a `timedelta`.
        burst: Size of a clump, in total; by default `rate`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.
        warm_up: How long it takes at full use to get from cold, as it begins, to warm; idle, it cools as fast. Not on a
            board. By default it is always warm.
        cold_factor: How many times as much a unit costs when it is cold; 1 to 1,000, by default 3.
        board: Shares it with all processes that use the same `Board` and name.
        when_different: Where it runs on the board with other settings: `"refuse"` raises, `"update"` takes these
            over and keeps the state, `"keep"` leaves them as they are.

    Raises:
        ConfigError: A value is out of its range.
        BoardError: On the board it runs with other settings, or all slots are taken.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("_pickled",)

    _pickled: tuple[Board, str, int, Duration, int] | None

    def __init__(
        self,
        rate: int,
        per: Duration = 1.0,
        burst: int | None = None,
        *,
        name: str = "",
        clock: Clock = None,
        warm_up: Duration | None = None,
        cold_factor: int | None = None,
        board: Board | None = None,
        when_different: WhenDifferent = "refuse",
    ) -> None:
        burst = rate if burst is None else burst
        self._pickled = None
        if warm_up is None and cold_factor is not None:
            raise ConfigError(
                "cold_factor", f"cold_factor is {cold_factor} without warm_up; allowed: with warm_up"
            )
        if board is None:
            native = _native.RateLimiter.token_bucket(
                text("name", name), rate, per, burst, clock, warm_up, cold_factor
            )
        else:
            system_clock(clock)
            if warm_up is not None:
                raise ConfigError(
                    "warm_up", "warm_up is given together with board; allowed: one of them"
                )
            text("name", name)
            instance("board", board, Board, "a Board")
            text("when_different", when_different)
            native = board._core.token_bucket(name, rate, per, burst, when_different)
            self._pickled = (board, name, rate, per, burst)
        super().__init__(name, native, clock, _refill(rate, per, burst))

    def try_acquire_up_to(self, most: int) -> int:
        """Takes as many units as there are, `most` at most, and says how many."""
        return self._limiter.acquire_up_to(most)

    def lease(self, batch: int, lifetime: Duration) -> TokenLease:
        """Units for one thread that asks very often: `batch` are taken at once and spent from its hand. Not of a bucket
        on a board.

        Args:
            batch: Units at a time; others may be rejected while they lie here.
            lifetime: Those that are not spent so long after they were taken go back.

        Raises:
            ConfigError: A value is out of its range.
            TypeError: A value has the wrong type, or the bucket is on a board.
        """
        return self._limiter.lease(batch, lifetime)

    def drain(self) -> None:
        """Empties the bucket: say, when the callee answers that it has had too much."""
        self._limiter.drain()

    def configure(self, rate: int, per: Duration = 1.0, burst: int | None = None) -> None:
        """Changes the quota and keeps what was used of it."""
        burst = rate if burst is None else burst
        self._limiter.configure(rate, per, burst)
        self._quota = _refill(rate, per, burst)

    def __reduce__(self) -> tuple[Callable[..., TokenBucketRateLimiter], tuple[Any, ...]]:
        if self._pickled is None:
            only_shared(self)
        return Board.token_bucket, self._pickled


class LeakyBucket(_Bucket):
    """Paces: each unit gets a turn, `per / rate` after the one before; at most `queue` wait for theirs.

    `try_acquire` takes a turn only if it is now; `acquire` and `RateLimit` wait for it.

    Args:
        rate: Units per `per`, a whole number.
        per: Seconds or a `timedelta`.
        queue: Units that may wait.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ()

    def __init__(
        self,
        rate: int,
        per: Duration = 1.0,
        queue: int = 0,
        *,
        name: str = "",
        clock: Clock = None,
    ) -> None:
        native = _native.RateLimiter.leaky_bucket(text("name", name), rate, per, queue, clock)
        super().__init__(name, native, clock, _refill(rate, per, 1 + queue))

    def configure(self, rate: int, per: Duration = 1.0, queue: int = 0) -> None:
        """Changes rate and queue; turns that were given stay."""
        self._limiter.configure(rate, per, queue)
        self._quota = _refill(rate, per, 1 + queue)


class SlidingWindowRateLimiter(RateLimiter):
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
        self, limit: int, window: Duration, *, name: str = "", clock: Clock = None
    ) -> None:
        native = _native.RateLimiter.sliding_window(text("name", name), limit, window, clock)
        super().__init__(name, native, clock, (limit, as_seconds(window)))


class _Counting(_Refunding):
    __slots__ = ()

    def configure(self, limit: int) -> None:
        """Changes the limit and keeps what was used of it."""
        self._limiter.set_limit(limit)
        self._quota = (limit, self._quota[1])


class SlidingCounterRateLimiter(_Counting):
    """Admits about `limit` units in any span of `window`, by two counters: the last window's count weighs
    by the share of it that the span still covers.

    Args:
        limit: Units.
        window: Seconds or a `timedelta`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ()

    def __init__(
        self, limit: int, window: Duration, *, name: str = "", clock: Clock = None
    ) -> None:
        native = _native.RateLimiter.sliding_counter(text("name", name), limit, window, clock)
        super().__init__(name, native, clock, (limit, as_seconds(window)))


class FixedWindowRateLimiter(_Counting):
    """Admits `limit` units in each window of the clock: so up to twice as many about its edge.

    Args:
        limit: Units.
        window: Seconds or a `timedelta`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ()

    def __init__(
        self, limit: int, window: Duration, *, name: str = "", clock: Clock = None
    ) -> None:
        native = _native.RateLimiter.fixed_window(text("name", name), limit, window, clock)
        super().__init__(name, native, clock, (limit, as_seconds(window)))
