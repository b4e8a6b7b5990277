"""What counts as nothing: being stopped, being forgotten, being told to ignore."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    ManualClock,
    TokenBucketRateLimiter,
    Transition,
)

from .conftest import MakeBreaker, half_open, trip


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reached `sys.unraisablehook`: the exceptions and their sources."""
    reports: list[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda report: reports.append((report.exc_value, report.object))
    )
    return reports


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_stopping_is_neutral(breaker: CircuitBreaker, stop: type[BaseException]) -> None:
    def stopped() -> None:
        raise stop

    for _ in range(5):
        with pytest.raises(stop):
            breaker.call(stopped)
    assert breaker.state == "closed"
    assert breaker.snapshot().window.calls == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError])
def test_stopped_probe_gives_its_place_back(
    make: MakeBreaker, clock: ManualClock, stop: type[BaseException]
) -> None:
    """P3, B6."""
    breaker = make(half_open_requests=1)
    half_open(breaker, clock).cancel()

    def stopped() -> None:
        raise stop

    for _ in range(3):
        with pytest.raises(stop):
            breaker.call(stopped)
        assert breaker.snapshot().in_flight == 0
    assert breaker.call(len, "abc") == 3
    assert breaker.state == "closed"


@pytest.mark.parametrize("awaits", range(4))
@pytest.mark.parametrize("form", ["decorated", "acall", "async with"])
def test_cancelling_at_each_await(
    make: MakeBreaker, clock: ManualClock, awaits: int, form: str
) -> None:
    """P6: cancelled at its k-th await, each form gives the probe's place back, once."""
    breaker = make(half_open_requests=1)

    async def work() -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    @breaker
    async def decorated() -> None:
        await work()

    async def with_block() -> None:
        async with breaker:
            await work()

    async def main() -> None:
        half_open(breaker, clock).cancel()
        forms = {
            "decorated": decorated,
            "acall": lambda: breaker.acall(work),
            "async with": with_block,
        }
        task = asyncio.ensure_future(forms[form]())
        for _ in range(awaits + 1):
            await asyncio.sleep(0)
        assert breaker.snapshot().in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert breaker.snapshot().in_flight == 0
        await decorated()

    asyncio.run(main())
    assert breaker.state == "closed"


def test_forgotten_permit_is_cancelled(make: MakeBreaker, clock: ManualClock) -> None:
    """P1."""
    breaker = make(half_open_requests=1)
    permit = half_open(breaker, clock)
    assert breaker.snapshot().in_flight == 1
    del permit
    gc.collect()
    assert breaker.snapshot().in_flight == 0


def test_forgotten_permit_keeps_the_exception_in_flight(breaker: CircuitBreaker) -> None:
    """P2."""

    def holder() -> None:
        permit = breaker.acquire()
        assert permit is not None
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        holder()
    gc.collect()
    assert breaker.snapshot().totals.ignored == 1


def test_lost_probe_is_reclaimed(make: MakeBreaker, clock: ManualClock) -> None:
    """B10."""
    breaker = make(half_open_requests=1, probe_lease=5)
    lost = half_open(breaker, clock)
    assert breaker.try_acquire() is None
    clock.advance(5)
    assert breaker.call(len, "abc") == 3
    assert breaker.state == "closed"
    assert not lost.success()


def test_failures_and_ignore(make: MakeBreaker) -> None:
    breaker = make(failures=OSError, ignore=(FileNotFoundError, PermissionError))
    for error in (FileNotFoundError(), PermissionError(), KeyError()):
        permit = breaker.acquire()
        assert permit.raised(error)
    totals = breaker.snapshot().totals
    assert (totals.calls, totals.failures, totals.ignored) == (1, 0, 2)
    breaker.acquire().raised(ConnectionResetError())
    assert breaker.state == "open"


