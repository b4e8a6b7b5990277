"""Nonsense in, a named error out (R6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from fuseboard import (
    Cause,
    CircuitBreaker,
    CircuitState,
    ConcurrencyLimit,
    ConfigError,
    ManualClock,
    Reason,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
    Window,
    _native,
)

from .conftest import MakeBreaker

HUGE = 10**400
SPANS = ["open_timeout", "window_size", "slow_call_duration", "probe_lease", "ramp_up"]
SHARES = ["failure_threshold", "slow_call_threshold", "open_backoff", "open_jitter"]
COUNTS = ["minimum_requests", "half_open_requests", "half_open_successes", "half_open_failures"]


def test_enums_have_every_member_of_the_core() -> None:
    assert {state.value for state in CircuitState} == set(_native.STATES)
    assert {cause.value for cause in Cause} == set(_native.CAUSES)
    assert {reason.value for reason in Reason} == set(_native.REASONS)


@pytest.mark.parametrize("field", [*SPANS, "open_timeout_max"])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -1, -0.5, HUGE, timedelta(days=-1), timedelta.max]
)
def test_bad_spans(make: MakeBreaker, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{field}.*allowed: 0 to 18446744073.709553 seconds") as caught:
        make(**{field: value})
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("field", SHARES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 101.0, HUGE])
def test_bad_shares(make: MakeBreaker, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{field} is .*; allowed: ") as caught:
        make(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [-1, 10**7, 2**32, 2**64, HUGE])
def test_bad_counts(make: MakeBreaker, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{field} is .*; allowed: ") as caught:
        make(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", [*SPANS, *SHARES, *COUNTS, "window", "jitter_seed"])
@pytest.mark.parametrize("value", ["1", b"1", [], True, object(), 1j])
def test_wrong_types(make: MakeBreaker, field: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{field} must be .*, not {type(value).__name__}"):
        make(**{field: value})


@pytest.mark.parametrize("value", [1.5, 2.0, math.nan])
def test_a_float_is_no_count(make: MakeBreaker, value: float) -> None:
    with pytest.raises(TypeError, match="minimum_requests must be an int, not float"):
        make(minimum_requests=value)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"failure_threshold": 1.01}, "failure_threshold"),
        ({"minimum_requests": 0}, "minimum_requests"),
        ({"open_timeout": 0}, "open_timeout"),
        ({"half_open_requests": 0}, "half_open_requests"),
        ({"window_size": 0}, "window"),
        ({"window": Window.count(0)}, "window"),
        ({"window": Window.count(100_000)}, "window"),
        ({"window": Window.time(1, slots=64)}, "window"),
        ({"window": Window.consecutive(0)}, "window"),
        ({"window": Window.count(10), "window_size": 10}, "window"),
        ({"slow_call_duration": 0}, "slow_call_duration"),
        ({"count_overdue": True}, "count_overdue"),
        ({"open_backoff": 0.5}, "open_backoff"),
        ({"failures": KeyboardInterrupt}, "failures"),
        ({"ignore": (ValueError, BaseException)}, "ignore"),
    ],
)
def test_out_of_range(make: MakeBreaker, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=r"\S.*; allowed: ") as caught:
        make(**settings)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"failures": "OSError"}, "failures must be an exception type"),
        ({"failures": (OSError, "x")}, "failures must hold exception types"),
        ({"ignore": int}, "ignore must hold exception types"),
        ({"is_failure": 1}, "is_failure must be callable"),
        ({"listeners": [print, 1]}, "listeners must be callable"),
        ({"clock": 5}, "clock must be a ManualClock or a callable"),
        ({"count_overdue": 1}, "count_overdue must be a bool"),
        ({"failure_treshold": 0.5}, "failure_treshold"),
    ],
)
def test_bad_arguments(make: MakeBreaker, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make(**settings)


def test_name_is_required() -> None:
    with pytest.raises(TypeError, match="name must be a str, not function"):
        CircuitBreaker(lambda: None)  # type: ignore[arg-type]


def test_good_values(make: MakeBreaker) -> None:
    breaker = make(
        open_timeout=timedelta(milliseconds=1500),
        slow_call_duration=Decimal("0.25"),
        failure_threshold=1,
        window=Window.time(60, slots=6),
    )
    breaker.force_open()
    assert repr(Window.time(60, slots=6)) == "Window.time(60, slots=6)"
    assert repr(Window.count(5)) == "Window.count(5)"
    assert Window.count(5) == Window.count(5) != Window.consecutive(5)
    assert len({Window.count(5), Window.count(5)}) == 1


def test_configure_refuses_and_changes_nothing(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make()
    for settings in ({"open_timeout": 5, "failure_threshold": 2}, {"window": Window.count(10)}):
        with pytest.raises(ConfigError):
            breaker.configure(**settings)
    with pytest.raises(TypeError, match="no setting"):
        breaker.configure(failures=OSError)  # type: ignore[call-arg]
    for _ in range(2):
        breaker.acquire().failure()
    assert breaker.snapshot().retry_after == 30


@pytest.mark.parametrize(
    ("make_limiter", "error", "field"),
    [
        (lambda: TokenBucketRateLimiter(0), ConfigError, "rate"),
        (lambda: TokenBucketRateLimiter(-1), ConfigError, "rate"),
        (lambda: TokenBucketRateLimiter(HUGE), ConfigError, "rate"),
        (lambda: TokenBucketRateLimiter(1, per=0), ConfigError, "rate"),
        (lambda: TokenBucketRateLimiter(1, per=math.nan), ConfigError, "per"),
        (lambda: TokenBucketRateLimiter(1, burst=0), ConfigError, "burst"),
        (lambda: TokenBucketRateLimiter(1, burst=-5), ConfigError, "burst"),
        (lambda: TokenBucketRateLimiter(1.5), TypeError, "rate"),  # type: ignore[arg-type]
        (lambda: TokenBucketRateLimiter("1"), TypeError, "rate"),  # type: ignore[arg-type]
        (lambda: SlidingWindowRateLimiter(0, 1), ConfigError, "limit"),
        (lambda: SlidingWindowRateLimiter(8193, 1), ConfigError, "limit"),
        (lambda: SlidingWindowRateLimiter(2**40, 1), ConfigError, "limit"),
        (lambda: SlidingWindowRateLimiter(1, 0), ConfigError, "window"),
        (lambda: SlidingWindowRateLimiter(1, -1), ConfigError, "window"),
        (lambda: SlidingWindowRateLimiter(True, 1), TypeError, "limit"),
        (lambda: ConcurrencyLimit(0), ConfigError, "limit"),
        (lambda: ConcurrencyLimit(-1), ConfigError, "limit"),
        (lambda: ConcurrencyLimit(None), TypeError, "limit"),  # type: ignore[arg-type]
    ],
)
def test_bad_limits(
    make_limiter: Callable[[], object], error: type[Exception], field: str
) -> None:
    with pytest.raises(error, match=field) as caught:
        make_limiter()
    if isinstance(caught.value, ConfigError):
        assert caught.value.field == field


@pytest.mark.parametrize("cost", [-1, 2**64, 1.0, "1", True])
def test_bad_costs(cost: Any) -> None:
    """A cost that is no whole number, or none that any limiter could have."""
    limiter = TokenBucketRateLimiter(5)
    with pytest.raises((ConfigError, TypeError), match="cost"):
        limiter.try_acquire(cost)
    assert limiter.available() == 5


@pytest.mark.parametrize("value", [-1, 2**64, 0.5, "now"])
def test_bad_clock_settings(value: Any) -> None:
    clock = ManualClock()
    with pytest.raises((ConfigError, TypeError), match="now_ns"):
        clock.set_ns(value)
    assert clock() == 0
    assert repr(clock) == "ManualClock(now_ns=0)"


def test_manual_clock_stops_at_its_end() -> None:
    clock = ManualClock(2**64 - 1)
    clock.advance(1)
    assert clock() == 2**64 - 1
