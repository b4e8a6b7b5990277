"""Circuit breakers and limiters: plain lock-free words, the same core in every language."""

from __future__ import annotations

from ._breaker import CircuitBreaker, Duration, Settings
from ._errors import (
    CircuitOpenError,
    ConcurrencyLimitError,
    ConfigError,
    FuseboardError,
    RateLimitedError,
    Reason,
    RejectedError,
)
from ._events import Cause, CircuitState, Counts, Snapshot, Totals, Transition
from ._limiter import ConcurrencyLimit, SlidingWindowRateLimiter, TokenBucketRateLimiter
from ._native import ConcurrencyPermit, ManualClock, Permit, Window

__all__ = [
    "Cause",
    "CircuitBreaker",
    "CircuitOpenError",
    "CircuitState",
    "ConcurrencyLimit",
    "ConcurrencyLimitError",
    "ConcurrencyPermit",
    "ConfigError",
    "Counts",
    "Duration",
    "FuseboardError",
    "ManualClock",
    "Permit",
    "RateLimitedError",
    "Reason",
    "RejectedError",
    "Settings",
    "SlidingWindowRateLimiter",
    "Snapshot",
    "TokenBucketRateLimiter",
    "Totals",
    "Transition",
    "Window",
]
