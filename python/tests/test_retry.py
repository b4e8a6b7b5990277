"""Retry: how often, how long after, and when not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from fuseboard import (
    Backoff,
    CircuitBreaker,
    CircuitOpenError,
    ConfigError,
    ManualClock,
    RateLimitedError,
    Retry,
    RetryBudget,
    TokenBucketRateLimiter,
)

from .worlds import World, world

__all__ = ["world"]


class Flaky:
    """Fails so often, then answers."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or OSError("down")
        self.calls = 0

    def __call__(self, answer: str = "up") -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return answer


def seconds(clock: ManualClock) -> float:
    return clock() / 1e9


def steady(pause: float) -> Backoff:
    return Backoff(pause, pause, 1, "none")


def test_tries_until_it_works(world: World, clock: ManualClock) -> None:
    flaky = Flaky(2)
    retry = Retry(3, backoff=Backoff(0.1, 20, 2, "none"), clock=clock)
    assert world.guard(retry, flaky.__call__)("yes") == "yes"
    assert flaky.calls == 3
    assert seconds(clock) == pytest.approx(0.1 + 0.2)


def test_the_last_exception_is_the_callers(world: World, clock: ManualClock) -> None:
    flaky = Flaky(9)
    with pytest.raises(OSError, match="down") as caught:
        world.guard(Retry(4, backoff=steady(1), clock=clock), flaky.__call__)()
    assert caught.value is flaky.error
    assert flaky.calls == 4
    assert seconds(clock) == 3


def test_only_what_is_worth_it(world: World, clock: ManualClock) -> None:
    flaky = Flaky(1, KeyError("no such user"))
    retry = Retry(retry_on=(OSError, TimeoutError), clock=clock)
    with pytest.raises(KeyError):
        world.guard(retry, flaky.__call__)()
    assert flaky.calls == 1


def test_a_rejection_is_repeated_only_when_asked(world: World, clock: ManualClock) -> None:
    limiter = TokenBucketRateLimiter(1, per=5, name="api", clock=clock)
    call = limiter(lambda: "admitted")
    assert call() == "admitted"
    with pytest.raises(RateLimitedError):
        world.guard(Retry(clock=clock), call)()
    assert seconds(clock) == 0
    patient = Retry(retry_on=RateLimitedError, backoff=steady(0.001), clock=clock)
    assert world.guard(patient, call)() == "admitted"
    assert seconds(clock) == 5


def test_a_forced_open_breaker_is_not_waited_for(world: World, clock: ManualClock) -> None:
    breaker = CircuitBreaker("orders", clock=clock)
    breaker.force_open()
    with pytest.raises(CircuitOpenError):
        world.guard(Retry(retry_on=CircuitOpenError, clock=clock), breaker(len))([])
    assert breaker.snapshot().totals.rejected == 1


def test_retry_after_is_respected_or_given_up(world: World, clock: ManualClock) -> None:
    class Busy(Exception):
        retry_after = 7.0

    flaky = Flaky(1, Busy())
    assert world.guard(Retry(backoff=steady(1), clock=clock), flaky.__call__)() == "up"
    assert seconds(clock) == 7
    flaky = Flaky(1, Busy())
    with pytest.raises(Busy):
        world.guard(Retry(max_retry_after=6, clock=clock), flaky.__call__)()
    assert flaky.calls == 1


def test_deadline(world: World, clock: ManualClock) -> None:
    """No attempt is begun after it."""
    flaky = Flaky(99)
    retry = Retry(100, backoff=steady(1), deadline=timedelta(seconds=3.5), clock=clock)
    with pytest.raises(OSError, match="down"):
        world.guard(retry, flaky.__call__)()
    assert (flaky.calls, seconds(clock)) == (4, 3)


def test_budget(world: World, clock: ManualClock) -> None:
    """Retries are at most so many of the calls, whoever shares the budget."""
    budget = RetryBudget(0.5, 0, 10, clock=clock)
    retry = Retry(5, backoff=steady(0), budget=budget, clock=clock)
    flaky = Flaky(10**6)
    for _ in range(20):
        with pytest.raises(OSError, match="down"):
            world.guard(retry, flaky.__call__)()
    assert flaky.calls == 20 + 10
    assert budget.available() == 0


def test_result_may_ask_for_another_attempt(world: World, clock: ManualClock) -> None:
    answers: Iterator[int] = iter([503, 503, 200])
    retry = Retry(retry_result=lambda status: status >= 500, backoff=steady(1), clock=clock)
    assert world.guard(retry, lambda: next(answers))() == 200
    answers = iter([503] * 3)
    assert world.guard(retry, lambda: next(answers))() == 503


def test_cancelled_is_not_repeated(clock: ManualClock) -> None:
    calls = 0

    @Retry(clock=clock)
    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(hang())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert calls == 1


def test_cancelled_while_it_pauses() -> None:
    flaky = Flaky(9)

    @Retry(backoff=steady(1000))
    async def call() -> str:
        return flaky()

    async def main() -> None:
        task = asyncio.ensure_future(call())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert flaky.calls == 1


@pytest.mark.parametrize("jitter", ["full", "decorrelated"])
def test_jitter_stays_in_bounds(jitter: str) -> None:
    backoff = Backoff(0.5, 8, 3, jitter)  # type: ignore[arg-type]
    draws, last, seen = random.Random(1), 0.0, set()
    low = 0.5 if jitter == "decorrelated" else 0.0
    for attempts in range(1, 500):
        last = backoff.pause(attempts, last, draws)
        assert low <= last <= 8
        seen.add(round(last, 2))
    assert len(seen) > 100


def test_same_seed_same_pauses() -> None:
    def total(seed: int) -> float:
        clock = ManualClock()
        with pytest.raises(OSError, match="down"):
            Retry(10, jitter_seed=seed, clock=clock).call(Flaky(99).__call__)
        return seconds(clock)

    assert total(1) == total(1) != total(2)


def test_generators_are_refused() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="Retry cannot guard a generator"):
        Retry()(numbers)


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("max_attempts", {"max_attempts": 0}),
        ("max_attempts", {"max_attempts": 1001}),
        ("deadline", {"deadline": -1}),
        ("max_retry_after", {"max_retry_after": -1}),
        ("retry_on", {"retry_on": KeyboardInterrupt}),
    ],
)
def test_bad_settings(field: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Retry(**settings)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("backoff.factor", {"factor": 0.5}),
        ("backoff.max", {"max": 0.01}),
        ("backoff.jitter", {"jitter": "some"}),
        ("backoff.initial", {"initial": -1}),
    ],
)
def test_bad_backoff(field: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Backoff(**settings)  # type: ignore[arg-type]
    assert caught.value.field == field
