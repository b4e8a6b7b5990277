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


class Gate(Protocol):
    """A native policy that decides whether a call is made, and is told how it ended."""

    def start(self) -> Any: ...
    def returned(self, held: Any, result: object) -> object: ...
    def raised(self, held: Any, exception: BaseException) -> object: ...


def decorate(function: Callable[_P, _R], gate: Gate) -> Callable[_P, _R]:
    """`function`, each call of which goes through `gate`. It stays the kind of function it is; a
    coroutine or generator asks when it starts to run, not when it is made. A plain function becomes a
    native object: no Python frame stands between it and its caller.
    """
    checked(function)
    kind = kind_of(function)
    if kind is not Kind.PLAIN:
        return cast("Callable[_P, _R]", _WRAPPERS[kind](function, gate))
    guarded = _native.guarded(function, gate)
    return cast("Callable[_P, _R]", functools.update_wrapper(guarded, function))


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


# Arguments come as they were collected: to spread and collect them again costs as much as the rest.


def call(
    function: Callable[..., _R], gate: Gate, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _R:
    """One guarded call of `function`."""
    kind = kind_of(function)
    if kind is not Kind.PLAIN:
        return cast("_R", _WRAPPERS[kind](function, gate)(*args, **kwargs))
    return cast("_R", _native.call(gate, function, args, kwargs))


async def acall(
    function: Callable[..., Awaitable[_R]], gate: Gate, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _R:
    """One guarded call of anything that returns an awaitable."""
    held = gate.start()
    try:
        result = await function(*args, **kwargs)
    except BaseException as exception:
        gate.raised(held, exception)
        raise
    gate.returned(held, result)
    return result


_Wrapper = Callable[[Callable[..., Any], Gate], Callable[..., Any]]


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


# The gate's methods are bound once, when the function is decorated: that is a third of a call's cost.


def _coroutine(function: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    start, returned, raised = gate.start, gate.returned, gate.raised

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


def _generator(function: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    start, returned, raised = gate.start, gate.returned, gate.raised

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        held = start()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as exception:
            raised(held, exception)
            raise
        returned(held, result)
        return result

    return guarded


def _async_generator(function: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    start, returned, raised = gate.start, gate.returned, gate.raised

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        held = start()
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
            raised(held, exception)
            raise
        returned(held, None)

    return guarded


# A plain function has none: it is guarded natively.
_WRAPPERS: dict[Kind, _Wrapper] = {
    Kind.COROUTINE: _coroutine,
    Kind.GENERATOR: _generator,
    Kind.ASYNC_GENERATOR: _async_generator,
}
