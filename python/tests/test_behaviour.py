"""What other libraries for Python get wrong, one test for each: who does is said there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard import (
    Board,
    CircuitBreaker,
    CircuitOpenError,
    ManualClock,
    TokenBucketRateLimiter,
    Transition,
)

from .conftest import MakeBreaker, fail, half_open, trip


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_calls_of_threads_run_side_by_side(breaker: CircuitBreaker) -> None:
    """pybreaker makes them one at a time: four that wait for each other would wait for ever."""
    barrier = threading.Barrier(4, timeout=30)
    waiting = breaker(barrier.wait)

    def caller(number: int) -> None:
        for _ in range(5):
            waiting()

    in_threads(4, caller)
    assert breaker.snapshot().totals.calls == 20


def test_b3_sixteen_callers_in_half_open_send_one(make: MakeBreaker, clock: ManualClock) -> None:
    """pybreaker, circuitbreaker, aiobreaker, purgatory, pyresilience and resilient-circuit send all sixteen."""
    breaker = make(half_open_requests=1)
    half_open(breaker, clock).cancel()
    begin, leave = threading.Barrier(16, timeout=30), threading.Event()
    reached: list[int] = []
    rejected: list[int] = []

    @breaker
    def backend(number: int) -> None:
        reached.append(number)
        leave.wait(30)

    def caller(number: int) -> None:
        begin.wait()
        try:
            backend(number)
        except CircuitOpenError:
            rejected.append(number)
            if len(rejected) == 15:
                leave.set()

    in_threads(16, caller)
    assert (len(reached), len(rejected)) == (1, 15)


def test_a_failing_coroutine_trips_it(make: MakeBreaker) -> None:
    """pybreaker never does: twenty raw errors."""
    breaker = make(minimum_requests=5)

    @breaker
    async def call() -> None:
        fail()

    async def main() -> tuple[int, int]:
        errors = rejections = 0
        for _ in range(20):
            try:
                await call()
            except CircuitOpenError:
                rejections += 1
            except OSError:
                errors += 1
        return errors, rejections

    assert asyncio.run(main()) == (5, 15)


def test_cancelled_calls_do_not_trip_it(make: MakeBreaker) -> None:
    """purgatory opens."""
    breaker = make(minimum_requests=1)

    @breaker
    async def hang() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        for _ in range(20):
            task = asyncio.ensure_future(hang())
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert (breaker.state, breaker.snapshot().totals.ignored) == ("closed", 20)


def test_interrupts_do_not_trip_it(make: MakeBreaker) -> None:
    """pybreaker counts them and opens."""
    breaker = make(minimum_requests=1)

    @breaker
    def stop() -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            stop()
    assert breaker.state == "closed"


def test_a_listeners_fault_is_not_the_callers(
    make: MakeBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pybreaker a successful call raises it."""
    heard: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)

    def broken(change: Transition) -> None:
        raise RuntimeError("broken listener")

    breaker = make(listeners=[broken])
    trip(breaker)
    assert [str(one.exc_value) for one in heard] == ["broken listener"]


def test_an_open_breaker_keeps_a_block_from_running(breaker: CircuitBreaker) -> None:
    """`with` an open circuitbreaker runs the body, and closes."""
    breaker.force_open()
    with pytest.raises(CircuitOpenError), breaker:
        pytest.fail("the body ran")
    assert breaker.state == "forced_open"


def test_the_call_that_trips_raises_its_own_exception(make: MakeBreaker) -> None:
    """pybreaker and aiobreaker replace it."""
    breaker = make(minimum_requests=1)
    with pytest.raises(OSError, match="down"):
        breaker(fail)()
    assert breaker.state == "open"


def test_t1_the_wall_clock_does_not_move_a_cooldown(
    make: MakeBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pybreaker, aiobreaker, hyx, purgatory, fluxgate and limits go by it."""
    breaker = make(minimum_requests=1, clock=None)
    trip(breaker)
    future = time.time() + 10**6
    monkeypatch.setattr(time, "time", lambda: future)
    with pytest.raises(CircuitOpenError):
        breaker.call(len, "")


def test_no_failure_is_lost_between_threads(make: MakeBreaker) -> None:
    """W3, where the threads change every microsecond."""
    breaker = make(minimum_requests=1_000_000)
    broken = breaker(fail)

    def caller(number: int) -> None:
        for _ in range(5000):
            with contextlib.suppress(OSError):
                broken()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(4, caller)
    finally:
        sys.setswitchinterval(interval)
    totals = breaker.snapshot().totals
    assert (totals.calls, totals.failures) == (20_000, 20_000)


def test_no_thread_is_started() -> None:
    """limits' memory storage starts one some 75 times a second, the first when it is made."""
    before = threading.active_count()
    limiter = TokenBucketRateLimiter(1000)
    guarded = limiter(CircuitBreaker("quiet")(len))
    for _ in range(1000):
        guarded("")
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform != "linux", reason="boards need Linux")
def test_s3_four_workers_admit_one_limit_and_trip_together() -> None:
    """Four workers with limits' memory storage admit 400 of 100 a minute; four breakers take four times the failures."""
    board = Board.anonymous()
    bucket = board.token_bucket("api", 1, per=3600, burst=100)
    breaker = board.breaker("backend", minimum_requests=5)
    reading, writing = os.pipe()

    def worker() -> None:
        admitted = sum(bucket.try_acquire() for _ in range(100))
        failed = 0
        for _ in range(20):
            with contextlib.suppress(CircuitOpenError, OSError):
                breaker.call(fail)
        failed = breaker.snapshot().totals.failures
        os.write(writing, b"%d %d\n" % (admitted, failed))

    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                worker()
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        seen = [tuple(map(int, line.split())) for line in lines]
    assert sum(admitted for admitted, _ in seen) == 100
    # Calls that were under way when it tripped may still end: at most one of each other worker.
    assert 5 <= breaker.snapshot().totals.failures <= 8
    assert breaker.state == "open"
