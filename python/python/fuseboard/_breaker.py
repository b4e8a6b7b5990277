"""`CircuitBreaker`: one object that is a decorator, a context manager and a caller."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from . import _native
from ._arguments import function, functions, instance, only_shared, text
from ._board import Board, WhenDifferent
from ._classify import ExceptionFilter, classifier
from ._durations import Duration
from ._decorate import acall, call, decorate
from ._entered import Entered
from ._errors import ConfigError
from ._events import CircuitState, Counts, Snapshot, Totals, Transition, transition
from ._native import Latency, Permit, Window
from ._runtime import Clock, system_clock

_P = ParamSpec("_P")
_R = TypeVar("_R")

class Settings(TypedDict, total=False):
    """What `CircuitBreaker.configure` changes; see `CircuitBreaker` for each."""

    failure_threshold: float
    minimum_requests: int
    open_timeout: Duration
    half_open_requests: int
    window_size: Duration
    window: Window
    slow_call_duration: Duration | None
    slow_call_threshold: float
    count_overdue: bool
    half_open_successes: int | None
    half_open_failures: int
    probe_lease: Duration | None
    open_backoff: float
    open_timeout_max: Duration
    open_jitter: float
    jitter_seed: int
    ramp_up: Duration
    record_latency: bool


class CircuitBreaker:
    """Stops calling what keeps failing, and finds out by a few probes when it works again.

    Use it as a decorator of any kind of function, as `with breaker:` or `async with breaker:`, by
    `breaker.call(function, ...)`, or by hand with `breaker.try_acquire()`. It may be shared by any
    number of threads and tasks; nothing in it blocks.

    The exception of a failed call always propagates unchanged. An exception that is no `Exception`
    (`CancelledError`, `KeyboardInterrupt`, `GeneratorExit`) is neutral: it counts as nothing and a
    probe's place is given back.

    Durations are seconds or a `timedelta`.

    Args:
        name: Stands in errors and events.
        failure_threshold: Trips when this share of the calls failed; more than 0, at most 1.
        minimum_requests: Calls below which nothing is judged; 1 to 1,000,000.
        open_timeout: How long it stays open.
        half_open_requests: Probes in flight at once in half-open; 1 to 511.
        window_size: Judge the calls of the last so many seconds; by default 10.
        window: Judge another span, such as `Window.count(100)`; not together with `window_size`.
        slow_call_duration: A call is slow when it took longer; by default calls are not timed.
        slow_call_threshold: Trips when this share of the calls was slow; more than 0, at most 1.
        count_overdue: Calls in flight for longer than `slow_call_duration` count as slow before they
            end; the window must be of time and at least one slot longer than that.
        half_open_successes: Successful probes that close it; by default `half_open_requests`.
        half_open_failures: Failed probes tolerated in a round.
        probe_lease: A probe not heard of for so long is lost; by default `open_timeout`.
        open_backoff: Each opening in a row lasts this many times the one before; 1 to 100.
        open_timeout_max: The longest that back-off may reach.
        open_jitter: Lengthens each opening by up to this share; 0 to 1.
        jitter_seed: Where the jitter's draws start.
        ramp_up: After closing, the admitted share rises from a tenth to all over this time.
        record_latency: Counts how long each call takes, for `latency()`.
        failures: Exceptions that are failures: a type, a tuple of types, or a predicate. Any other
            `Exception` is a success: the callee answered.
        ignore: Exceptions that count as nothing.
        is_failure: Is asked about each returned value; true makes the call a failure.
        listeners: Each is called with a `Transition` after a change of state. What it raises goes
            to `sys.unraisablehook`, never to the caller; so do the faults of the predicates.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.
        board: Shares it with all processes that use the same `Board` and name.
        when_different: Where it runs on the board with other settings: `"refuse"` raises, `"update"` takes these
            over and keeps the state, `"keep"` leaves them as they are.
        saved: Goes on with what `save()` gave; the window must be of the same kind and size.
        away: How long that is ago.

    Raises:
        ConfigError: A value is out of its range, or `saved` is not what such a breaker gave.
        BoardError: On the board it runs with other settings, or all slots are taken.
        TypeError: A value has the wrong type.
    """

    __slots__ = (
        "__weakref__",
        "_acquire",
        "_configuring",
        "_core",
        "_entered",
        "_name",
        "_pickled",
        "_settings",
    )

    def __init__(
        self,
        name: str,
        *,
        failure_threshold: float = 0.5,
        minimum_requests: int = 20,
        open_timeout: Duration = 30.0,
        half_open_requests: int = 3,
        window_size: Duration | None = None,
        window: Window | None = None,
        slow_call_duration: Duration | None = None,
        slow_call_threshold: float = 1.0,
        count_overdue: bool = False,
        half_open_successes: int | None = None,
        half_open_failures: int = 0,
        probe_lease: Duration | None = None,
        open_backoff: float = 1.0,
        open_timeout_max: Duration = 600.0,
        open_jitter: float = 0.0,
        jitter_seed: int = 0,
        ramp_up: Duration = 0.0,
        record_latency: bool = False,
        failures: ExceptionFilter = Exception,
        ignore: ExceptionFilter = (),
        is_failure: Callable[[Any], bool] | None = None,
        listeners: Iterable[Callable[[Transition], object]] = (),
        clock: Clock = None,
        board: Board | None = None,
        when_different: WhenDifferent = "refuse",
        saved: bytes | None = None,
        away: Duration = 0.0,
    ) -> None:
        text("name", name)
        self._settings: Settings = {
            "failure_threshold": failure_threshold,
            "minimum_requests": minimum_requests,
            "open_timeout": open_timeout,
            "half_open_requests": half_open_requests,
            "slow_call_duration": slow_call_duration,
            "slow_call_threshold": slow_call_threshold,
            "count_overdue": count_overdue,
            "half_open_successes": half_open_successes,
            "half_open_failures": half_open_failures,
            "probe_lease": probe_lease,
            "open_backoff": open_backoff,
            "open_timeout_max": open_timeout_max,
            "open_jitter": open_jitter,
            "jitter_seed": jitter_seed,
            "ramp_up": ramp_up,
            "record_latency": record_latency,
        }
        spans: Settings = {}
        if window_size is not None:
            spans["window_size"] = window_size
        if window is not None:
            spans["window"] = window
        _one_span(spans)
        self._settings |= spans
        told = functions("listeners", listeners)
        if is_failure is not None:
            function("is_failure", is_failure)
        classify = classifier(failures, ignore)
        if saved is not None:
            instance("saved", saved, bytes, "bytes")
        if board is None:
            self._core = _native.Breaker(
                name,
                self._settings,
                classify,
                is_failure,
                told,
                transition,
                clock,
                None if saved is None else (saved, away),
            )
            self._pickled = None
        else:
            system_clock(clock)
            instance("board", board, Board, "a Board")
            text("when_different", when_different)
            if saved is not None:
                raise TypeError("saved cannot be given with a board: it keeps the breaker itself")
            self._core = board._core.breaker(
                name, self._settings, when_different, classify, is_failure, told, transition
            )
            self._pickled = (name, board, self._settings, failures, ignore, is_failure, told)
        self._name = name
        self._acquire = self._core.acquire
        self._entered: Entered[Permit] = Entered()
        self._configuring = threading.Lock()

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def state(self) -> CircuitState:
        """What it does at the moment. `OPEN` stays `OPEN` until a probe is admitted."""
        return self._core.state()

    def snapshot(self) -> Snapshot:
        """State, window and totals in one look."""
        state, generation, in_flight, since, retry_after, overdue, window, totals = (
            self._core.snapshot()
        )
        return Snapshot(
            state,
            generation,
            in_flight,
            since,
            retry_after,
            overdue,
            Counts(*window),
            Totals(*totals),
        )

    def stats(self) -> Counts:
        """What is judged at the moment: `snapshot().window`."""
        return self.snapshot().window

    def check(self) -> None:
        """Whether a call would be admitted now. It takes no probe's place, and the call itself may still be
        rejected.

        Raises:
            CircuitOpenError: Not now.
        """
        self._core.check()

    def save(self) -> bytes:
        """State, window and totals as bytes, for `CircuitBreaker(..., saved=...)` in a later process. Probes in
        flight are not kept.

        Raises:
            TypeError: It is on a board, which keeps it.
        """
        return self._core.save()

    def latency(self) -> Latency | None:
        """How long calls took that ended in success or failure; `None` unless `record_latency` is on."""
        return self._core.latency()

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates a plain function, an `async def`, a generator or an async generator."""
        return decorate(function, self._core)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`; of an `async def` it returns the coroutine.

        Raises:
            CircuitOpenError: The call was not made.
        """
        return call(function, self._core, args, kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`.

        Raises:
            CircuitOpenError: The call was not made.
        """
        return await acall(function, self._core, args, kwargs)

    def try_acquire(self) -> Permit | None:
        """A permit to settle by hand, or `None` instead of an exception. The permit is a context
        manager too, and one that is forgotten is cancelled.
        """
        return self._core.try_acquire()

    def acquire(self) -> Permit:
        """A permit to settle by hand. It never waits.

        Raises:
            CircuitOpenError: Not now.
        """
        return self._acquire()

    def __enter__(self) -> Permit:
        permit = self._acquire()
        self._entered.push(sys._getframe(1), permit)
        return permit

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]:
        permit = self._entered.pop(sys._getframe(1))
        if permit is not None:
            permit.__exit__(kind, exception, traceback)
        return False

    # Plain functions that return an awaitable: their caller's frame is the block's own.
    def __aenter__(self) -> Awaitable[Permit]:
        return _entering(self._acquire, self._entered, sys._getframe(1))

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Awaitable[Literal[False]]:
        return _leaving(self._entered.pop(sys._getframe(1)), kind, exception, traceback)

    def force_open(
        self, duration: Duration | None = None, *, until: datetime | None = None
    ) -> None:
        """Rejects every call until `reset`; or for a `duration`, or `until` a time of day, after which the next
        call is a probe.
        """
        if until is not None:
            if duration is not None:
                raise TypeError("force_open takes a duration or until, not both")
            instance("until", until, datetime, "a datetime")
            duration = max(0.0, until.timestamp() - time.time())
        self._core.force_open(duration)

    def disable(self) -> None:
        """Lets every call pass uncounted until `reset`."""
        self._core.disable()

    def metrics_only(self) -> None:
        """Lets every call pass and counts it, until `reset`."""
        self._core.metrics_only()

    def reset(self) -> None:
        """Closes it with an empty window; calls in flight count as nothing."""
        self._core.reset()

    def configure(self, **settings: Unpack[Settings]) -> None:
        """Changes the settings named and keeps the state. The window's kind and size stay.

        Raises:
            ConfigError: A value is out of its range; nothing has changed.
            TypeError: A value has the wrong type, or there is no such setting.
        """
        _one_span(settings)
        with self._configuring:
            merged = self._settings.copy()
            if "window" in settings:
                merged.pop("window_size", None)
            if "window_size" in settings:
                merged.pop("window", None)
            merged |= settings
            self._core.configure(merged)
            self._settings = merged

    def __reduce__(self) -> tuple[Callable[..., CircuitBreaker], tuple[Any, ...]]:
        if self._pickled is None:
            only_shared(self)
        return _reopened, self._pickled

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._name!r} {self.state}>"


def _reopened(
    name: str,
    board: Board,
    settings: Settings,
    failures: ExceptionFilter,
    ignore: ExceptionFilter,
    is_failure: Callable[[Any], bool] | None,
    listeners: tuple[Callable[[Transition], object], ...],
) -> CircuitBreaker:
    return board.breaker(
        name,
        failures=failures,
        ignore=ignore,
        is_failure=is_failure,
        listeners=listeners,
        **settings,
    )


async def _entering(
    acquire: Callable[[], Permit], entered: Entered[Permit], frame: Any
) -> Permit:
    permit = acquire()
    entered.push(frame, permit)
    return permit


async def _leaving(
    permit: Permit | None,
    kind: type[BaseException] | None,
    exception: BaseException | None,
    traceback: TracebackType | None,
) -> Literal[False]:
    if permit is not None:
        permit.__exit__(kind, exception, traceback)
    return False


def _one_span(settings: Settings) -> None:
    if "window" in settings and "window_size" in settings:
        raise ConfigError(
            "window",
            "window is given together with window_size; allowed: one of them, "
            "window_size is short for Window.time(window_size)",
        )
