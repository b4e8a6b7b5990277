"""`ClientThrottle`: a client that rejects by itself what its backend would refuse."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

from . import _native
from ._arguments import function, only_shared, text
from ._classify import ExceptionFilter, classifier
from ._decorate import acall, call, decorate
from ._durations import Duration
from ._runtime import Clock

_P = ParamSpec("_P")
_R = TypeVar("_R")


class ClientThrottle:
    """Rejects calls in the share in which the backend refuses them, so that an overloaded one is not kept busy with
    refusing.

    Over the window, with `requests` asked for and `accepts` that the backend took, a call is rejected with probability
    `max(0, (requests - multiplier * accepts) / (requests + 1))`. Of a backend that takes everything nothing is rejected; of
    one that takes nothing nearly everything, but a few calls always find out. Use it as a decorator of any kind of function, as
    `with throttle:` or `async with throttle:`, by `throttle.call(function, ...)`, or by hand: `try_acquire`, then `accepted`
    or `refused`.

    Args:
        multiplier: Rejecting begins when fewer than one of so many calls is accepted; smaller rejects more. 1 to 1,000.
        window: The time that is looked back on, in ten pieces; at least 0.1 s.
        minimum_requests: Nothing is rejected while the window holds fewer.
        name: Stands in errors.
        refused_on: Exceptions by which the backend refuses, or does not answer in time: a type, a tuple of types, or a
            predicate. Any other `Exception` is an answer. A call that is stopped, and a rejection by a policy further in, count as
            nothing.
        refused_result: Is asked about each returned value; true means that the backend refused.
        seed: Where the draws start; the same one, with the same calls, rejects the same. By default each throttle draws
            its own.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("__weakref__", "_core", "_name", "_settings")

    def __init__(
        self,
        multiplier: float = 2.0,
        *,
        window: Duration = 120.0,
        minimum_requests: int = 10,
        name: str = "",
        refused_on: ExceptionFilter = Exception,
        refused_result: Callable[[Any], bool] | None = None,
        seed: int | None = None,
        clock: Clock = None,
    ) -> None:
        if refused_result is not None:
            function("refused_result", refused_result)
        self._settings: dict[str, object] = {
            "multiplier": multiplier,
            "window": window,
            "minimum_requests": minimum_requests,
            "seed": random.getrandbits(64) if seed is None else seed,
        }
        self._core = _native.Throttle(
            text("name", name),
            self._settings,
            classifier(refused_on, (), field="refused_on"),
            refused_result,
            clock,
        )
        self._name = name

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def try_acquire(self) -> bool:
        """True when the call is to be made; tell how it ended by `accepted` or `refused`. One that is rejected counts as a
        request, one that is made and never told of as nothing.
        """
        return self._core.try_acquire()

    def accepted(self) -> None:
        """The backend took the call: it answered, well or badly, but not for overload."""
        self._core.accepted()

    def refused(self) -> None:
        """The backend refused the call as too much, or did not answer in time."""
        self._core.refused()

    def counts(self) -> tuple[int, int]:
        """Requests in the window, and how many of them the backend took."""
        return self._core.counts()

    def rejection_share(self) -> float:
        """The share of calls that would be rejected now, 0 to below 1."""
        return self._core.rejection_share()

    def configure(
        self, *, multiplier: float | None = None, minimum_requests: int | None = None
    ) -> None:
        """Changes what is named; the counts stay.

        Raises:
            ConfigError: A value is out of its range; nothing has changed.
        """
        changed = dict(self._settings)
        if multiplier is not None:
            changed["multiplier"] = multiplier
        if minimum_requests is not None:
            changed["minimum_requests"] = minimum_requests
        self._core.configure(changed)
        self._settings = changed

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function: a call that is not made raises `ThrottledError`."""
        return decorate(function, self._core)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`.

        Raises:
            ThrottledError: The call was not made.
        """
        return call(function, self._core, args, kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`.

        Raises:
            ThrottledError: The call was not made.
        """
        return await acall(function, self._core, args, kwargs)

    def __enter__(self) -> None:
        self._core.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        if exception is None:
            self._core.accepted()
        else:
            self._core.raised(None, exception)
        return False

    async def __aenter__(self) -> None:
        self._core.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        return self.__exit__(kind, exception, traceback)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<ClientThrottle {self._name!r} rejecting {self.rejection_share():.0%}>"
