"""`Timeout`: a call is waited for no longer than that."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable
from typing import Any

from . import _native, _threads
from ._durations import Duration, seconds
from ._errors import CallTimeoutError, ConfigError
from ._policy import Policy
from ._runtime import under_asyncio


class Timeout(Policy):
    """Ends a call that takes too long, with `CallTimeoutError`.

    An `async def` is cancelled. A plain function cannot be stopped: it runs on a thread of its own, its
    caller goes on, and the thread ends when the function does. So that hung calls cannot pile up,
    there are at most `max_threads` of them; one more is a `ConcurrencyLimitError`.

    Put it inside of a breaker (nearer to the function), so that the breaker sees the failure.

    Args:
        limit: Seconds or a `timedelta`; more than 0.
        name: Stands in errors.
        max_threads: Plain calls at once, those that were given up included.

    Raises:
        ConfigError: A value is out of its range.
    """

    __slots__ = ("_limit", "_name", "_threads")

    def __init__(self, limit: Duration, *, name: str = "", max_threads: int = 64) -> None:
        self._limit = seconds("limit", limit)
        if self._limit == 0:
            raise ConfigError("limit", "limit is 0; allowed: more than 0 seconds")
        self._name = name
        self._threads = _native.Concurrency(name or "timeout", max_threads)

    @property
    def limit(self) -> float:
        """Seconds."""
        return self._limit

    def _run(self, attempt: Callable[[], Any]) -> Any:
        ended: queue.SimpleQueue[_threads.Ended] = queue.SimpleQueue()
        self._threads.enter()
        try:
            _threads.start(attempt, ended, f"timeout {self._name}", self._threads.leave)
        except BaseException:
            self._threads.leave()
            raise
        try:
            result, raised = ended.get(timeout=self._limit)
        except queue.Empty:
            raise CallTimeoutError(self._name, self._limit) from None
        if raised is not None:
            raise raised
        return result

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        if under_asyncio():
            scope = asyncio.timeout(self._limit)
            try:
                async with scope:
                    return await attempt()
            except TimeoutError:
                # One that the call itself raised is its own.
                if not scope.expired():
                    raise
        else:
            import anyio

            with anyio.move_on_after(self._limit):
                return await attempt()
        raise CallTimeoutError(self._name, self._limit)

    def __repr__(self) -> str:
        return f"<Timeout {self._limit:.9g} s>"
