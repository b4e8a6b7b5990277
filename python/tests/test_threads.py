"""Many threads at one breaker or limiter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    ManualClock,
    Permit,
    Reason,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, trip

THREADS = 16


@pytest.fixture(autouse=True)
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def herd(work: Callable[[], None]) -> None:
    """Runs `work` in all threads at once."""
    start = threading.Barrier(THREADS)
    faults: list[BaseException] = []

    def run() -> None:
        start.wait()
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_herd(make: MakeBreaker, clock: ManualClock, probes: int) -> None:
    """B3, B4: of 16 threads exactly N get through, while their calls are in flight."""
    breaker = make(half_open_requests=probes)
    trip(breaker)
    clock.advance(30)
    inside: list[None] = []
    refused: list[Reason] = []
    all_tried = threading.Barrier(THREADS)

    def backend() -> None:
        inside.append(None)
        all_tried.wait()

    def work() -> None:
        try:
            breaker.call(backend)
        except CircuitOpenError as error:
            refused.append(error.reason)
            all_tried.wait()

    herd(work)
    assert len(inside) == probes
    assert refused == [Reason.HALF_OPEN_FULL] * (THREADS - probes)
    assert breaker.state == "closed"


def test_no_lost_outcome(make: MakeBreaker) -> None:
    """W3, O1."""
    breaker = make(minimum_requests=1_000_000)

    def work() -> None:
        for number in range(500):
            permit = breaker.acquire()
            permit.failure() if number % 2 else permit.success()

    herd(work)
    totals = breaker.snapshot().totals
    assert (totals.calls, totals.failures) == (THREADS * 500, THREADS * 250)


def test_one_permit_settled_by_many_threads(breaker: CircuitBreaker) -> None:
    """P1."""
    for _ in range(50):
        permit: Permit = breaker.acquire()
        recorded: list[bool] = []

        def settle(permit: Permit = permit, recorded: list[bool] = recorded) -> None:
            recorded.append(permit.success())

        herd(settle)
        assert recorded.count(True) == 1
    assert breaker.snapshot().totals.calls == 50


def test_calls_of_other_threads_are_not_serialised(breaker: CircuitBreaker) -> None:
    """All 16 calls must be inside at once for any to return."""
    inside = threading.Barrier(THREADS)
    herd(lambda: breaker.call(lambda: None if inside.wait() else None))
    assert breaker.snapshot().totals.calls == THREADS


def test_rate_limits_hold(clock: ManualClock) -> None:
    """L1, L2."""
    for limiter in (
        TokenBucketRateLimiter(100, clock=clock),
        SlidingWindowRateLimiter(100, 1, clock=clock),
    ):
        admitted: list[bool] = []

        def work(
            limiter: TokenBucketRateLimiter | SlidingWindowRateLimiter = limiter,
            admitted: list[bool] = admitted,
        ) -> None:
            for _ in range(20):
                admitted.append(limiter.try_acquire())

        herd(work)
        assert admitted.count(True) == 100


def test_concurrency_limit_holds() -> None:
    """K1, K2."""
    limit = ConcurrencyLimit(3)
    most = []

    def work() -> None:
        for _ in range(200):
            permit = limit.try_acquire()
            if permit is not None:
                most.append(limit.in_flight)
                permit.release()

    herd(work)
    assert limit.in_flight == 0
    assert max(most) <= 3
