"""pybreaker's interface: `from fuseboard.compat import pybreaker`, or `from fuseboard.compat.pybreaker import *`.

The decisions are Fuseboard's. What is different, because pybreaker is known for it:

- Calls are not made one at a time: no lock is held while the function runs. In half-open one call at a time is a
  probe, and the others are rejected at once.
- An `async def` is guarded like any function, by `call`, `call_async` or the decorator.
- An exception that is no `Exception` (`KeyboardInterrupt`, `CancelledError`) counts as nothing.
- What a listener raises goes to `sys.unraisablehook`, not to the caller.
- The cooldown follows the monotonic clock, not the wall clock.
- There is no storage in Redis; give `board=` a `fuseboard.Board` to share a named breaker between processes.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from .. import CircuitBreaker as Native
from .. import CircuitOpenError, CircuitState, FuseboardError, Permit, Window
from .._board import Board

__all__ = (
    "STATE_CLOSED",
    "STATE_HALF_OPEN",
    "STATE_OPEN",
    "CircuitBreaker",
    "CircuitBreakerError",
    "CircuitBreakerListener",
    "CircuitMemoryStorage",
)

STATE_OPEN = "open"
STATE_CLOSED = "closed"
STATE_HALF_OPEN = "half-open"

Exclusion = type[BaseException] | Callable[[Any], bool]


class CircuitBreakerError(FuseboardError):
    """The circuit is open, or the call's failure has opened it."""


