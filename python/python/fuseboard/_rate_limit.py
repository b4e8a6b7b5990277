"""`RateLimit`: waits for a limiter instead of being rejected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal

from ._durations import Duration, seconds
from ._limiter import LeakyBucket, TokenBucketRateLimiter
from ._policy import Policy


class RateLimit(Policy):
    """Calls wait for their turn, in the order in which they came, up to `max_wait`.

    Who comes takes its units at once, from the future if need be, and is told how long that is: nobody
    overtakes, and a call whose turn would come too late is rejected when it asks. A call that is
    cancelled while it waits gives its units back.

    Args:
        limiter: A `TokenBucketRateLimiter` or a `LeakyBucket`.
        max_wait: The longest wait; by default any.
    """

    __slots__ = ("_limiter", "_max_wait")

    def __init__(
        self, limiter: TokenBucketRateLimiter | LeakyBucket, *, max_wait: Duration | None = None
    ) -> None:
        if not isinstance(limiter, (TokenBucketRateLimiter, LeakyBucket)):
            raise TypeError(
                "limiter must be a TokenBucketRateLimiter or a LeakyBucket, the others have no turns "
                f"to wait for, not {type(limiter).__name__}"
            )
        self._limiter = limiter
        self._max_wait = None if max_wait is None else seconds("max_wait", max_wait)

    def _run(self, attempt: Callable[[], Any]) -> Any:
        self._limiter.acquire(max_wait=self._max_wait)
        return attempt()

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        await self._limiter.aacquire(max_wait=self._max_wait)
        return await attempt()

    def __enter__(self) -> None:
        self._limiter.acquire(max_wait=self._max_wait)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        return False

    async def __aenter__(self) -> None:
        await self._limiter.aacquire(max_wait=self._max_wait)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return f"<RateLimit on {self._limiter!r}>"