def test_predicates(make: MakeBreaker) -> None:
    breaker = make(
        failures=lambda error: getattr(error, "status", 0) >= 500,
        is_failure=lambda result: result == "bad",
        minimum_requests=100,
    )

    class HttpError(Exception):
        def __init__(self, status: int) -> None:
            self.status = status

    breaker.acquire().raised(HttpError(404))
    breaker.acquire().raised(HttpError(503))
    assert breaker.call(str, "bad") == "bad"
    assert breaker.call(str, "good") == "good"
    totals = breaker.snapshot().totals
    assert (totals.calls, totals.failures) == (4, 2)


def test_rejection_further_in_is_no_failure(make: MakeBreaker, clock: ManualClock) -> None:
    outer, inner = make(), make()
    limiter = TokenBucketRateLimiter(1, clock=clock)
    trip(inner)

    @outer
    @limiter
    def limited() -> None: ...

    for _ in range(3):
        with pytest.raises(CircuitOpenError):
            outer.call(inner.call, len, "")
    limited()
    for _ in range(3):
        with pytest.raises(Exception, match="used up"):
            limited()
    totals = outer.snapshot().totals
    assert (totals.calls, totals.failures, totals.ignored) == (1, 0, 6)


def test_listener_fault_is_reported_aside(make: MakeBreaker, unraisable: list[Any]) -> None:
    heard: list[Transition] = []

    def faulty(change: Transition) -> None:
        raise RuntimeError("listener")

    breaker = make(listeners=[faulty, heard.append])
    trip(breaker)
    assert breaker.state == "open"
    assert len(heard) == 1
    assert [(type(error), source) for error, source in unraisable] == [(RuntimeError, faulty)]


def test_listener_fault_at_admission_loses_no_call(
    make: MakeBreaker, clock: ManualClock, unraisable: list[Any]
) -> None:
    def faulty(change: Transition) -> None:
        raise RuntimeError("listener")

    breaker = make(listeners=[faulty])
    trip(breaker)
    clock.advance(30)
    assert breaker.call(len, "abc") == 3
    assert len(unraisable) == 2


def test_interrupt_in_a_listener_reaches_the_caller(
    make: MakeBreaker, clock: ManualClock, unraisable: list[Any]
) -> None:
    """Ctrl-C is no fault of the listener that it happens to meet."""

    def interrupted(change: Transition) -> None:
        raise KeyboardInterrupt

    breaker = make(listeners=[interrupted], half_open_requests=1)
    breaker.acquire().failure()
    with pytest.raises(KeyboardInterrupt):
        breaker.acquire().failure()
    assert breaker.state == "open"
    clock.advance(30)
    with pytest.raises(KeyboardInterrupt):
        breaker.call(len, "")
    assert breaker.snapshot().in_flight == 0
    assert unraisable == []


def test_predicate_fault_is_reported_aside(make: MakeBreaker, unraisable: list[Any]) -> None:
    def faulty(value: object) -> bool:
        raise RuntimeError("predicate")

    breaker = make(failures=faulty, is_failure=faulty)
    assert breaker.call(len, "abc") == 3
    with pytest.raises(LookupError):
        breaker.call("abc".__getitem__, 5)
    assert breaker.snapshot().totals.ignored == 2
    assert [str(error) for error, _ in unraisable] == ["predicate", "predicate"]


def test_clock_fault(make: MakeBreaker, unraisable: list[Any]) -> None:
    """At admission it is the caller's to hear; when a call has ended, its result goes first."""
    readings: Iterator[Any] = iter([0, "noon", -1, 2**64])
    breaker = make(clock=lambda: next(readings))
    assert breaker.call(len, "abc") == 3
    for _ in range(2):
        with pytest.raises(TypeError, match="clock returned"):
            breaker.call(len, "abc")
    assert breaker.snapshot is not None
    assert [type(error) for error, _ in unraisable] == [TypeError]


def test_cycles_are_collected(clock: ManualClock) -> None:
    class Owner:
        def __init__(self) -> None:
            self.breaker = CircuitBreaker("cycle", listeners=[self.heard], clock=self.now)
            self.limiter = TokenBucketRateLimiter(1, clock=self.now)
            self.places = ConcurrencyLimit(1)

        def heard(self, change: Transition) -> None: ...

        def now(self) -> int:
            return clock()

    import weakref

    owner = Owner()
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
