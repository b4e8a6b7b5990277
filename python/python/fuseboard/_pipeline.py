"""`Pipeline`: several policies around one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast

from . import _native
from ._breaker import CircuitBreaker
from ._decorate import decorate
from ._errors import ConfigError
from ._fallback import Fallback
from ._limiter import RateLimiter, SlidingWindowRateLimiter
from ._policy import Policy
from ._retry import Retry
from ._shadow import Shadow, Shadowed, native_of
from ._timeout import Timeout

_P = ParamSpec("_P")
_R = TypeVar("_R")

Admission: TypeAlias = Shadowed | Shadow[Any]
"""A policy that decides whether the call is made."""


class _Layer(Protocol):
    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]: ...


class Pipeline:
    """Policies in order, the outermost first. Recommended::

        Pipeline(fallback, retry, breaker, limiter, concurrency, timeout)

    A fallback answers for all that stands inside. Each retry asks the breaker again, so that retries
    end when it opens. The breaker stands outside of the limits, whose rejections it ignores, and the timeout is
    innermost, so that the breaker sees it as a failure and each attempt has the whole time.

    Breakers and limits that stand side by side admit all together or not at all: when one rejects, the
    others are as if never asked, but for a `SlidingWindowRateLimiter`, which is therefore asked last.

    Args:
        policies: At least one.

    Raises:
        ConfigError: An order that defeats itself, with the reason.
        TypeError: What is no policy.
    """

    __slots__ = ("_layers", "_policies")

    def __init__(self, *policies: Policy | Admission) -> None:
        _check(policies)
        self._policies = policies
        layers: list[_Layer] = []
        group: list[Admission] = []
        for policy in policies:
            if isinstance(policy, Policy):
                layers += _together(group)
                layers.append(policy)
                group = []
            else:
                group.append(policy)
        self._layers = tuple(layers + _together(group))

    @property
    def policies(self) -> tuple[Policy | Admission, ...]:
        """As given."""
        return self._policies

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates a plain function or an `async def`; generators too, where all policies can."""
        guarded: Callable[..., Any] = function
        for layer in reversed(self._layers):
            guarded = layer(guarded)
        return cast("Callable[_P, _R]", guarded)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`. Where it is the same each time, decorating is cheaper."""
        return self(function)(*args, **kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`."""

        async def awaited() -> _R:
            return await function(*args, **kwargs)

        return await self(awaited)()

    def __repr__(self) -> str:
        return f"Pipeline{self._policies!r}"


def _check(policies: tuple[object, ...]) -> None:
    if not policies:
        raise ConfigError("pipeline", "pipeline has no policy; allowed: at least 1")
    retries = 0
    policies = tuple(map(_in_earnest, policies))
    for place, policy in enumerate(policies):
        if not isinstance(policy, (Policy, Shadowed)):
            raise TypeError(f"a policy must be one of this package, not {type(policy).__name__}")
        outside = policies[:place]
        if isinstance(policy, Fallback) and any(
            isinstance(other, (Retry, CircuitBreaker)) for other in outside
        ):
            raise ConfigError(
                "pipeline",
                "pipeline has a Fallback inside of a Retry or CircuitBreaker, which will then see no "
                "failure; allowed: the Fallback before them",
            )
        retries += isinstance(policy, Retry)
        if retries > 1:
            raise ConfigError(
                "pipeline",
                "pipeline has more than one Retry, whose attempts multiply; allowed: one",
            )
        if isinstance(policy, CircuitBreaker) and any(
            isinstance(other, Timeout) for other in outside[-1:]
        ):
            raise ConfigError(
                "pipeline",
                "pipeline has a Timeout directly outside of a CircuitBreaker, to which a call that was "
                "cancelled counts as nothing; allowed: the Timeout after it",
            )


def _together(group: list[Admission]) -> list[_Layer]:
    if len(group) < 2:
        return list(group)
    # What cannot be given back is asked last.
    ordered = sorted(group, key=lambda policy: isinstance(_in_earnest(policy), SlidingWindowRateLimiter))
    return [partial(decorate, gate=_native.Admission(tuple(map(native_of, ordered))))]


def _in_earnest(policy: object) -> object:
    # One that only observes stands where it would stand to decide.
    return policy.policy if isinstance(policy, Shadow) else policy
