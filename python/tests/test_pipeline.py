"""Several policies around one call."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    ConcurrencyLimitError,
    ConfigError,
    Fallback,
    FixedWindowRateLimiter,
    KeyedRateLimiter,
    LeakyBucket,
    ManualClock,
    Pipeline,
    RateLimitedError,
    RateLimiter,
    Retry,
    SlidingCounterRateLimiter,
    SlidingWindowRateLimiter,
    Timeout,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, fail, half_open, trip
from .worlds import World, world

__all__ = ["world"]


def test_the_recommended_order(world: World, make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make()
    limiter = TokenBucketRateLimiter(100, per=10**6, clock=clock)
    places = ConcurrencyLimit(5)
    pipeline = Pipeline(
        Fallback("cached"), Retry(5, clock=clock), breaker, limiter, places, Timeout(30)
    )
    assert world.guard(pipeline, str.upper)("a") == "A"
    assert world.guard(pipeline, fail)() == "cached"
    assert breaker.state == "open"
    # One success and the failure that tripped it; the second attempt was rejected, and its token is back.
    assert limiter.available() == 98
    assert places.in_flight == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_admission_is_all_or_nothing(
    order: tuple[int, ...], make: MakeBreaker, clock: ManualClock
) -> None:
    """X1: when one rejects, the others are as if never asked, a probe's place included."""
    breaker = make(half_open_requests=1)
    half_open(breaker, clock).cancel()
    bucket = TokenBucketRateLimiter(3, clock=clock)
    counter = SlidingCounterRateLimiter(3, 1000, clock=clock)
    places = ConcurrencyLimit(1)
    policies: list[CircuitBreaker | RateLimiter | ConcurrencyLimit]
    policies = [breaker, bucket, counter, places]
    guarded = Pipeline(*(policies[place] for place in order))(lambda: "called")
    held = places.acquire()
    for _ in range(5):
        with pytest.raises(ConcurrencyLimitError):
            guarded()
    assert (bucket.available(), counter.available()) == (3, 3)
    assert breaker.snapshot().in_flight == 0
    held.release()
    assert guarded() == "called"
    assert (bucket.available(), counter.available()) == (2, 2)
    assert breaker.snapshot().in_flight == 0


def test_what_was_taken_is_back_before_the_rejection_is_seen(
    make: MakeBreaker, clock: ManualClock
) -> None:
    """X1, B10: also while somebody keeps the exception, and with it the frames that it passed."""
    breaker = make(half_open_requests=1)
    half_open(breaker, clock).cancel()
    places = ConcurrencyLimit(1)
    full = places.acquire()
    with pytest.raises(ConcurrencyLimitError) as caught:
        Pipeline(breaker, places).call(len, "")
    assert breaker.snapshot().in_flight == 0
    assert caught.value.name == ""
    full.release()


def test_what_cannot_be_given_back_is_asked_last(clock: ManualClock) -> None:
    window = SlidingWindowRateLimiter(5, 60, clock=clock)
    bucket = TokenBucketRateLimiter(1, per=60, clock=clock)
    guarded = Pipeline(window, bucket)(lambda: None)
    guarded()
    for _ in range(3):
        with pytest.raises(RateLimitedError):
            guarded()
    assert window.available() == 4


def test_a_failure_is_told_to_all(make: MakeBreaker) -> None:
    breaker, places = make(), ConcurrencyLimit(1)
    guarded = Pipeline(places, breaker)(fail)
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            guarded()
    with pytest.raises(CircuitOpenError):
        guarded()
    assert places.in_flight == 0


def test_generators_through_what_can(make: MakeBreaker) -> None:
    breaker, places = make(), ConcurrencyLimit(1)

    @Pipeline(breaker, places)
    def numbers() -> Iterator[int]:
        yield places.in_flight

    assert list(numbers()) == [1]
    assert places.in_flight == 0
    with pytest.raises(TypeError, match="Timeout cannot guard a generator"):
        Pipeline(breaker, Timeout(1))(numbers)


def test_call_and_acall(make: MakeBreaker) -> None:
    pipeline = Pipeline(make(), ConcurrencyLimit(1))
    assert pipeline.call(sorted, [2, 1], reverse=True) == [2, 1]
    assert asyncio.run(pipeline.acall(asyncio.sleep, 0, result="slept")) == "slept"
    assert [type(policy).__name__ for policy in pipeline.policies] == [
        "CircuitBreaker",
        "ConcurrencyLimit",
    ]


