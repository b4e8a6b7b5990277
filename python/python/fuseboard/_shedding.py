"""`LoadShedding`: when it gets tight, the less important calls are rejected first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from . import _native
from ._adaptive import AdaptiveLimit
from ._arguments import function, only_shared
from ._concurrency import ConcurrencyLimit
from ._decorate import acall, call, decorate
from ._errors import ConcurrencyLimitError
from ._native import AdaptivePermit, ConcurrencyPermit
from ._policy import Policy

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Permit = TypeVar("_Permit", ConcurrencyPermit, AdaptivePermit)


class LoadShedding(Generic[_Permit]):
    """Rejects calls by priority before the places are all taken: the last ones are kept for the most important.

    Of the limit's places a call of priority 255 may take all, one of priority 0 only the share `sheds_from`, and
    those between in proportion. Calls that go past it, through the limit itself, count as they always do and may take all.

    Args:
        limit: Whose places they are; not one of a board.
        sheds_from: The share of the places that is there for priority 0; 0 to 1.

    Raises:
        ConfigError: The share is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("__weakref__", "_core", "_limit")

    @overload
    def __init__(
        self: LoadShedding[ConcurrencyPermit], limit: ConcurrencyLimit, sheds_from: float = 0.5
    ) -> None: ...
    @overload
    def __init__(
        self: LoadShedding[AdaptivePermit], limit: AdaptiveLimit, sheds_from: float = 0.5
    ) -> None: ...
    def __init__(self, limit: ConcurrencyLimit | AdaptiveLimit, sheds_from: float = 0.5) -> None:
        if not isinstance(limit, (ConcurrencyLimit, AdaptiveLimit)):
            raise TypeError(
                f"limit must be a ConcurrencyLimit or an AdaptiveLimit, not {type(limit).__name__}"
            )
        self._core = _native.LoadShedding(limit._core, sheds_from)
        self._limit = limit

    @property
    def name(self) -> str:
        """The limit's."""
        return self._limit.name

    @property
    def limit(self) -> int:
        """Calls allowed at once now, of the highest priority."""
        return self._limit.limit

    @property
    def in_flight(self) -> int:
        """Calls at the moment, of all priorities."""
        return self._limit.in_flight

    def places(self, priority: int) -> int:
        """A call of this priority is admitted while fewer than so many are in flight."""
        return self._core.places(priority)

    def acquire(self, priority: int) -> _Permit:
        """A place, to settle as the limit's own permits: by hand or by `with permit:`. It never waits.

        Raises:
            ConcurrencyLimitError: The places for this priority are taken.
        """
        return cast("_Permit", self._core.acquire(priority))

    def try_acquire(self, priority: int) -> _Permit | None:
        """A place, or `None`."""
        try:
            return self.acquire(priority)
        except ConcurrencyLimitError:
            return None

    def at(self, priority: int) -> PrioritizedLimit:
        """The limit as calls of this priority see it: a decorator, and a part of a `Pipeline`."""
        return PrioritizedLimit(self._core, self._limit.name, priority)

    def by(self, priority: Callable[..., int]) -> ByPriority:
        """A decorator of plain functions and `async def`: `priority`, called with the call's own arguments, says how
        important it is.
        """
        return ByPriority(self._core, priority)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<LoadShedding {self.name!r} {self.in_flight} of {self.places(0)} to {self.limit}>"


class PrioritizedLimit:
    """`LoadShedding.at`."""

    __slots__ = ("__weakref__", "_core", "_name", "_priority")

    def __init__(self, shedding: _native.LoadShedding, name: str, priority: int) -> None:
        self._core = shedding.at(priority)
        self._name = name
        self._priority = priority

    @property
    def name(self) -> str:
        """The limit's."""
        return self._name

    @property
    def priority(self) -> int:
        """As given."""
        return self._priority

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function: a call that is shed raises `ConcurrencyLimitError`."""
        return decorate(function, self._core)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`.

        Raises:
            ConcurrencyLimitError: The call was not made.
        """
        return call(function, self._core, args, kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`.

        Raises:
            ConcurrencyLimitError: The call was not made.
        """
        return await acall(function, self._core, args, kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<PrioritizedLimit {self._name!r} at {self._priority}>"


class ByPriority(Policy):
    """`LoadShedding.by`."""

    __slots__ = ("_core", "_priority")

    def __init__(self, core: _native.LoadShedding, priority: Callable[..., int]) -> None:
        function("priority", priority)
        self._core = core
        self._priority = priority

    def _run(self, attempt: Callable[[], Any]) -> Any:
        with self._admit(attempt):
            return attempt()

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        with self._admit(attempt):
            return await attempt()

    def _admit(self, attempt: Callable[[], Any]) -> ConcurrencyPermit | AdaptivePermit:
        made = cast("partial[Any]", attempt)
        return self._core.acquire(self._priority(*made.args, **made.keywords))
