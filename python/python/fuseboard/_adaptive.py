"""`AdaptiveLimit`: how many calls at once, found out by watching how long they take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack

from . import _native
from ._arguments import only_shared, text
from ._decorate import acall, call, decorate
from ._durations import Duration
from ._errors import ConcurrencyLimitError
from ._native import AdaptivePermit
from ._runtime import Clock

_P = ParamSpec("_P")
_R = TypeVar("_R")

Algorithm: TypeAlias = Literal["aimd", "vegas", "gradient2"]
"""How the limit moves."""


class AdaptiveSettings(TypedDict, total=False):
    """What an `AdaptiveLimit` can be told; see there for each."""

    initial_limit: int
    min_limit: int
    max_limit: int
    window: Duration
    min_samples: int
    latency_limit: Duration
    backoff: float
    tolerance: float
    smoothing: float
    baseline_windows: int


class AdaptiveLimit:
    """Admits as many calls at once as the callee can take: the limit grows while latency stays near its
    baseline, and shrinks when it rises or calls fail. It never waits.

    Args:
        algorithm: `"vegas"` estimates the callee's queue, `"gradient2"` compares with the long-term
            latency, `"aimd"` shrinks only after failures and calls longer than `latency_limit`.
        name: Stands in errors.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.
        settings: `initial_limit` (20), `min_limit` (1), `max_limit` (200), `window` (0.1 s: the limit moves
            at most once in it), `min_samples` (10), `latency_limit` (5 s, aimd), `backoff` (0.9: what
            remains after a window with a failure), `tolerance` (1.5, gradient2), `smoothing` (0.2, gradient2),
            `baseline_windows` (600: how seldom the baseline is measured anew).

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type, or there is no such setting.
    """

    __slots__ = ("__weakref__", "_algorithm", "_core", "_name", "_settings")

    def __init__(
        self,
        algorithm: Algorithm = "vegas",
        *,
        name: str = "",
        clock: Clock = None,
        **settings: Unpack[AdaptiveSettings],
    ) -> None:
        self._core = _native.Adaptive(
            text("name", name), text("algorithm", algorithm), settings, clock
        )
        self._algorithm = algorithm
        self._settings = settings
        self._name = name

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def limit(self) -> int:
        """Calls allowed at once now."""
        return self._core.limit()

    @property
    def in_flight(self) -> int:
        """Calls at the moment."""
        return self._core.in_flight()

    @property
    def baseline(self) -> float | None:
        """Seconds that a call takes without a queue, as last measured."""
        return self._core.baseline()

    def acquire(self) -> AdaptivePermit:
        """A place, to settle by hand or by `with permit:`.

        Raises:
            ConcurrencyLimitError: As many calls as allowed are in flight.
        """
        return self._core.acquire()

    def try_acquire(self) -> AdaptivePermit | None:
        """A place, or `None`."""
        try:
            return self._core.acquire()
        except ConcurrencyLimitError:
            return None

    def configure(self, **settings: Unpack[AdaptiveSettings]) -> None:
        """Changes the settings named and keeps what was found; a limit out of new bounds goes to the
        nearer one.

        Raises:
            ConfigError: A value is out of its range; nothing has changed.
            TypeError: A value has the wrong type, or there is no such setting.
        """
        merged: AdaptiveSettings = {**self._settings, **settings}
        # Where it once began is past, and must not stand against new bounds.
        checked: AdaptiveSettings = {**merged, "initial_limit": merged.get("min_limit", 1)}
        self._core.configure(self._algorithm, checked)
        self._settings = merged

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

    def __reduce__(self) -> tuple[Callable[..., AdaptiveLimit], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<AdaptiveLimit {self._name!r} {self.in_flight} of {self.limit}>"
