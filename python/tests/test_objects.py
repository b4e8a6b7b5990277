"""What Python does to any object: shows it, copies it, pickles it, and gives it nonsense."""

from __future__ import annotations

import copy
import datetime
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard import (
    AdaptiveLimit,
    Backoff,
    Board,
    CircuitBreaker,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    FixedWindowRateLimiter,
    Hedge,
    KeyedRateLimiter,
    LeakyBucket,
    Pipeline,
    RateLimit,
    Retry,
    RetryBudget,
    SlidingCounterRateLimiter,
    SlidingWindowRateLimiter,
    Timeout,
    TokenBucketRateLimiter,
    Window,
)


COUNTING = [
    CircuitBreaker("x"),
    TokenBucketRateLimiter(1),
    LeakyBucket(1),
    SlidingWindowRateLimiter(1, 1),
    SlidingCounterRateLimiter(1, 1),
    FixedWindowRateLimiter(1, 1),
    ConcurrencyLimit(1),
    AdaptiveLimit(),
    KeyedRateLimiter(1),
]


@pytest.mark.parametrize("thing", COUNTING, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("do", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_counts_is_not_copied(thing: object, do: Callable[[object], object]) -> None:
    """A copy that counted on its own would admit twice as much; one that did not would be none."""
    name = type(thing).__name__
    with pytest.raises(TypeError, match=f"a {name} cannot be copied or pickled, .*share the object"):
        do(thing)


@pytest.mark.parametrize(
    "window",
    [
        Window.time(0.1, slots=7),
        Window.time(datetime.timedelta(days=400)),
        Window.count(100),
        Window.consecutive(5),
        Window.decay(1e-3),
    ],
    ids=repr,
)
def test_windows_are_values(window: Window) -> None:
    assert pickle.loads(pickle.dumps(window)) == window
    assert copy.deepcopy(window) == window


def test_a_breaker_of_a_board_travels_with_its_window() -> None:
    breaker = Board.private().breaker("a", window=Window.count(50))
    with pytest.raises(TypeError, match="board without a path"):
        pickle.dumps(breaker)
    assert breaker.__reduce__()[1][2]["window"] == Window.count(50)


def test_each_shows_itself() -> None:
    bucket = TokenBucketRateLimiter(1, name="quota")
    breaker = CircuitBreaker("orders")
    permit = breaker.acquire()
    shown = [
        (breaker, "<CircuitBreaker 'orders' closed>"),
        (bucket, "<TokenBucketRateLimiter 'quota'>"),
        (permit, '<Permit of "orders", in flight>'),
        (bucket.reserve(), "<Reservation wait=0 s>"),
        (RetryBudget(), "<RetryBudget 100 available>"),
        (Fallback(5), "<Fallback 5>"),
        (Fallback(last_good=True), "<Fallback last_good>"),
        (Fallback(function=len), "<Fallback function=<built-in function len>>"),
        (Fallback(handler=repr), "<Fallback handler=<built-in function repr>>"),
        (breaker(len), '<<built-in function len> guarded by CircuitBreaker "orders">'),
        (
            Pipeline(breaker, bucket, ConcurrencyLimit(1), AdaptiveLimit())(len),
            '<<built-in function len> guarded by CircuitBreaker "orders", a rate limiter "quota", '
            'ConcurrencyLimit "", AdaptiveLimit "">',
        ),
    ]
    for thing, text in shown:
        assert repr(thing) == text
    permit.success()
    assert repr(permit) == '<Permit of "orders", settled>'


NONSENSE: list[tuple[str, Callable[[Any], object], list[Any]]] = [
    ("name", lambda name: CircuitBreaker(name), [None, 5, b"x"]),
    ("name", lambda name: TokenBucketRateLimiter(1, name=name), [None, 5, b"x"]),
    ("name", lambda name: LeakyBucket(1, name=name), [None, 5]),
    ("name", lambda name: SlidingWindowRateLimiter(1, 1, name=name), [None, 5]),
    ("name", lambda name: SlidingCounterRateLimiter(1, 1, name=name), [None, 5]),
    ("name", lambda name: FixedWindowRateLimiter(1, 1, name=name), [None, 5]),
    ("name", lambda name: ConcurrencyLimit(1, name=name), [None, 5]),
    ("name", lambda name: AdaptiveLimit(name=name), [None, 5]),
    ("name", lambda name: KeyedRateLimiter(1, name=name), [None, 5]),
    ("when_full", lambda word: KeyedRateLimiter(1, when_full=word), [None, 5]),
    ("algorithm", lambda word: AdaptiveLimit(word), [None, 5]),
    ("listeners", lambda given: CircuitBreaker("x", listeners=given), [None, 5, "x", [5]]),
    ("is_failure", lambda given: CircuitBreaker("x", is_failure=given), [5]),
    ("saved", lambda given: CircuitBreaker("x", saved=given), [5, "x", [1]]),
    ("board", lambda given: CircuitBreaker("x", board=given), [5, "/dev/shm/x"]),
    ("board", lambda given: TokenBucketRateLimiter(1, board=given), [5]),
    ("board", lambda given: ConcurrencyLimit(1, board=given), [5]),
    ("until", lambda given: CircuitBreaker("x").force_open(until=given), [5, "12:00"]),
    ("cursor", lambda given: Board.private().transitions_since(given), [5, (1, 2), "x"]),
    ("when_different", lambda given: Board.private().breaker("x", when_different=given), [None]),
    ("max_attempts", lambda given: Retry(given), [None, "3", 1.5, True]),
    ("backoff", lambda given: Retry(backoff=given), [1, "x", 0.5]),
    ("backoff.factor", lambda given: Backoff(factor=given), [None, "2", True]),
    ("budget", lambda given: Retry(budget=given), [0.2, "x"]),
    ("retry_result", lambda given: Retry(retry_result=given), [5]),
    ("max_wait", lambda given: RateLimit(TokenBucketRateLimiter(1), max_wait=given), ["5", True]),
    ("function", lambda given: Fallback(function=given), [5]),
    ("handler", lambda given: Fallback(handler=given), [5]),
    ("limit", lambda given: Timeout(given), [None, "5", True]),
    ("delay", lambda given: Hedge(given), [None, "5", True]),
]


@pytest.mark.parametrize(
    ("field", "make", "value"),
    [(field, make, value) for field, make, values in NONSENSE for value in values],
)
def test_a_wrong_type_is_told_with_its_name(
    field: str, make: Callable[[Any], object], value: object
) -> None:
    with pytest.raises(TypeError, match=rf"^{field} must be "):
        make(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**30, -(10**30)])
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("open_timeout", lambda span: CircuitBreaker("x", open_timeout=span)),
        ("window_size", lambda span: CircuitBreaker("x", window_size=span)),
        ("per", lambda span: TokenBucketRateLimiter(1, per=span)),
        ("window", lambda span: SlidingWindowRateLimiter(1, window=span)),
        ("away", lambda span: CircuitBreaker("x", saved=CircuitBreaker("x").save(), away=span)),
        ("duration", lambda span: CircuitBreaker("x").force_open(span)),
        ("max_wait", lambda span: RateLimit(TokenBucketRateLimiter(1), max_wait=span)),
        ("max_wait", lambda span: TokenBucketRateLimiter(1).acquire(max_wait=span)),
        ("limit", lambda span: Timeout(span)),
        ("backoff.factor", lambda factor: Backoff(factor=factor)),
    ],
)
def test_a_value_out_of_range_is_told_with_its_name(
    field: str, make: Callable[[Any], object], value: float
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(value)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field} is ")
    assert "; allowed: " in str(caught.value)
