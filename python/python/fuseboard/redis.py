"""Limits that many hosts share, through a Redis or Valkey that you already run.

    limiter = SlidingWindowRateLimiter(Engine("redis://127.0.0.1/"), 100, 60, on_failure="open")
    if limiter.allow("user 4711"): ...           # or: await limiter.aallow("user 4711")

A request that has to travel does so on threads of the native module, together with others for the same key, and no
longer than the engine's deadline. Without an engine the failure policy decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from . import _native
from ._arguments import instance, text
from ._durations import Duration, as_seconds
from ._engine import Engine, EngineUnavailableError, answered, core_of
from ._errors import RateLimitedError
from ._hints import BreakerHints
from ._limiter import _refill
from ._places import ConcurrencyLimit, Place
from ._policy import Policy
from ._runtime import under_asyncio

__all__ = [
    "BreakerHints",
    "ConcurrencyLimit",
    "Decision",
    "Engine",
    "EngineUnavailableError",
    "FailurePolicy",
    "FixedWindowRateLimiter",
    "Lease",
    "LocalShare",
    "Place",
    "RateLimiter",
    "SlidingCounterRateLimiter",
    "SlidingWindowRateLimiter",
    "TokenBucketRateLimiter",
]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is admitted, and what is left."""

    is_allowed: bool
    limit: int
    """Most that is admitted at once."""
    remaining: int | None
    """What is left now; `None` where nobody knows."""
    retry_after: float | None
    """Seconds until the same request can be admitted; `None`: never, it costs more than the limit."""
    reset_after: float
    """Seconds until all of the limit is there again, at most; 0 also where nobody knows."""
    source: str
    """Who decided: `"engine"`, `"lease"`, `"deny_cache"` or `"fallback"`."""
    why: str | None
    """Of a fallback: why the engine did not decide."""
    may_have_taken: bool
    """Whether more may have been taken than was admitted, because the engine's answer was lost."""

    @property
    def is_fallback(self) -> bool:
        """Whether the engine was away and the failure policy decided."""
        return self.source == "fallback"


@dataclass(frozen=True, slots=True)
class LocalShare:
    """While the engine is away, each process limits for itself, to this share of the limit: one by the number of
    processes.
    """

    share: float


