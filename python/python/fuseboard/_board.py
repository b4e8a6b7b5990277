"""`Board`: breakers and limits that all processes of a host share."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, Unpack

from . import _native
from ._arguments import instance
from ._classify import ExceptionFilter
from ._durations import Duration
from ._errors import BoardError
from ._events import (
    AttachedProcess,
    BoardTransition,
    BoardTransitions,
    Transition,
    TransitionCursor,
    transition,
)

if TYPE_CHECKING:
    from ._breaker import CircuitBreaker, Settings
    from ._concurrency import ConcurrencyLimit
    from ._limiter import TokenBucketRateLimiter

WhenDifferent: TypeAlias = Literal["refuse", "update", "keep"]
"""What becomes of a name that runs with other settings."""


class Board:
    """Breakers and limits that all processes of a host share: in any mix of Python, Rust, C and C++.

    A breaker that one process trips is open for all, with its next call. A process that is killed holds
    nobody up: probes come back with their lease, places of a limit when somebody finds it full.
    There are 64 names of each kind, and 128 processes at once. Linux.

    Make one by `Board.open(path)`, for processes that know the path; by `Board.anonymous()`, for children
    that this process forks; or by `Board.private()`, for this process alone.

    A forked child may use all that it inherits. What came from `Board.open` can be pickled, and so passed to
    processes that `multiprocessing` spawns.
    """

    __slots__ = ("__weakref__", "_core", "_path")

    _core: _native.Board
    _path: tuple[str, bool] | None

    def __init__(self) -> None:
        raise TypeError("make a board by Board.open(path), Board.anonymous() or Board.private()")

    @classmethod
    def _of(cls, native: _native.Board, path: tuple[str, bool] | None = None) -> Self:
        board = cls.__new__(cls)
        board._core = native
        board._path = path
        return board

    @classmethod
    def open(cls, path: str | bytes | os.PathLike[Any], *, on_disk: bool = False) -> Self:
        """Opens the board at `path`, such as `/dev/shm/shop`; makes it if it is not there.

        Args:
            path: On tmpfs.
            on_disk: Another filesystem than tmpfs will do.

        Raises:
            BoardError: What the system refused; or what of the file is not as it must be, with what to
                do.
        """
        where = os.fsdecode(path)
        return cls._of(_available().open(where, on_disk), (where, on_disk))

    @classmethod
    def anonymous(cls) -> Self:
        """A board without a name, sealed, for the children that this process forks.

        Raises:
            BoardError: What the system refused.
        """
        return cls._of(_available().anonymous())

    @classmethod
    def private(cls) -> Self:
        """A board of this process alone, with the same interface. A forked child has its own copy."""
        return cls._of(_available().private())

    @classmethod
    def open_or_private(
        cls,
        path: str | bytes | os.PathLike[Any],
        *,
        on_disk: bool = False,
        fallback: Callable[[BoardError], object] | None = None,
    ) -> Self:
        """Opens the board at `path`; where that cannot be done, tells `fallback` why (by default a
        `RuntimeWarning` does) and goes on with a private one.
        """
        try:
            return cls.open(path, on_disk=on_disk)
        except BoardError as error:
            if fallback is None:
                warnings.warn(f"not shared between processes: {error}", RuntimeWarning, stacklevel=2)
            else:
                fallback(error)
            return cls.private()

    @property
    def shared(self) -> bool:
        """Whether other processes can see it."""
        return self._core.is_shared()

    def transitions_since(self, cursor: TransitionCursor | None = None) -> BoardTransitions:
        """The changes of all breakers that came after `cursor`, whichever process caused them; without one,
        the oldest that the board keeps: it keeps the last 128.

        This is how a process learns of what others caused: `listeners` hear only their own.
        """
        if cursor is not None:
            instance("cursor", cursor, TransitionCursor, "a TransitionCursor")
        found, lost, [following, gaps] = self._core.transitions_since(cursor)
        changes = (BoardTransition(process, transition(*fields)) for process, fields in found)
        return BoardTransitions(tuple(changes), lost, TransitionCursor(following, gaps))

    def transitions_end(self) -> TransitionCursor:
        """The cursor of somebody who wants to know only what changes from now on."""
        return TransitionCursor(*self._core.transitions_end())

    def attached(self) -> list[AttachedProcess]:
        """The processes that are attached. One attaches when it first claims a name; looking attaches nobody."""
        return [AttachedProcess(*fields) for fields in self._core.attached()]

    def breaker(
        self,
        name: str,
        *,
        when_different: WhenDifferent = "refuse",
        failures: ExceptionFilter = Exception,
        ignore: ExceptionFilter = (),
        is_failure: Callable[[Any], bool] | None = None,
        listeners: Iterable[Callable[[Transition], object]] = (),
        **settings: Unpack[Settings],
    ) -> CircuitBreaker:
        """The breaker of this name: `CircuitBreaker(name, board=self, ...)`.

        Its windows have 10 slots at most, and its clock is the system's coarse one. What is a failure, and
        who listens, is each process's own.

        Args:
            when_different: Where it runs with other settings: `"refuse"` raises, `"update"` takes these over and keeps
                the state, `"keep"` leaves them as they are.

        Raises:
            BoardError: It runs with other settings, or all slots are taken.
            ConfigError: A value is out of its range.
        """
        from ._breaker import CircuitBreaker

        return CircuitBreaker(
            name,
            board=self,
            when_different=when_different,
            failures=failures,
            ignore=ignore,
            is_failure=is_failure,
            listeners=listeners,
            **settings,
        )

    def token_bucket(
        self,
        name: str,
        rate: int,
        per: Duration = 1.0,
        burst: int | None = None,
        *,
        when_different: WhenDifferent = "refuse",
    ) -> TokenBucketRateLimiter:
        """One rate for all processes: `TokenBucketRateLimiter(rate, ..., name=name, board=self)`.

        Raises:
            BoardError: It runs with other settings, or all slots are taken.
            ConfigError: A value is out of its range.
        """
        from ._limiter import TokenBucketRateLimiter

        return TokenBucketRateLimiter(rate, per, burst, name=name, board=self, when_different=when_different)

    def concurrency_limit(
        self, name: str, limit: int, *, when_different: WhenDifferent = "refuse"
    ) -> ConcurrencyLimit:
        """So many calls at once in all processes: `ConcurrencyLimit(limit, name=name, board=self)`; 1 to
        65,535.

        Raises:
            BoardError: It runs with another limit, or all slots are taken.
            ConfigError: The limit is out of its range.
        """
        from ._concurrency import ConcurrencyLimit

        return ConcurrencyLimit(limit, name=name, board=self, when_different=when_different)

    def __reduce__(self) -> tuple[Callable[..., Board], tuple[str, bool]]:
        if self._path is None:
            raise TypeError(
                "a board without a path cannot be pickled: fork, or share one made by Board.open(path)"
            )
        return _reopened, self._path

    def __repr__(self) -> str:
        if self._path is not None:
            return f"Board.open({self._path[0]!r})"
        return "<Board anonymous>" if self.shared else "<Board private>"


def _reopened(path: str, on_disk: bool) -> Board:
    return Board.open(path, on_disk=on_disk)


def _available() -> type[_native.Board]:
    if sys.platform != "linux":
        raise BoardError("board: only Linux has what it needs")
    return _native.Board
