"""Circuit breakers and limiters: plain lock-free words, the same core in every language."""

from __future__ import annotations

from ._adaptive import AdaptiveLimit, AdaptiveSettings, Algorithm
from ._board import Board, WhenDifferent
from ._breaker import CircuitBreaker, Settings
from ._concurrency import ConcurrencyLimit
from ._durations import Duration
from ._errors import (
    BoardError,
    CallTimeoutError,
    CircuitOpenError,
    ConcurrencyLimitError,
    ConfigError,
    FuseboardError,
    RateLimitedError,
    Reason,
    RejectedError,
    ThrottledError,
)
from ._events import (
    AttachedProcess,
    BoardTransition,
    BoardTransitions,
    Cause,
    CircuitState,
    Counts,
    Snapshot,
    Totals,
    Transition,
    TransitionCursor,
)
from ._fallback import Fallback
from ._hedge import Hedge
from ._keyed import Key, KeyedRateLimiter
from ._limiter import (
    FixedWindowRateLimiter,
    LeakyBucket,
    RateLimiter,
    SlidingCounterRateLimiter,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
)
from ._native import (
    AdaptivePermit,
    CoDel,
    ConcurrencyPermit,
    Latency,
    ManualClock,
    Permit,
    Reservation,
    RetryBudget,
    TokenLease,
    Window,
)
from ._pipeline import Pipeline
from ._policy import Policy
from ._rate_limit import RateLimit
from ._retry import Backoff, Retry
from ._shadow import Shadow
from ._shedding import LoadShedding, PrioritizedLimit
from ._throttle import ClientThrottle
from ._timeout import Timeout

__all__ = [
    "AdaptiveLimit",
    "AdaptivePermit",
    "AdaptiveSettings",
    "Algorithm",
    "AttachedProcess",
    "Backoff",
    "Board",
    "BoardError",
    "BoardTransition",
    "BoardTransitions",
    "CallTimeoutError",
    "Cause",
    "CircuitBreaker",
    "CircuitOpenError",
    "CircuitState",
    "ClientThrottle",
    "CoDel",
    "ConcurrencyLimit",
    "ConcurrencyLimitError",
    "ConcurrencyPermit",
    "ConfigError",
    "Counts",
    "Duration",
    "Fallback",
    "FixedWindowRateLimiter",
    "FuseboardError",
    "Hedge",
    "Key",
    "KeyedRateLimiter",
    "Latency",
    "LeakyBucket",
    "LoadShedding",
    "ManualClock",
    "Permit",
    "Pipeline",
    "Policy",
    "PrioritizedLimit",
    "RateLimit",
    "RateLimitedError",
    "RateLimiter",
    "Reason",
    "RejectedError",
    "Reservation",
    "Retry",
    "RetryBudget",
    "Settings",
    "Shadow",
    "SlidingCounterRateLimiter",
    "SlidingWindowRateLimiter",
    "Snapshot",
    "ThrottledError",
    "Timeout",
    "TokenBucketRateLimiter",
    "TokenLease",
    "Totals",
    "Transition",
    "TransitionCursor",
    "WhenDifferent",
    "Window",
]
