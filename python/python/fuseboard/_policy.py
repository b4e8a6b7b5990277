"""What `Retry`, `Timeout`, `Hedge`, `Fallback` and `RateLimit` have in common: they go around a call."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

from ._decorate import Kind, checked, kind_of

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Policy:
    """A policy around calls: a decorator of plain functions and `async def`, a `call` and an `acall`."""

    __slots__ = ()

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates a plain function or an `async def`; it stays what it is."""
        checked(function)
        kind = kind_of(function)
        if kind is Kind.PLAIN:
            return cast("Callable[_P, _R]", self._around(function))
        if kind is Kind.COROUTINE:
            return cast("Callable[_P, _R]", self._async_around(function))
        raise TypeError(
            f"{type(self).__name__} cannot guard {kind.value}: what it has given out cannot be taken back; "
            "decorate the function that makes one item or one page"
        )

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`; of an `async def` it returns the coroutine."""
        return self(function)(*args, **kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`."""
        return cast("_R", await self._arun(functools.partial(function, *args, **kwargs)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            return self._run(functools.partial(function, *args, **kwargs))

        return guarded

    def _async_around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await self._arun(functools.partial(function, *args, **kwargs))

        return guarded

    def _run(self, attempt: Callable[[], Any]) -> Any:
        raise NotImplementedError

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        raise NotImplementedError