@pytest.mark.parametrize(
    ("policies", "why"),
    [
        ((), "no policy"),
        ((Retry(), Fallback(1)), "see no failure"),
        ((CircuitBreaker("a"), Fallback(1)), "see no failure"),
        ((Retry(), CircuitBreaker("a"), Retry()), "multiply"),
        ((Timeout(1), CircuitBreaker("a")), "counts as nothing"),
    ],
)
def test_orders_that_defeat_themselves(policies: tuple[CircuitBreaker, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        Pipeline(*policies)
    assert caught.value.field == "pipeline"


def test_what_is_no_policy() -> None:
    with pytest.raises(TypeError, match="not function"):
        Pipeline(fail)  # type: ignore[arg-type]


def test_keyed(world: World, clock: ManualClock) -> None:
    """L1, for each key."""
    clients = KeyedRateLimiter(1, per=10, name="clients", clock=clock)

    def get(user: str, page: int = 0) -> str:
        return f"{user} {page}"

    guarded = world.guard(clients.by(lambda user, page=0: user), get)
    assert guarded("alice", page=1) == "alice 1"
    assert guarded("bob") == "bob 0"
    with pytest.raises(RateLimitedError) as caught:
        guarded("alice")
    assert (caught.value.name, caught.value.retry_after) == ("clients", 10)
    assert (clients.available("alice"), clients.available(b"alice")) == (0, 0)
    assert (clients.available("carol"), clients.live()) == (1, 2)
    clients.refund("alice")
    assert guarded("alice") == "alice 0"
    clock.advance(10)
    assert clients.live() == 0
    assert clients.try_acquire(1)
    assert clients.try_acquire("1")
    clients.configure(2, per=10)
    clients.reset()
    assert clients.available("alice") == 2


def test_keyed_table_that_is_full(clock: ManualClock) -> None:
    """The table never grows, whoever chooses the keys."""
    for when_full, admitted in (("reject", 4), ("admit", 1000), ("share_overflow", 5)):
        limiter = KeyedRateLimiter(
            1,
            per=3600,
            capacity=4,
            when_full=when_full,  # type: ignore[arg-type]
            clock=clock,
        )
        assert sum(limiter.try_acquire(key) for key in range(1000)) == admitted
        assert (limiter.capacity, limiter.live(), limiter.overflows) == (4, 4, 996)


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("rate", {"rate": 0}),
        ("burst", {"rate": 1, "burst": 0}),
        ("capacity", {"rate": 1, "capacity": 0}),
        ("capacity", {"rate": 1, "capacity": 2**31}),
        ("when_full", {"rate": 1, "when_full": "wait"}),
    ],
)
def test_keyed_bad_settings(field: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyedRateLimiter(**settings)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_keyed_takes_no_other_keys() -> None:
    with pytest.raises(TypeError, match="key must be a str, bytes or an int, not float"):
        KeyedRateLimiter(1).try_acquire(1.5)  # type: ignore[arg-type]


def test_counting_limiters(clock: ManualClock) -> None:
    fixed = FixedWindowRateLimiter(2, 10, name="fixed", clock=clock)
    assert [fixed.try_acquire() for _ in range(3)] == [True, True, False]
    fixed.configure(3)
    assert fixed.available() == 1
    fixed.refund()
    assert fixed.available() == 2
    clock.advance(10)
    assert fixed.available() == 3
    counter = SlidingCounterRateLimiter(4, 10, clock=clock)
    counter.admit(4)
    clock.advance(15)
    assert counter.available() == 2
    counter.reset()
    assert counter.available() == 4
    pacer = LeakyBucket(1, per=10, queue=1, clock=clock)
    assert [pacer.reserve().wait for _ in range(2)] == [0, 10]
    with pytest.raises(RateLimitedError):
        pacer.reserve()


def test_trip_leaves_outer_tokens_alone(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make()
    trip(breaker)
    bucket = TokenBucketRateLimiter(3, clock=clock)
    with pytest.raises(CircuitOpenError):
        Pipeline(bucket, breaker).call(len, [])
    assert bucket.available() == 3
