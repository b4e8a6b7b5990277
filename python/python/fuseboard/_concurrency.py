"""How many calls at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

from . import _native
from ._arguments import instance, only_shared, text
from ._board import Board, WhenDifferent
from ._decorate import acall, call, decorate
from ._native import ConcurrencyPermit

_P = ParamSpec("_P")
_R = TypeVar("_R")


class ConcurrencyLimit:
    """Admits `limit` calls at once. It never waits.

    Args:
        limit: Calls in flight.
        name: Stands in errors.
        board: Shares it with all processes that use the same `Board` and name.
        when_different: Where it runs on the board with another limit: `"refuse"` raises, `"update"` takes this
            one over, `"keep"` leaves it as it is.

    Raises:
        ConfigError: The limit is out of its range.
        BoardError: On the board it runs with another limit, or all slots are taken.
        TypeError: It has the wrong type.
    """

    __slots__ = ("__weakref__", "_core", "_name", "_pickled")

    def __init__(
        self, limit: int, *, name: str = "", board: Board | None = None, when_different: WhenDifferent = "refuse"
    ) -> None:
        self._pickled: tuple[Board, str, int] | None = None
        if board is None:
            self._core = _native.Concurrency(text("name", name), limit)
        else:
            text("name", name)
            instance("board", board, Board, "a Board")
            text("when_different", when_different)
            self._core = board._core.concurrency_limit(name, limit, when_different)
            self._pickled = (board, name, limit)
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

    def acquire(self) -> ConcurrencyPermit:
        """As `try_acquire`, with an exception. It never waits.

        Raises:
            ConcurrencyLimitError: As many calls as allowed are in flight.
        """
        return self._core.acquire()

    def configure(self, limit: int) -> None:
        """Changes the limit; calls in flight stay."""
        self._core.configure(limit)

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function: a call too many raises `ConcurrencyLimitError`."""
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

    def __reduce__(self) -> tuple[Callable[..., ConcurrencyLimit], tuple[Any, ...]]:
        if self._pickled is None:
            only_shared(self)
        return Board.concurrency_limit, self._pickled

    def __repr__(self) -> str:
        return f"<ConcurrencyLimit {self._name!r} {self.in_flight} of {self.limit}>"
