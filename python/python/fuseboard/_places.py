"""`ConcurrencyLimit` among hosts: so many at once, each for as long as its lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, cast

from . import _native
from ._arguments import text
from ._durations import Duration
from ._engine import Engine, EngineUnavailableError, answered, core_of
from ._errors import ConcurrencyLimitError
from ._policy import Policy
from ._runtime import under_asyncio


class Place:
    """A place of a `fuseboard.redis.ConcurrencyLimit`, until it is given back; `with place:` and `async with place:` do
    that at their end. One that is forgotten gives itself back.
    """

    __slots__ = ("_core",)

    def __init__(self, core: _native.RedisPlace) -> None:
        self._core = core

    def give_back(self) -> bool:
        """Gives it back, and puts the thread to sleep until the engine knows; false where that was done before, or the
        engine may not know: then the place is free when its lease is over.
        """
        return self._core.give_back()

    async def agive_back(self) -> bool:
        """The same, while other tasks run."""
        if not under_asyncio():
            import anyio.to_thread

            return await anyio.to_thread.run_sync(self._core.give_back)
        # Whoever is cancelled meanwhile has given it back all the same.
        return await answered(self._core.begin, ends=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        self._core.let_go()
        return False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        self._core.let_go()
        return False


class ConcurrencyLimit:
    """At most `limit` holders of a key at once, among all hosts.

    A place is leased, and renewed after every third of the lease while its holder's process lives; that of a host which dies is
    free when the lease is over. There is no failure policy: where the engine is away, `EngineUnavailableError` says so.

    Args:
        engine: Where the limits are.
        limit: Places for each key; 1 to 10,000.
        lease: No longer does a host that died keep its places; 100 ms to an hour.
        name: Stands in errors.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("_core", "_limit", "_name")

    def __init__(
        self, engine: Engine, limit: int, *, lease: Duration = 30.0, name: str = ""
    ) -> None:
        self._name = text("name", name)
        self._core = _native.RedisConcurrency(core_of(engine), limit, lease)
        self._limit = limit

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def limit(self) -> int:
        """As given."""
        return self._limit

    def try_acquire(self, key: str) -> Place | None:
        """A place of `key`, or `None` where all are taken. Puts the thread to sleep while the request travels.

        Raises:
            EngineUnavailableError: The engine is away. A place that it gave unseen is free when its lease is over.
        """
        return self._place(self._core.take(key))

    async def atry_acquire(self, key: str) -> Place | None:
        """The same, while other tasks run. Cancelled, it gives back what it may have got.

        Raises:
            EngineUnavailableError: As above.
        """
        if not under_asyncio():
            import anyio.to_thread

            return await anyio.to_thread.run_sync(self.try_acquire, key)
        return self._place(await answered(partial(self._core.begin, key)))

    def acquire(self, key: str) -> Place:
        """As `try_acquire`, with an exception. It does not wait for a place.

        Raises:
            ConcurrencyLimitError: All places of `key` are taken.
            EngineUnavailableError: The engine is away.
        """
        return self._given(self.try_acquire(key))

    async def aacquire(self, key: str) -> Place:
        """As `atry_acquire`, with an exception. It does not wait for a place.

        Raises:
            ConcurrencyLimitError: All places of `key` are taken.
            EngineUnavailableError: The engine is away.
        """
        return self._given(await self.atry_acquire(key))

    def available(self, key: str) -> int:
        """Places of `key` that are free. Puts the thread to sleep while the request travels.

        Raises:
            EngineUnavailableError: The engine is away.
        """
        free, why = self._core.available(key)
        if free is None:
            raise self._away(why)
        return free

    def by(self, key: Callable[..., str]) -> InPlace:
        """A decorator of plain functions and `async def`: `key`, called with the call's own arguments, says whose place
        the call needs.
        """
        return InPlace(self, key)

    def _place(self, taken: _native._Taken) -> Place | None:
        place, why = taken
        if why is not None:
            raise self._away(why)
        return None if place is None else Place(place)

    def _given(self, place: Place | None) -> Place:
        if place is None:
            raise ConcurrencyLimitError(self._name, "full", None)
        return place

    def _away(self, why: str | None) -> EngineUnavailableError:
        error = EngineUnavailableError(self._name, "full", None)
        error.add_note(str(why))
        return error

    def __repr__(self) -> str:
        return f"<ConcurrencyLimit {self._name!r} of {self._limit}>"


class InPlace(Policy):
    """`ConcurrencyLimit.by`."""

    __slots__ = ("_key", "_limit")

    def __init__(self, limit: ConcurrencyLimit, key: Callable[..., str]) -> None:
        self._limit = limit
        self._key = key

    def _run(self, attempt: Callable[[], Any]) -> Any:
        with self._limit.acquire(self._key_of(attempt)):
            return attempt()

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        async with await self._limit.aacquire(self._key_of(attempt)):
            return await attempt()

    def _key_of(self, attempt: Callable[[], Any]) -> str:
        made = cast("partial[Any]", attempt)
        return self._key(*made.args, **made.keywords)
