"""A policy that is tried on real traffic: it decides and counts, and hurts nobody."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fuseboard import (
    AdaptiveLimit,
    Board,
    CircuitBreaker,
    ClientThrottle,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    LoadShedding,
    ManualClock,
    Pipeline,
    RateLimitedError,
    Reason,
    Retry,
    Shadow,
    SlidingWindowRateLimiter,
    Timeout,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, fail


def test_a_breaker_only_observes(make: MakeBreaker, clock: ManualClock) -> None:
    trial = Shadow(make())
    guarded = trial(fail)
    for _ in range(10):
        with pytest.raises(OSError, match="down"):
            guarded()
    assert trial.policy.state == "open"
    assert (trial.would_reject(), trial.would_reject(Reason.OPEN)) == (8, 8)
    assert trial.policy.snapshot().totals.calls == 2, "it sees what it would have let pass"
    clock.advance(30)
    for _ in range(3):
        assert trial.call(len, "ab") == 2
    assert trial.policy.state == "closed"
    assert repr(trial).endswith("8 would be rejected>")
    assert trial.name == "orders"


def test_every_form_passes_and_is_counted(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=100)
    trial = Shadow(breaker)

    @trial
    async def awaited() -> int:
        return breaker.snapshot().in_flight

    @trial
    def generated() -> Iterator[int]:
        yield 1

    @trial
    async def agenerated() -> AsyncIterator[int]:
        yield 1

    async def collect() -> list[int]:
        return [item async for item in agenerated()]

    def all_forms() -> None:
        assert trial(lambda: 1)() == 1
        assert trial.call(len, "ab") == 2
        asyncio.run(awaited())
        assert asyncio.run(trial.acall(asyncio.sleep, 0, "slept")) == "slept"
        assert list(generated()) == [1]
        assert asyncio.run(collect()) == [1]

    all_forms()
    assert breaker.snapshot().totals.calls == 6
    breaker.force_open()
    all_forms()
    assert trial.would_reject(Reason.FORCED_OPEN) == 6
    breaker.reset()

    @trial
    async def failing() -> None:
        fail()

    with pytest.raises(OSError, match="down"):
        asyncio.run(failing())
    assert breaker.stats().failures == 1


def test_p3_a_probes_place_comes_back(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make(half_open_requests=1)
    trial = Shadow(breaker)
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            trial.call(fail)
    clock.advance(30)

    @trial
    async def probe() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(probe())
    assert (breaker.state, breaker.snapshot().in_flight) == ("half_open", 0)

    @trial
    def left() -> Iterator[int]:
        yield 1
        yield 2

    started = left()
    next(started)
    assert breaker.snapshot().in_flight == 1
    assert trial.call(len, "ab") == 2
    assert trial.would_reject(Reason.HALF_OPEN_FULL) == 1
    del started
    gc.collect()
    assert breaker.snapshot().in_flight == 0


def limits(clock: ManualClock) -> dict[str, tuple[Any, Callable[[Any], object], Reason]]:
    """Each kind, what uses it up, and why it would reject then."""
    return {
        "bucket": (TokenBucketRateLimiter(1, clock=clock), lambda one: one.drain(), Reason.LIMITED),
        "log": (SlidingWindowRateLimiter(1, 60, clock=clock), lambda one: one.admit(), Reason.LIMITED),
        "places": (ConcurrencyLimit(1), lambda one: one.acquire(), Reason.FULL),
        "adaptive": (
            AdaptiveLimit(initial_limit=1, max_limit=1, clock=clock),
            lambda one: one.acquire(),
            Reason.FULL,
        ),
    }


@pytest.mark.parametrize("kind", ["bucket", "log", "places", "adaptive"])
def test_every_limit(kind: str, clock: ManualClock) -> None:
    policy, use_up, reason = limits(clock)[kind]
    trial = Shadow(policy)
    assert trial.call(len, "ab") == 2
    assert trial.would_reject() == 0
    kept = use_up(policy) if kind != "log" else None
    assert [trial.call(len, "ab") for _ in range(3)] == [2, 2, 2]
    assert {each: trial.would_reject(each) for each in Reason if trial.would_reject(each)} == {reason: 3}
    del kept
    if kind in ("places", "adaptive"):
        assert policy.in_flight == 0, "what was not given is not given back"


def test_priorities_and_throttles(clock: ManualClock) -> None:
    places = ConcurrencyLimit(2)
    trial = Shadow(LoadShedding(places).at(0))
    with places:
        assert trial.call(len, "ab") == 2
        assert places.in_flight == 1
    assert trial.would_reject(Reason.FULL) == 1

    throttle = ClientThrottle(clock=clock, seed=1)
    throttled = Shadow(throttle)(fail)
    for _ in range(300):
        with pytest.raises(OSError, match="down"):
            throttled()
    assert throttle.rejection_share() > 0.9
    assert throttle.counts() == (300, 0)


def test_x1_in_a_pipeline(make: MakeBreaker, clock: ManualClock) -> None:
    breaker, places = make(), ConcurrencyLimit(1)
    bucket = TokenBucketRateLimiter(2, per=60, clock=clock)
    trial = Shadow(places)
    guarded = Pipeline(Shadow(breaker), trial, bucket)(lambda: places.in_flight)
    assert guarded() == 1
    with places:
        assert guarded() == 1
    assert trial.would_reject(Reason.FULL) == 1
    with pytest.raises(RateLimitedError):
        guarded()
    assert (places.in_flight, breaker.snapshot().in_flight) == (0, 0), "as if never asked"
    assert 'Shadow of CircuitBreaker "orders", Shadow of ConcurrencyLimit' in repr(guarded)
    # A log keeps what it has, so it is asked last also where it only observes.
    log = SlidingWindowRateLimiter(1, 60, clock=clock)
    with pytest.raises(RateLimitedError):
        Pipeline(Shadow(log), bucket).call(len, "ab")
    assert log.available() == 1
    with pytest.raises(ConfigError, match="pipeline has a Fallback inside"):
        Pipeline(Shadow(breaker), Fallback(None))
    with pytest.raises(ConfigError, match="pipeline has a Timeout directly outside"):
        Pipeline(Timeout(1), Shadow(breaker))
    assert Pipeline(Retry(2), Shadow(breaker), places).call(len, "ab") == 2


def test_a_breaker_of_a_board_in_shadow() -> None:
    breaker = Board.anonymous().breaker("gateway")
    trial = Shadow(breaker)
    breaker.force_open()
    assert trial.call(len, "ab") == 2
    assert trial.would_reject(Reason.FORCED_OPEN) == 1


def test_what_cannot_be_in_shadow(make: MakeBreaker) -> None:
    for wrong in (Retry(2), Pipeline(make()), Shadow(make()), 3):
        with pytest.raises(TypeError, match="policy must be a breaker, limiter, limit or throttle"):
            Shadow(wrong)  # type: ignore[type-var]
    trial = Shadow(make())
    with pytest.raises(ConfigError, match='reason is "tired"'):
        trial.would_reject("tired")
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(trial)


def test_a_cycle_through_a_shadow_is_collected() -> None:
    class Clock:
        trial: Shadow[CircuitBreaker]

        def __call__(self) -> int:
            return 0

    gone: list[bool] = []

    def cycle() -> None:
        clock = Clock()
        clock.trial = Shadow(CircuitBreaker("cycle", clock=clock))
        weakref.finalize(clock, gone.append, True)

    cycle()
    gc.collect()
    assert gone == [True]


def test_o1_threads_lose_no_count(make: MakeBreaker) -> None:
    trial = Shadow(make())
    trial.policy.force_open()
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        for _ in range(1_000):
            trial.call(int)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trial.would_reject() == 4_000
