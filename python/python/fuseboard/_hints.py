"""`BreakerHints`: hosts tell each other that they have opened."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from . import _native
from ._arguments import instance
from ._breaker import CircuitBreaker
from ._durations import Duration
from ._engine import Engine, EngineUnavailableError, core_of


class BreakerHints:
    """Tells other hosts when a breaker opens for failures of its own, and lowers its minimum while others of its name say the
    same.

    Nobody opens because another did: one bad host must not stop all. But a dependency that fails elsewhere too needs fewer
    failures here to be believed. While the engine is away there are no hints, and the minimum is the breaker's own. Closed, or
    forgotten, it restores it. Settings that are changed meanwhile are overwritten: close it, change them, and share anew. A forked
    child shares its own.

    Args:
        engine: Where the hints are.
        breaker: Told about by its name.
        minimum_requests: The breaker's while another host says that it has opened; 1 to its own.
        counts_for: How long a host's word counts; 1 s to an hour.
        ask_every: How often the engine is asked; 10 ms to a minute.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    __slots__ = ("_breaker", "_core")

    def __init__(
        self,
        engine: Engine,
        breaker: CircuitBreaker,
        *,
        minimum_requests: int = 5,
        counts_for: Duration = 30.0,
        ask_every: Duration = 1.0,
    ) -> None:
        instance("breaker", breaker, CircuitBreaker, "a CircuitBreaker")
        self._core = _native.RedisHints(
            core_of(engine), breaker._core, breaker._settings, minimum_requests, counts_for, ask_every
        )
        self._breaker = breaker

    @property
    def breaker(self) -> CircuitBreaker:
        """As given."""
        return self._breaker

    def others(self) -> int:
        """How many other hosts say now that they have opened; none, once it was closed. Puts the thread to sleep while the
        request travels.

        Raises:
            EngineUnavailableError: The engine is away.
        """
        others, why = self._core.others()
        if why is not None:
            error = EngineUnavailableError(self._breaker.name, "open", None)
            error.add_note(why)
            raise error
        return others or 0

    def close(self) -> None:
        """Ends it; the breaker has its own minimum again."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        self._core.close()
        return False

    def __repr__(self) -> str:
        return f"<BreakerHints about {self._breaker.name!r}>"
