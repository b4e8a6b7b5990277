"""`KeyedRateLimiter`: a limit for each user, address or tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from . import _native
from ._arguments import only_shared, text
from ._durations import Duration
from ._limiter import _refill
from ._policy import Policy
from ._runtime import Clock

Key: TypeAlias = str | bytes | int
"""What a limit is of. A `str` and its UTF-8 `bytes` are the same key; the int 1 is not "1"."""


class KeyedRateLimiter:
    """One token bucket for each key, in a table that never grows: whoever chooses the keys.

    A key needs a place (16 bytes) only while its bucket is not full. Where there is none, `when_full`
    decides: `"reject"` rejects the new key until a place is free, `"admit"` lets it pass uncounted,
    `"share_overflow"` gives all such keys one bucket together.

    Args:
        rate: Units per `per` for each key, a whole number.
        per: Seconds or a `timedelta`.
        burst: Size of a clump, in total; by default `rate`.
        capacity: Keys that are limited at a time; choose half as many more.
        when_full: What happens to a key without a place.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("__weakref__", "_core", "_name", "_quota")

    def __init__(
        self,
        rate: int,
        per: Duration = 1.0,
        burst: int | None = None,
        *,
        capacity: int = 16384,
        when_full: Literal["reject", "admit", "share_overflow"] = "share_overflow",
        name: str = "",
        clock: Clock = None,
    ) -> None:
        burst = rate if burst is None else burst
        self._core = _native.Keyed(
            text("name", name), rate, per, burst, capacity, text("when_full", when_full), clock
        )
        self._name = name
        self._quota = _refill(rate, per, burst)

    @property
    def quota(self) -> tuple[int, float]:
        """So many units at most for each key, and the seconds in which as many come again."""
        return self._quota

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def try_acquire(self, key: Key, cost: int = 1) -> bool:
        """True when the request of `key` is admitted. A refused one changes nothing."""
        return self._core.try_acquire(key, cost)

    def admit(self, key: Key, cost: int = 1) -> None:
        """The same by an exception, which says when to come back.

        Raises:
            RateLimitedError: Not now, or never with this cost.
        """
        self._core.admit(key, cost)

    def refund(self, key: Key, cost: int = 1) -> None:
        """Gives back units of a request that was not made after all; never more than were taken."""
        self._core.refund(key, cost)

    def available(self, key: Key) -> int:
        """Whole units of `key` that would be admitted now."""
        return self._core.available(key)

    @property
    def capacity(self) -> int:
        """Places in the table."""
        return self._core.capacity()

    def live(self) -> int:
        """Keys whose bucket is not full. Looks at every place."""
        return self._core.live()

    @property
    def overflows(self) -> int:
        """Requests that found no place so far."""
        return self._core.overflows()

    def configure(self, rate: int, per: Duration = 1.0, burst: int | None = None) -> None:
        """Changes the quota of every key and keeps what was used of it."""
        burst = rate if burst is None else burst
        self._core.configure(rate, per, burst)
        self._quota = _refill(rate, per, burst)

    def reset(self) -> None:
        """Fills the bucket of every key."""
        self._core.reset()

    def by(self, key: Callable[..., Key]) -> ByKey:
        """A decorator: `key`, called with the call's own arguments, says whose limit it is."""
        return ByKey(self._core, key)

    def __reduce__(self) -> tuple[Callable[..., KeyedRateLimiter], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<KeyedRateLimiter {self._name!r}>"


class ByKey(Policy):
    """`KeyedRateLimiter.by`."""

    __slots__ = ("_core", "_key")

    def __init__(self, core: _native.Keyed, key: Callable[..., Key]) -> None:
        self._core = core
        self._key = key

    def _run(self, attempt: Callable[[], Any]) -> Any:
        self._admit(attempt)
        return attempt()

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        self._admit(attempt)
        return await attempt()

    def _admit(self, attempt: Callable[[], Any]) -> None:
        made = cast("partial[Any]", attempt)
        self._core.admit(self._key(*made.args, **made.keywords))