class CircuitBreakerListener:
    """Override what you want to hear of."""

    def before_call(
        self, cb: CircuitBreaker, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Before an admitted call."""

    def failure(self, cb: CircuitBreaker, exc: BaseException) -> None:
        """A call raised a system error."""

    def success(self, cb: CircuitBreaker) -> None:
        """A call succeeded, or raised what is excluded."""

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        """The state has changed."""


class CircuitBreakerState:
    """A state as listeners see it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """`closed`, `open` or `half-open`."""
        return self._name


class CircuitMemoryStorage:
    """What pybreaker's storage holds: a view of the breaker that it was given to. Its `state` is where that
    breaker starts.
    """

    def __init__(self, state: str) -> None:
        self.name = "memory"
        self.state = state
        self.counter = 0
        self.success_counter = 0
        self.opened_at: datetime | None = None

    def increment_counter(self) -> None:
        """One failure more."""
        self.counter += 1

    def reset_counter(self) -> None:
        """No failures."""
        self.counter = 0

    def increment_success_counter(self) -> None:
        """One success in half-open more."""
        self.success_counter += 1

    def reset_success_counter(self) -> None:
        """No successes in half-open."""
        self.success_counter = 0


class CircuitBreaker:
    """pybreaker's breaker: opens after `fail_max` failures in a row, for `reset_timeout` seconds.

    Args:
        fail_max: Failures in a row that open it.
        reset_timeout: Seconds that it stays open.
        success_threshold: Successes in half-open that close it.
        exclude: Exceptions that are no failures: types, or predicates.
        listeners: To tell.
        state_storage: Where it starts, and where its counters are seen.
        name: Stands in errors; the name on a board.
        throw_new_error_on_trip: The call that opens it raises `CircuitBreakerError` from its own exception.
        board: Shares it with all processes that use the same board and name.
    """

    def __init__(
        self,
        fail_max: int = 5,
        reset_timeout: float = 60,
        success_threshold: int = 1,
        exclude: Iterable[Exclusion] | None = None,
        listeners: Sequence[CircuitBreakerListener] | None = None,
        state_storage: CircuitMemoryStorage | None = None,
        name: str | None = None,
        throw_new_error_on_trip: bool = True,
        *,
        board: Board | None = None,
    ) -> None:
        self._fail_max = fail_max
        self._reset_timeout = reset_timeout
        self._success_threshold = success_threshold
        self._excluded = list(exclude or ())
        self._listeners = list(listeners or ())
        self._name = name
        self._throw = throw_new_error_on_trip
        self._board = board
        self._state_storage = state_storage or CircuitMemoryStorage(STATE_CLOSED)
        # Of the counters that are shown; never held while a function or a listener runs.
        self._lock = threading.Lock()
        self._hooks = threading.RLock()
        self._native = self._make()
        self._seen = CircuitBreakerState(STATE_CLOSED)
        self._take_over(self._state_storage.state)

    def _make(self) -> Native:
        return Native(
            self._name or "pybreaker",
            window=Window.consecutive(self._fail_max),
            open_timeout=self._reset_timeout,
            half_open_requests=1,
            half_open_successes=self._success_threshold,
            board=self._board,
        )

    def _take_over(self, state: str) -> None:
        if state == STATE_CLOSED:
            self._native.reset()
        elif state == STATE_OPEN:
            self._native.force_open(self._reset_timeout)
        elif state == STATE_HALF_OPEN:
            # The next call is a probe.
            self._native.force_open(0)
        else:
            raise ValueError(f"Unknown state {state!r}, valid states: closed, open, half-open")
        self._state_storage.state = state
        self._seen = CircuitBreakerState(state)

    @property
    def current_state(self) -> str:
        """`closed`, `open` or `half-open`."""
        match self._native.state:
            case CircuitState.OPEN:
                return STATE_OPEN
            case CircuitState.FORCED_OPEN:
                waiting = self._native.snapshot().retry_after
                return STATE_HALF_OPEN if waiting == 0 else self._seen.name
            case CircuitState.HALF_OPEN:
                return STATE_HALF_OPEN
            case _:
                return STATE_CLOSED

    @property
    def state(self) -> CircuitBreakerState:
        """The state, as an object with a name."""
        self._notice()
        return self._seen

    def _notice(self) -> None:
        """Tells listeners of a change that has become true."""
        now = self.current_state
        with self._lock:
            before = self._seen
            if before.name == now:
                return
            self._seen = after = CircuitBreakerState(now)
            self._state_storage.state = now
            if now == STATE_OPEN:
                self._state_storage.opened_at = datetime.now(UTC)
                self._state_storage.reset_success_counter()
            elif now == STATE_CLOSED:
                self._state_storage.reset_counter()
                self._state_storage.reset_success_counter()
        for listener in self.listeners:
            self._tell(listener.state_change, before, after)

    def _tell(self, hook: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        try:
            # One at a time, as listeners of pybreaker expect; the function itself runs outside.
            with self._hooks:
                hook(self, *args, **kwargs)
        except Exception as error:
            arguments = (type(error), error, error.__traceback__, None, hook)
            sys.unraisablehook(_Unraisable(*arguments))

    def open(self) -> bool:
        """Opens it for `reset_timeout`."""
        self._native.force_open(self._reset_timeout)
        self._move(STATE_OPEN)
        return self._throw

    def half_open(self) -> None:
        """Lets the next call pass, which decides."""
        self._native.force_open(0)
        self._move(STATE_HALF_OPEN)

    def close(self) -> None:
        """Lets calls pass."""
        self._native.reset()
        self._move(STATE_CLOSED)

    def _move(self, state: str) -> None:
        with self._lock:
            before, self._seen = self._seen, CircuitBreakerState(state)
            after = self._seen
            self._state_storage.state = state
            self._state_storage.reset_success_counter()
            if state == STATE_CLOSED:
                self._state_storage.reset_counter()
            elif state == STATE_OPEN:
                self._state_storage.opened_at = datetime.now(UTC)
        for listener in self.listeners:
            self._tell(listener.state_change, before, after)

    def _acquire(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Permit:
        try:
            permit = self._native.acquire()
        except CircuitOpenError as no:
            raise CircuitBreakerError("Timeout not elapsed yet, circuit breaker still open") from no
        self._notice()
        for listener in self.listeners:
            self._tell(listener.before_call, func, *args, **kwargs)
        return permit

    def _succeeded(self, permit: Permit) -> None:
        with self._lock:
            if self._seen.name == STATE_HALF_OPEN:
                self._state_storage.increment_success_counter()
            else:
                self._state_storage.reset_counter()
        permit.success()
        for listener in self.listeners:
            self._tell(listener.success)
        self._notice()

    def _failed(self, permit: Permit, error: BaseException) -> None:
        if not isinstance(error, Exception):
            permit.cancel()
            return
        if not self.is_system_error(error):
            self._succeeded(permit)
            return
        was_open = self._seen.name == STATE_OPEN
        # One that ends after another has opened it changes nothing any more.
        if permit.failure():
            with self._lock:
                self._state_storage.increment_counter()
        for listener in self.listeners:
            self._tell(listener.failure, error)
        self._notice()
        if self._throw and not was_open and self._seen.name == STATE_OPEN:
            what = "Failures threshold reached, circuit breaker opened"
            raise CircuitBreakerError(what) from error

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls `func(*args, **kwargs)`; of an `async def` it returns the coroutine."""
        if inspect.iscoroutinefunction(func):
            return self.call_async(func, *args, **kwargs)
        permit = self._acquire(func, *args, **kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            self._failed(permit, error)
            raise
        if isinstance(result, types.GeneratorType):
            return self._generator(result, permit)
        self._succeeded(permit)
        return result

    def _generator(
        self, inner: Generator[Any, Any, Any], permit: Permit
    ) -> Generator[Any, Any, Any]:
        try:
            result = yield from inner
        except BaseException as error:
            self._failed(permit, error)
            raise
        self._succeeded(permit)
        return result

    async def call_async(
        self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        """Awaits `func(*args, **kwargs)`."""
        permit = self._acquire(func, *args, **kwargs)
        try:
            result = await func(*args, **kwargs)
        except BaseException as error:
            self._failed(permit, error)
            raise
        self._succeeded(permit)
        return result

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """`with breaker.calling():`"""
        permit = self._acquire(self.calling)
        try:
            yield
        except BaseException as error:
            self._failed(permit, error)
            raise
        self._succeeded(permit)

    def __call__(self, *call_args: Callable[..., Any], **call_kwargs: bool) -> Callable[..., Any]:
        """Decorates a function; also as `@breaker()`."""
        asynchronous = call_kwargs.pop("__pybreaker_call_async", False)

        def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
            if asynchronous or inspect.iscoroutinefunction(func):

                @functools.wraps(func)
                async def async_guarded(*args: Any, **kwargs: Any) -> Any:
                    return await self.call_async(func, *args, **kwargs)

                return async_guarded

            @functools.wraps(func)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                return self.call(func, *args, **kwargs)

            return guarded

        return decorate(*call_args) if call_args else decorate

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether it is a failure."""
        for exclusion in self._excluded:
            if isinstance(exclusion, type):
                if isinstance(exception, exclusion):
                    return False
            elif exclusion(exception):
                return False
        return True

    @property
    def fail_counter(self) -> int:
        """Failures in a row, as this process saw them."""
        return self._state_storage.counter

    @property
    def success_counter(self) -> int:
        """Successes in half-open, as this process saw them."""
        return self._state_storage.success_counter

    @property
    def fail_max(self) -> int:
        """Failures in a row that open it. Setting it begins anew."""
        return self._fail_max

    @fail_max.setter
    def fail_max(self, number: int) -> None:
        state = self.current_state
        self._fail_max = number
        self._native = self._make()
        self._take_over(state)

    @property
    def reset_timeout(self) -> float:
        """Seconds that it stays open."""
        return self._reset_timeout

    @reset_timeout.setter
    def reset_timeout(self, timeout: float) -> None:
        self._native.configure(open_timeout=timeout)
        self._reset_timeout = timeout

    @property
    def success_threshold(self) -> int:
        """Successes in half-open that close it."""
        return self._success_threshold

    @success_threshold.setter
    def success_threshold(self, threshold: int) -> None:
        self._native.configure(half_open_successes=threshold)
        self._success_threshold = threshold

    @property
    def excluded_exceptions(self) -> tuple[Exclusion, ...]:
        """What is no failure."""
        return tuple(self._excluded)

    def add_excluded_exception(self, exception: Exclusion) -> None:
        """From now on it is no failure."""
        self._excluded.append(exception)

    def add_excluded_exceptions(self, *exceptions: Exclusion) -> None:
        """From now on they are no failures."""
        self._excluded.extend(exceptions)

    def remove_excluded_exception(self, exception: Exclusion) -> None:
        """From now on it is a failure again."""
        self._excluded.remove(exception)

    @property
    def listeners(self) -> tuple[CircuitBreakerListener, ...]:
        """Who is told."""
        return tuple(self._listeners)

    def add_listener(self, listener: CircuitBreakerListener) -> None:
        """Is told from now on."""
        self._listeners.append(listener)

    def add_listeners(self, *listeners: CircuitBreakerListener) -> None:
        """Are told from now on."""
        self._listeners.extend(listeners)

    def remove_listener(self, listener: CircuitBreakerListener) -> None:
        """Is not told any more."""
        self._listeners.remove(listener)

    @property
    def name(self) -> str | None:
        """As given."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name


class _Unraisable(types.SimpleNamespace):
    """The arguments of `sys.unraisablehook`."""

    def __init__(
        self,
        exc_type: type[BaseException],
        exc_value: BaseException,
        exc_traceback: types.TracebackType | None,
        err_msg: str | None,
        object: object,
    ) -> None:
        super().__init__(
            exc_type=exc_type,
            exc_value=exc_value,
            exc_traceback=exc_traceback,
            err_msg=err_msg,
            object=object,
        )
