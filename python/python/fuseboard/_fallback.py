"""`Fallback`: another answer where the call gives none."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, cast

from ._arguments import function as check_function
from ._classify import ExceptionFilter, matcher
from ._errors import ConfigError
from ._policy import Policy

_NONE: Final = object()


class Fallback(Policy):
    """Answers instead of a call that raised, a rejection by a breaker or limiter included. A call that
    was cancelled stays so. Exactly one of the four ways is given.

    Put it outermost: what stands outside of it sees no failure any more.

    Args:
        value: The answer.
        function: A second service: called with the same arguments as the call.
        handler: Called with the exception; what it returns is the answer.
        last_good: The latest answer of a call that succeeded, of whichever arguments; where there is
            none yet, the exception.
        on: Exceptions to answer for: a type, a tuple of types, or a predicate.

    Raises:
        ConfigError: None of the ways is given, or more than one.
    """

    __slots__ = ("_function", "_handler", "_keeps", "_last", "_on")

    def __init__(
        self,
        value: Any = _NONE,
        *,
        function: Callable[..., Any] | None = None,
        handler: Callable[[Exception], Any] | None = None,
        last_good: bool = False,
        on: ExceptionFilter = Exception,
    ) -> None:
        ways = (value is not _NONE, function is not None, handler is not None, last_good)
        if sum(ways) != 1:
            raise ConfigError(
                "fallback",
                f"fallback has {sum(ways)} answers; allowed: exactly one of value, function, handler, last_good",
            )
        for field, given in (("function", function), ("handler", handler)):
            if given is not None:
                check_function(field, given)
        self._last = value
        self._function = function
        self._handler = handler
        self._keeps = last_good
        self._on = matcher("on", on)

    def __repr__(self) -> str:
        if self._function is not None:
            return f"<Fallback function={self._function!r}>"
        if self._handler is not None:
            return f"<Fallback handler={self._handler!r}>"
        return "<Fallback last_good>" if self._keeps else f"<Fallback {self._last!r}>"

    def _run(self, attempt: Callable[[], Any]) -> Any:
        try:
            result = attempt()
        except Exception as error:
            if not self._on(error):
                raise
            found, answer = self._answer(error, attempt)
            if not found:
                raise
            return answer
        if self._keeps:
            self._last = result
        return result

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await attempt()
        except Exception as error:
            if not self._on(error):
                raise
            found, answer = self._answer(error, attempt)
            if not found:
                raise
            return await answer if inspect.isawaitable(answer) else answer
        if self._keeps:
            self._last = result
        return result

    def _answer(self, error: Exception, attempt: Callable[[], Any]) -> tuple[bool, Any]:
        if self._function is not None:
            made = cast("partial[Any]", attempt)
            return True, self._function(*made.args, **made.keywords)
        if self._handler is not None:
            return True, self._handler(error)
        return self._last is not _NONE, self._last
