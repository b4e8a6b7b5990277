"""`Retry`: makes a call again, after a pause, while that is worth it."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from ._arguments import function, instance, integer, number
from ._classify import ExceptionFilter, matcher
from ._durations import Duration, seconds
from ._errors import ConfigError, Reason, RejectedError
from ._native import RetryBudget
from ._policy import Policy
from ._runtime import Clock, apause, now, pause


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow: `initial`, then `factor` times as long each time, up to `max`."""

    initial: Duration = 0.1
    """The first pause."""
    max: Duration = 20.0
    """The longest; at least `initial`."""
    factor: float = 2.0
    """How many times as long each pause is as the one before; 1 to 100."""
    jitter: Literal["full", "decorrelated", "none"] = "full"
    """How pauses are scattered, so that callers who failed together do not come back together:
    anywhere between nothing and the full pause; between `initial` and `factor` times the pause
    before; not at all.
    """

    def __post_init__(self) -> None:
        number("backoff.factor", self.factor, 1, 100)
        if seconds("backoff.max", self.max) < seconds("backoff.initial", self.initial):
            raise ConfigError(
                "backoff.max", f"backoff.max is {self.max}; allowed: at least backoff.initial"
            )
        if self.jitter not in ("full", "decorrelated", "none"):
            raise ConfigError(
                "backoff.jitter",
                f'backoff.jitter is {self.jitter!r}; allowed: "full", "decorrelated", "none"',
            )

    def pause(self, attempts: int, last: float, draws: random.Random) -> float:
        """Seconds after so many attempts, the pause before having been `last`."""
        initial, longest = seconds("initial", self.initial), seconds("max", self.max)
        if self.jitter == "decorrelated":
            return draws.uniform(initial, min(longest, max(last, initial) * self.factor))
        # The exponent is bounded: 100 to the 100th is a float, and more than any maximum.
        grown = min(longest, initial * self.factor ** min(attempts - 1, 100))
        return draws.uniform(0, grown) if self.jitter == "full" else grown


class Retry(Policy):
    """Makes a call again after a failure that may be repeated: after a growing, scattered pause, so
    often and so long at most, and only while the budget lasts. The last failure's exception reaches
    the caller unchanged.

    Only for calls that are safe to repeat. A time that the callee asked for (an attribute
    `retry_after` of the exception or value, in seconds, or a response's header `Retry-After`) is waited for
    where it is longer than the pause, and ends the retries where it is longer than `max_retry_after`. A call that is cancelled is not
    made again.

    Args:
        max_attempts: Attempts in all, the first included; 1 to 1,000.
        backoff: The pauses between them.
        deadline: No attempt is begun this long after the first one.
        budget: Where retries are taken from; share one among all callers of a dependency.
        max_retry_after: The longest time that a callee may ask to be left alone.
        retry_on: Exceptions after which it is tried again: a type, a tuple of types, or a predicate.
            By default every `Exception` but a rejection by a breaker or limiter: who is told "not
            now" should not wait by sleeping, unless `retry_on` says so.
        retry_result: Is asked about each returned value; true makes another attempt, and the last
            value is returned.
        jitter_seed: Where the jitter's draws start; the same seed gives the same draws.
        clock: A `ManualClock`, which pauses move on instead of waiting, or a callable that returns
            nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
    """

    __slots__ = (
        "_backoff",
        "_budget",
        "_clock",
        "_deadline",
        "_draws",
        "_max_attempts",
        "_max_retry_after",
        "_retry_on",
        "_retry_result",
    )

    def __init__(
        self,
        max_attempts: int = 3,
        *,
        backoff: Backoff | None = None,
        deadline: Duration | None = None,
        budget: RetryBudget | None = None,
        max_retry_after: Duration = 60.0,
        retry_on: ExceptionFilter | None = None,
        retry_result: Callable[[Any], bool] | None = None,
        jitter_seed: int | None = None,
        clock: Clock = None,
    ) -> None:
        self._max_attempts = integer("max_attempts", max_attempts, 1, 1000, "attempts")
        if backoff is not None:
            instance("backoff", backoff, Backoff, "a Backoff")
        if budget is not None:
            instance("budget", budget, RetryBudget, "a RetryBudget")
        if retry_result is not None:
            function("retry_result", retry_result)
        self._backoff = Backoff() if backoff is None else backoff
        self._deadline = None if deadline is None else seconds("deadline", deadline)
        self._budget = budget
        self._max_retry_after = seconds("max_retry_after", max_retry_after)
        self._retry_on = _not_rejected if retry_on is None else matcher("retry_on", retry_on)
        self._retry_result = retry_result
        self._draws = random.Random(jitter_seed)
        self._clock = clock

    def _run(self, attempt: Callable[[], Any]) -> Any:
        attempts = _Attempts(self)
        while True:
            try:
                result = attempt()
            except Exception as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_result(result)
                if wait is None:
                    return result
            pause(wait, self._clock)

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        attempts = _Attempts(self)
        while True:
            try:
                result = await attempt()
            except Exception as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_result(result)
                if wait is None:
                    return result
            await apause(wait, self._clock)

    def __repr__(self) -> str:
        return f"<Retry max_attempts={self._max_attempts}>"


def _not_rejected(error: Exception) -> bool:
    return not isinstance(error, RejectedError)


def asked(answer: object) -> float | None:
    """Seconds that a callee asked to be left alone for: an attribute `retry_after`, or the header
    `Retry-After` of a response, or of the response of an exception.
    """
    given = getattr(answer, "retry_after", None)
    if isinstance(given, (int, float)):
        return given
    for holder in (answer, getattr(answer, "response", None)):
        headers = getattr(holder, "headers", None)
        text = headers.get("Retry-After") if isinstance(headers, Mapping) else None
        if isinstance(text, str):
            return _header(text)
    return None


def _header(text: str) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date is of the callee's clock and in whole seconds; nothing sharper is known.
    return max(0.0, then.timestamp() - time.time())


class _Attempts:
    """The attempts of one call."""

    __slots__ = ("_began", "_last", "_made", "_retry")

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._made = 0
        self._last = 0.0
        self._began = 0.0 if retry._deadline is None else now(retry._clock)
        if retry._budget is not None:
            retry._budget.deposit()

    def after_error(self, error: Exception) -> float | None:
        """Seconds until the next attempt; `None`: there is none."""
        if not self._retry._retry_on(error):
            return None
        if isinstance(error, RejectedError) and error.reason in (Reason.NEVER, Reason.FORCED_OPEN):
            return None
        return self._next(asked(error))

    def after_result(self, result: Any) -> float | None:
        """The same for a returned value."""
        worth_repeating = self._retry._retry_result
        if worth_repeating is None or not worth_repeating(result):
            return None
        return self._next(asked(result))

    def _next(self, wish: float | None) -> float | None:
        retry = self._retry
        self._made += 1
        if self._made >= retry._max_attempts:
            return None
        self._last = retry._backoff.pause(self._made, self._last, retry._draws)
        wait = self._last
        if wish is not None:
            if wish > retry._max_retry_after:
                return None
            wait = max(wait, wish)
        if retry._deadline is not None:
            spent = now(retry._clock) - self._began
            if spent + wait >= retry._deadline:
                return None
        if retry._budget is not None and not retry._budget.withdraw():
            return None
        return wait