FailurePolicy: TypeAlias = Literal["open", "closed", "keep_lease"] | LocalShare
"""What is decided while the engine is away: everything is admitted; nothing is; what was fetched is used up, then
nothing; or each process limits for itself.
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """Units fetched before they are asked for, so that most requests do not travel."""

    most: int
    """Units at a time; 1 to 1,000,000."""
    expires_after: Duration = 1.0
    """Unused ones are given up then; 1 ms to 10 s."""
    least_trip_interval: Duration = 0.01
    """The engine is asked for a key at most once in it; 0 to 10 s."""


class RateLimiter:
    """What these limiters have in common; make one of its kinds."""

    __slots__ = ("__weakref__", "_core", "_name", "_quota")

    def __init__(
        self, core: _native.RedisRateLimiter, name: str, quota: tuple[int, float]
    ) -> None:
        self._core = core
        self._name = text("name", name)
        self._quota = quota

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def quota(self) -> tuple[int, float]:
        """So many units at most for each key, and the seconds in which as many come again."""
        return self._quota

    def check(self, key: str, cost: int = 1) -> Decision:
        """Decides, and says what is left. Puts the thread to sleep while the request travels. Cost 0 only looks."""
        return Decision(*self._core.check(key, cost))

    async def acheck(self, key: str, cost: int = 1) -> Decision:
        """Decides, while other tasks run. Cancelled, what it takes is given back."""
        if not under_asyncio():
            import anyio.to_thread

            return await anyio.to_thread.run_sync(self.check, key, cost)
        return Decision(*await answered(partial(self._core.begin, key, cost)))

    def allow(self, key: str, cost: int = 1) -> bool:
        """`check(key, cost).is_allowed`."""
        return self.check(key, cost).is_allowed

    async def aallow(self, key: str, cost: int = 1) -> bool:
        """`(await acheck(key, cost)).is_allowed`."""
        return (await self.acheck(key, cost)).is_allowed

    def admit(self, key: str, cost: int = 1) -> Decision:
        """As `check`, with an exception.

        Raises:
            RateLimitedError: Not now, or never with this cost.
            EngineUnavailableError: The engine is away, and the failure policy denies.
        """
        return self._admitted(self.check(key, cost))

    async def aadmit(self, key: str, cost: int = 1) -> Decision:
        """As `acheck`, with an exception.

        Raises:
            RateLimitedError: Not now, or never with this cost.
            EngineUnavailableError: The engine is away, and the failure policy denies.
        """
        return self._admitted(await self.acheck(key, cost))

    def _admitted(self, decision: Decision) -> Decision:
        if decision.is_allowed:
            return decision
        reason = "never" if decision.retry_after is None else "limited"
        error = EngineUnavailableError if decision.is_fallback else RateLimitedError
        raise error(self._name, reason, decision.retry_after)

    def refund(self, key: str, cost: int = 1) -> bool:
        """Gives back units of a request that was not made after all; false where the engine could not be told."""
        return self._core.refund(key, cost)

    def close(self) -> None:
        """Gives back what is left of leases, before the program ends."""
        self._core.close()

    def by(self, key: Callable[..., str]) -> ByKey:
        """A decorator of plain functions and `async def`: `key`, called with the call's own arguments, says whose
        limit it is.
        """
        return ByKey(self, key)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"


class ByKey(Policy):
    """`RateLimiter.by`."""

    __slots__ = ("_key", "_limiter")

    def __init__(self, limiter: RateLimiter, key: Callable[..., str]) -> None:
        self._limiter = limiter
        self._key = key

    def _run(self, attempt: Callable[[], Any]) -> Any:
        self._limiter.admit(self._key_of(attempt))
        return attempt()

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        await self._limiter.aadmit(self._key_of(attempt))
        return await attempt()

    def _key_of(self, attempt: Callable[[], Any]) -> str:
        made = cast("partial[Any]", attempt)
        return self._key(*made.args, **made.keywords)


class TokenBucketRateLimiter(RateLimiter):
    """At most `burst + rate * t` units in any time `t`.

    Args:
        engine: Where the limits are.
        rate: Units per `per` for each key, a whole number.
        per: Seconds or a `timedelta`; 1 ms to 366 days.
        burst: Size of a clump, in total; by default `rate`.
        on_failure: What is decided while the engine is away. There is no default: it depends on what the limit protects.
        lease: Fetch units ahead of time; by default each decision is the engine's.
        prefix: Of the engine's keys; limiters with the same one share their limits.
        remembered_keys: Keys of which denials and leases are remembered here; 64 to 16,777,216.
        name: Stands in errors.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ()

    def __init__(
        self,
        engine: Engine,
        rate: int,
        per: Duration = 1.0,
        burst: int | None = None,
        *,
        on_failure: FailurePolicy,
        lease: Lease | None = None,
        prefix: str = "fuseboard",
        remembered_keys: int = 65_536,
        name: str = "",
    ) -> None:
        burst = rate if burst is None else burst
        options = _options(on_failure, lease, prefix, remembered_keys)
        core = _native.RedisRateLimiter.token_bucket(core_of(engine), rate, per, burst, options)
        super().__init__(core, name, _refill(rate, per, burst))


class _Windowed(RateLimiter):
    __slots__ = ()

    _kind = ""

    def __init__(
        self,
        engine: Engine,
        limit: int,
        window: Duration,
        *,
        on_failure: FailurePolicy,
        lease: Lease | None = None,
        prefix: str = "fuseboard",
        remembered_keys: int = 65_536,
        name: str = "",
    ) -> None:
        options = _options(on_failure, lease, prefix, remembered_keys)
        core = _native.RedisRateLimiter.windowed(core_of(engine), self._kind, limit, window, options)
        super().__init__(core, name, (limit, as_seconds(window)))


class SlidingWindowRateLimiter(_Windowed):
    """At most `limit` units in any span of `window`, exactly; up to 10,000. Arguments as of `TokenBucketRateLimiter`."""

    __slots__ = ()

    _kind = "sliding_window"


class SlidingCounterRateLimiter(_Windowed):
    """About `limit` units in any span of `window`, up to twice that around a burst. Arguments as of
    `TokenBucketRateLimiter`.
    """

    __slots__ = ()

    _kind = "sliding_counter"


class FixedWindowRateLimiter(_Windowed):
    """At most `limit` units in each window, which begins with its first request; twice that across its edge.
    Arguments as of `TokenBucketRateLimiter`.
    """

    __slots__ = ()

    _kind = "fixed_window"


def _options(
    on_failure: FailurePolicy, lease: Lease | None, prefix: str, remembered_keys: int
) -> _native._RedisOptions:
    policy, share = str(on_failure), None
    if isinstance(on_failure, LocalShare):
        policy, share = "local_share", on_failure.share
    if lease is not None:
        instance("lease", lease, Lease, "a Lease")
    parts = None if lease is None else (lease.most, lease.expires_after, lease.least_trip_interval)
    text("prefix", prefix)
    return prefix, policy, share, parts, remembered_keys
