"""The engine that hosts share, what is raised where it is away, and how a task waits for what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, cast

from . import _native
from ._arguments import instance, text
from ._durations import Duration
from ._errors import Reason, RejectedError
from ._events import CircuitState

_T = TypeVar("_T")


_KINDS = {Reason.FULL: "concurrency limit", Reason.OPEN: "hints of circuit breaker"}


class EngineUnavailableError(RejectedError):
    """The engine was away, and nothing else admitted the call: to HTTP that is 503, not 429."""

    def __str__(self) -> str:
        kind = _KINDS.get(self.reason, "rate limiter")
        what = f"{kind} {self.name!r}" if self.name else kind
        if self.retry_after is None:
            return f"{what}: its engine is away"
        return f"{what}: its engine is away and the failure policy denies; retry after {self.retry_after:.9g} s"


class Engine:
    """A server or cluster, shared by all limiters of the process. A forked child makes connections of its own.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, or several: nodes of one cluster.
        deadline: No request waits longer; 1 ms to 10 s.

    Raises:
        ConfigError: The address is none, or the deadline out of its range. Nothing is connected yet.
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, url: str | Sequence[str], *, deadline: Duration = 0.05) -> None:
        urls = [url] if isinstance(url, str) else [text("url", one) for one in url]
        self._core = _native.RedisEngine(urls, deadline)

    @property
    def state(self) -> CircuitState:
        """Of the breaker before it: open after five failures of ten, and then no request waits."""
        return self._core.state()

    def __repr__(self) -> str:
        # Its address may hold a password.
        return f"<Engine {self.state}>"


def core_of(engine: Engine) -> _native.RedisEngine:
    """The native object."""
    return instance("engine", engine, Engine, "an Engine")._core


async def answered(
    begin: Callable[[Callable[[_T], object]], _T | _native.RedisRequest], *, ends: bool = True
) -> _T:
    """The answer to a request, under asyncio. Cancelled, the request `ends` too."""
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[_T] = loop.create_future()
    begun = begin(partial(_tell, loop, decided))
    if not isinstance(begun, _native.RedisRequest):
        return begun
    try:
        return await decided
    except asyncio.CancelledError:
        if ends:
            begun.cancel()
        raise


def _tell(loop: asyncio.AbstractEventLoop, decided: asyncio.Future[_T], answer: _T) -> None:
    try:
        loop.call_soon_threadsafe(_decide, decided, answer)
    except RuntimeError:
        # The loop has ended meanwhile, and with it whoever waited.
        pass


def _decide(decided: asyncio.Future[_T], answer: _T) -> None:
    if not decided.done():
        decided.set_result(answer)
