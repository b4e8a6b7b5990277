"""A limit that finds itself."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard import (
    AdaptiveLimit,
    AdaptivePermit,
    ConcurrencyLimitError,
    ConfigError,
    ManualClock,
    Pipeline,
    Reason,
    TokenBucketRateLimiter,
)

from .conftest import fail


def run(limit: AdaptiveLimit, clock: ManualClock, latency: float, rounds: int) -> None:
    """Keeps it full: as many calls as it admits begin together and take so long."""
    for _ in range(rounds):
        permits: list[AdaptivePermit] = []
        while (permit := limit.try_acquire()) is not None:
            permits.append(permit)
        clock.advance(latency)
        for permit in permits:
            permit.success()


@pytest.mark.parametrize("algorithm", ["vegas", "gradient2"])
def test_it_grows_while_calls_are_quick_and_shrinks_when_they_slow_down(
    algorithm: str, clock: ManualClock
) -> None:
    limit = AdaptiveLimit(algorithm, window=0.1, clock=clock)  # type: ignore[arg-type]
    run(limit, clock, 0.05, 200)
    grown = limit.limit
    assert grown > 20
    assert limit.baseline == pytest.approx(0.05, rel=0.2)
    run(limit, clock, 0.5, 100)
    assert limit.limit < grown


def test_failures_shrink_aimd(clock: ManualClock) -> None:
    limit = AdaptiveLimit("aimd", initial_limit=10, min_limit=2, window=0.1, clock=clock)
    for _ in range(200):
        permit = limit.try_acquire()
        assert permit is not None
        clock.advance(0.1)
        permit.failure()
    assert limit.limit == 2


def test_k1_every_form(clock: ManualClock) -> None:
    limit = AdaptiveLimit(initial_limit=1, max_limit=1, name="search", clock=clock)
    assert limit(lambda: limit.in_flight)() == 1
    assert limit.call(len, "ab") == 2
    assert asyncio.run(limit.acall(asyncio.sleep, 0, "slept")) == "slept"
    with pytest.raises(OSError, match="down"):
        limit(fail)()
    with limit.acquire() as permit:
        with pytest.raises(ConcurrencyLimitError) as caught:
            limit.acquire()
        assert (caught.value.name, caught.value.reason) == ("search", Reason.FULL)
    assert (permit.success(), limit.in_flight) == (False, 0)
    permit = limit.acquire()
    del permit
    assert limit.in_flight == 0


def test_x1_in_a_pipeline(clock: ManualClock) -> None:
    limit = AdaptiveLimit(initial_limit=5, clock=clock)
    bucket = TokenBucketRateLimiter(1, per=60, clock=clock)
    guarded = Pipeline(limit, bucket)(lambda: limit.in_flight)
    assert guarded() == 1
    with pytest.raises(Exception, match="used up"):
        guarded()
    assert limit.in_flight == 0


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="algorithm is"):
        AdaptiveLimit("guess")  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        AdaptiveLimit(min_limit=0)
    assert caught.value.field == "min_limit"
    with pytest.raises(TypeError, match="no setting"):
        AdaptiveLimit(colour="red")  # type: ignore[call-arg]
    limit = AdaptiveLimit()
    limit.configure(max_limit=5)
    limit.configure(window=1)
    assert limit.limit == 5
    with pytest.raises(ConfigError):
        limit.configure(max_limit=0)
