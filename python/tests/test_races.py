"""What a global lock would hide: everything that threads may do to one object at the same moment. On a
free-threaded build they do.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import sysconfig
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fuseboard import (
    AdaptiveLimit,
    CircuitBreaker,
    ConcurrencyLimit,
    KeyedRateLimiter,
    ManualClock,
    Pipeline,
    RejectedError,
    RetryBudget,
    TokenBucketRateLimiter,
    Transition,
)
from fuseboard.compat import pybreaker

from .conftest import MakeBreaker, fail
from .test_threads import THREADS, herd

ROUNDS = 200


def test_importing_it_does_not_bring_the_lock_back() -> None:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert getattr(sys, "_is_gil_enabled", lambda: True)() is not free_threaded


def test_w3_outcomes_of_every_form_of_call(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=1_000_000)
    plain = breaker(lambda: None)

    @breaker
    def items() -> Iterator[int]:
        yield 1

    @breaker
    async def soon() -> None:
        await asyncio.sleep(0)

    async def many() -> None:
        for _ in range(ROUNDS):
            await soon()
            async with breaker:
                pass

    def work() -> None:
        for _ in range(ROUNDS):
            plain()
            list(items())
            breaker.call(len, "")
            with breaker:
                pass
        asyncio.run(many())

    herd(work)
    assert breaker.snapshot().totals.calls == THREADS * ROUNDS * 6


def test_states_change_while_they_are_read_and_listened_to(clock: ManualClock) -> None:
    told: list[Transition] = []
    breaker = CircuitBreaker(
        "busy", minimum_requests=2, open_timeout=1, listeners=[told.append], clock=clock
    )
    guarded = breaker(fail)

    def work() -> None:
        for number in range(ROUNDS):
            try:
                guarded()
            except (OSError, RejectedError):
                pass
            assert breaker.state in ("closed", "open", "half_open")
            breaker.snapshot()
            repr(breaker)
            if number % 10 == 0:
                clock.advance(1)
            if number % 50 == 0:
                breaker.configure(open_timeout=1 + number % 3)

    herd(work)
    # Each change was told once: no generation twice, and each new one is another's next.
    generations = sorted(change.generation for change in told)
    assert generations == list(range(generations[0], generations[0] + len(told)))


def test_l1_k1_all_or_nothing_in_a_pipeline(clock: ManualClock) -> None:
    breaker = CircuitBreaker("pipeline", clock=clock)
    bucket = TokenBucketRateLimiter(1000, per=10**6, clock=clock)
    places = ConcurrencyLimit(2)
    inside = [0, 0]
    count = threading.Lock()

    @Pipeline(breaker, bucket, places, AdaptiveLimit(initial_limit=100, clock=clock))
    def work_inside() -> None:
        with count:
            inside[0] += 1
            inside[1] = max(inside)
        with count:
            inside[0] -= 1

    made = [0] * THREADS
    names = iter(range(THREADS))

    def work() -> None:
        mine = next(names)
        for _ in range(ROUNDS):
            try:
                work_inside()
            except RejectedError:
                continue
            made[mine] += 1

    herd(work)
    assert inside[1] <= 2
    assert places.in_flight == 0
    assert bucket.available() == 1000 - sum(made)
    assert breaker.snapshot().totals.calls == sum(made)


def test_decorated_functions_are_made_called_and_dropped(breaker: CircuitBreaker) -> None:
    def given(*args: object, **kwargs: object) -> tuple[object, object]:
        return args, kwargs

    def one(value: int) -> int:
        return value

    shared = breaker(given)

    def work() -> None:
        for number in range(ROUNDS):
            own: Any = breaker(one)
            own.route = number
            own.cycle = own
            assert own(number) == number
            shared.last = number  # type: ignore[attr-defined]
            assert shared(number, key=number) == ((number,), {"key": number})
            assert own.__get__(self := object()).__self__ is self
        gc.collect()

    herd(work)


def test_keys_budgets_and_the_same_with_block(clock: ManualClock) -> None:
    keyed = KeyedRateLimiter(10, per=10**6, capacity=64, clock=clock)
    budget = RetryBudget(0.5, minimum_per_second=0, ttl=1000, clock=clock)
    admitted: list[bool] = []
    withdrawn: list[bool] = []

    def work() -> None:
        for number in range(ROUNDS):
            admitted.append(keyed.try_acquire(number % 4))
            budget.deposit()
            withdrawn.append(budget.withdraw())

    herd(work)
    assert admitted.count(True) == 40
    assert withdrawn.count(True) <= THREADS * ROUNDS / 2


def test_pybreakers_interface() -> None:
    breaker = pybreaker.CircuitBreaker(fail_max=10**5)

    def work() -> None:
        for _ in range(ROUNDS):
            with pytest.raises(OSError, match="down"):
                breaker.call(fail)

    herd(work)
    assert breaker.fail_counter == THREADS * ROUNDS
