"""`Shadow`: a policy tried on real traffic before it can hurt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

from . import _native
from ._adaptive import AdaptiveLimit
from ._arguments import only_shared
from ._breaker import CircuitBreaker
from ._concurrency import ConcurrencyLimit
from ._decorate import acall, call, decorate
from ._errors import Reason
from ._limiter import RateLimiter
from ._shedding import PrioritizedLimit
from ._throttle import ClientThrottle

_P = ParamSpec("_P")
_R = TypeVar("_R")

Shadowed: TypeAlias = (
    CircuitBreaker
    | RateLimiter
    | ConcurrencyLimit
    | AdaptiveLimit
    | PrioritizedLimit
    | ClientThrottle
)
"""What can be tried so: whatever decides whether a call is made."""

_Policy = TypeVar("_Policy", bound=Shadowed)


class Shadow(Generic[_Policy]):
    """Lets every call pass, and counts by reason those that the policy would have rejected.

    A breaker in shadow opens, probes and closes as it would; calls that it would have rejected are not counted by it, and it is
    not told how they ended. Use it as a decorator of any kind of function, by `shadow.call(function, ...)`, or in a `Pipeline`.

    Args:
        policy: A breaker, limiter, limit or throttle of its own, not used elsewhere at the same time unless what it sees there is
            to count too.

    Raises:
        TypeError: What is no such policy.
    """

    __slots__ = ("__weakref__", "_core", "_policy")

    def __init__(self, policy: _Policy) -> None:
        if not isinstance(policy, Shadowed):
            raise TypeError(
                f"policy must be a breaker, limiter, limit or throttle, not {type(policy).__name__}"
            )
        self._core = _native.Shadow(native_of(policy))
        self._policy = policy

    @property
    def policy(self) -> _Policy:
        """As given: its state, its counts."""
        return self._policy

    @property
    def name(self) -> str:
        """The policy's."""
        return self._policy.name

    def would_reject(self, reason: Reason | str | None = None) -> int:
        """Calls that would have been rejected so far, for this reason or for any.

        Raises:
            ConfigError: There is no such reason.
        """
        if reason is None:
            return sum(self._core.would_reject(each.value) for each in Reason)
        return self._core.would_reject(reason)

    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Decorates any kind of function; no call is rejected."""
        return decorate(function, self._core)

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls `function(*args, **kwargs)`."""
        return call(function, self._core, args, kwargs)

    async def acall(
        self, function: Callable[_P, Awaitable[_R]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Awaits `function(*args, **kwargs)`."""
        return await acall(function, self._core, args, kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        only_shared(self)

    def __repr__(self) -> str:
        return f"<Shadow of {self._policy!r}, {self.would_reject()} would be rejected>"


def native_of(policy: Shadowed | Shadow[Any]) -> _native._Part:
    """The native object of a policy that admits."""
    return policy._limiter if isinstance(policy, RateLimiter) else policy._core
