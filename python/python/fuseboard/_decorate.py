"""Guarding a function of any kind: plain, `async def`, generator, async generator."""

from __future__ import annotations

import copyreg
import functools
import inspect
import operator
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from . import _native

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Guard(Protocol):
    """What an admitted call holds, and tells how it ended."""

    def returned(self, result: object, /) -> object: ...
    def raised(self, exception: BaseException, /) -> object: ...


class _Admitted:
    """For a limiter: once admitted, nothing more to tell."""

    __slots__ = ()

    def returned(self, result: object, /) -> None:
        pass

    def raised(self, exception: BaseException, /) -> None:
        pass


ADMITTED = _Admitted()


def decorate(
    function: Callable[_P, _R],
    acquire: Callable[[], Guard],
    native: _Policy | None = None,
) -> Callable[_P, _R]:
    """`function`, each call of which first asks `acquire`. It stays the kind of function it is; a
    coroutine or generator asks when it starts to run, not when it is made. A plain function is
    guarded by `native`, where there is one: the same decisions without a Python frame.
    """
    checked(function)
    kind = kind_of(function)
    if kind is Kind.PLAIN and native is not None:
        guarded = _native.guarded(function, native)
        return cast("Callable[_P, _R]", functools.update_wrapper(guarded, function))
    if kind is Kind.COROUTINE and isinstance(native, _native.Breaker):
        return cast("Callable[_P, _R]", _coroutine_of(function, native))
    return cast("Callable[_P, _R]", _WRAPPERS[kind](function, acquire))


def checked(function: object) -> None:
    """Refuses what a decorator can do nothing with, and says what to do."""
    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function).__name__
        raise TypeError(f"put @{kind} above this decorator, not below it")
    if isinstance(function, type):
        raise TypeError(f"{function.__name__} is a class; decorate its methods")
    if not callable(function):
        raise TypeError(f"only a function can be decorated, not {type(function).__name__}")


# As of a function: pickled by its name, and its own copy.
copyreg.pickle(_native.Guarded, operator.attrgetter("__qualname__"))


def call(
    function: Callable[_P, _R],
    acquire: Callable[[], Guard],
    /,
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _R:
    """One guarded call of `function`."""
    kind = kind_of(function)
    if kind is not Kind.PLAIN:
        return cast("_R", _WRAPPERS[kind](function, acquire)(*args, **kwargs))
    permit = acquire()
    try:
        result = function(*args, **kwargs)
    except BaseException as exception:
        permit.raised(exception)
        raise
    permit.returned(result)
    return result


async def acall(
    function: Callable[_P, Awaitable[_R]],
    acquire: Callable[[], Guard],
    /,
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _R:
    """One guarded call of anything that returns an awaitable."""
    permit = acquire()
    try:
        result = await function(*args, **kwargs)
    except BaseException as exception:
        permit.raised(exception)
        raise
    permit.returned(result)
    return result


_Policy = _native.Breaker | _native.RateLimiter | _native.Concurrency
_Wrapper = Callable[[Callable[..., Any], Callable[[], Guard]], Callable[..., Any]]


_SPECIAL = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR


class Kind(Enum):
    """What calling a function gives."""

    PLAIN = "a plain function"
    COROUTINE = "an async def"
    GENERATOR = "a generator"
    ASYNC_GENERATOR = "an async generator"


def kind_of(function: Callable[..., Any]) -> Kind:
    """Looks through partials, methods and callable objects."""
    # What most calls are of, told apart without a microsecond of inspection.
    inner = function.__func__ if type(function) is MethodType else function
    if type(inner) is BuiltinFunctionType:
        return Kind.PLAIN
    if type(inner) is FunctionType and not (inner.__dict__ or inner.__code__.co_flags & _SPECIAL):
        return Kind.PLAIN
    for candidate in (function, getattr(type(function), "__call__", None)):
        if inspect.iscoroutinefunction(candidate):
            return Kind.COROUTINE
        if inspect.isasyncgenfunction(candidate):
            return Kind.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(candidate):
            return Kind.GENERATOR
    return Kind.PLAIN


def _plain(function: Callable[..., Any], acquire: Callable[[], Guard]) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        permit = acquire()
        try:
            result = function(*args, **kwargs)
        except BaseException as exception:
            permit.raised(exception)
            raise
        permit.returned(result)
        return result

    return guarded


def _coroutine(function: Callable[..., Any], acquire: Callable[[], Guard]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        permit = acquire()
        try:
            result = await function(*args, **kwargs)
        except BaseException as exception:
            permit.raised(exception)
            raise
        permit.returned(result)
        return result

    return guarded


def _coroutine_of(function: Callable[..., Any], breaker: _native.Breaker) -> Callable[..., Any]:
    """As `_coroutine`, without a permit object where none is needed."""
    start, returned, raised = breaker.start, breaker.returned, breaker.raised

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        held = start()
        try:
            result = await function(*args, **kwargs)
        except BaseException as exception:
            raised(held, exception)
            raise
        returned(held, result)
        return result

    return guarded


def _generator(function: Callable[..., Any], acquire: Callable[[], Guard]) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        permit = acquire()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as exception:
            permit.raised(exception)
            raise
        permit.returned(result)
        return result

    return guarded


def _async_generator(
    function: Callable[..., Any], acquire: Callable[[], Guard]
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        permit = acquire()
        try:
            inner = function(*args, **kwargs)
            # What `yield from` does for a plain generator; there is none for an async one.
            try:
                item = await anext(inner)
                while True:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await inner.aclose()
                        raise
                    except BaseException as thrown:
                        item = await inner.athrow(thrown)
                    else:
                        item = await inner.asend(sent)
            except StopAsyncIteration:
                pass
        except BaseException as exception:
            permit.raised(exception)
            raise
        permit.returned(None)

    return guarded


_WRAPPERS: dict[Kind, _Wrapper] = {
    Kind.PLAIN: _plain,
    Kind.COROUTINE: _coroutine,
    Kind.GENERATOR: _generator,
    Kind.ASYNC_GENERATOR: _async_generator,
}
