"""`PerHost`: a policy for each host that is called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from ._breaker import CircuitBreaker


class Caller(Protocol):
    """Any policy of this package, or a `Pipeline`."""

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...
    async def acall(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


_C = TypeVar("_C", bound=Caller)


class PerHost(Generic[_C]):
    """Makes a policy for each host when it is first called, and keeps the `capacity` that were used last.
    A breaker that is not closed is kept in any case.

    Args:
        make: Is given the host's name.
        capacity: Hosts; at least 1.
    """

    __slots__ = ("_capacity", "_lock", "_make", "_policies")

    def __init__(self, make: Callable[[str], _C], *, capacity: int = 1024) -> None:
        self._make = make
        self._capacity = max(1, capacity)
        self._policies: dict[str, _C] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str) -> _C:
        """The policy of `host`."""
        with self._lock:
            policy = self._policies.pop(host, None)
            if policy is None:
                policy = self._make(host)
                self._evict()
            # Last in, as the most recently used.
            self._policies[host] = policy
            return policy

    def _evict(self) -> None:
        if len(self._policies) < self._capacity:
            return
        for host, policy in self._policies.items():
            if not isinstance(policy, CircuitBreaker) or policy.state == "closed":
                del self._policies[host]
                return

    def __len__(self) -> int:
        return len(self._policies)


def policy_of(policy: Caller | PerHost[Any], host: str) -> Caller:
    """The one that guards calls of `host`."""
    if isinstance(policy, PerHost):
        found: Caller = policy(host)
        return found
    return policy
