"""A client that leaves an overloaded backend alone."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ClientThrottle,
    ConcurrencyLimit,
    ConfigError,
    ManualClock,
    Pipeline,
    Reason,
    ThrottledError,
)

from .conftest import fail


def make(clock: ManualClock, **settings: Any) -> ClientThrottle:
    defaults: dict[str, Any] = {"name": "geocoder", "seed": 1, "clock": clock}
    return ClientThrottle(**(defaults | settings))


def overload(throttle: ClientThrottle) -> None:
    """As much as it takes to reject nearly everything."""
    while throttle.rejection_share() < 0.9:
        if throttle.try_acquire():
            throttle.refused()


def rejected(throttle: ClientThrottle) -> ThrottledError:
    while True:
        try:
            throttle.call(fail)
        except OSError:
            continue
        except ThrottledError as error:
            return error


def test_it_rejects_what_would_be_refused(clock: ManualClock) -> None:
    throttle = make(clock)
    assert [throttle.try_acquire() for _ in range(100)] == [True] * 100
    assert throttle.counts() == (0, 0), "a call counts when it has ended"
    for _ in range(20):
        throttle.accepted()
    assert (throttle.counts(), throttle.rejection_share()) == ((20, 20), 0)
    overload(throttle)
    asked = throttle.counts()[0]
    made = sum(throttle.try_acquire() for _ in range(1_000))
    assert 0 < made < 200, "a few still find out"
    assert throttle.counts()[0] == asked + 1_000 - made
    clock.advance(121)
    assert (throttle.counts(), throttle.try_acquire()) == ((0, 0), True)


def test_the_exception_says_who_and_why(clock: ManualClock) -> None:
    error = rejected(make(clock))
    assert (error.name, error.reason, error.retry_after) == ("geocoder", Reason.LIMITED, None)
    assert str(error) == "client throttle 'geocoder': the backend refuses too many calls, so this one was not made"
    assert str(rejected(make(clock, name=""))).startswith("client throttle: ")
    assert isinstance(pickle.loads(pickle.dumps(error)), ThrottledError)


def test_every_form_tells_how_it_ended(clock: ManualClock) -> None:
    throttle = make(clock, refused_on=OSError, minimum_requests=1_000)
    assert throttle(lambda: 1)() == 1
    assert throttle.call(len, "ab") == 2
    assert asyncio.run(throttle.acall(asyncio.sleep, 0, "slept")) == "slept"
    with throttle:
        pass

    async def block() -> None:
        async with throttle:
            await asyncio.sleep(0)

    asyncio.run(block())
    assert throttle.counts() == (5, 5)

    with pytest.raises(OSError, match="down"):
        throttle(fail)()
    with pytest.raises(OSError, match="down"), throttle:
        fail()

    @throttle
    async def afail() -> None:
        fail()

    with pytest.raises(OSError, match="down"):
        asyncio.run(afail())
    assert throttle.counts() == (8, 5)

    with pytest.raises(ZeroDivisionError):
        throttle.call(lambda: 1 // 0)
    assert throttle.counts() == (9, 6), "an answer, if a bad one"


def test_what_says_nothing_of_the_backend_counts_as_nothing(clock: ManualClock) -> None:
    throttle = make(clock)

    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        throttle.call(stopped)
    with pytest.raises(KeyboardInterrupt), throttle:
        stopped()

    @throttle
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    breaker = CircuitBreaker("further in", clock=clock)
    breaker.force_open()
    with pytest.raises(CircuitOpenError):
        throttle(breaker(fail))()
    assert throttle.counts() == (0, 0)


def test_returned_values_may_be_refusals(clock: ManualClock) -> None:
    throttle = make(clock, refused_result=lambda status: status == 503, minimum_requests=1_000)
    assert [throttle.call(int, status) for status in (200, 503, 404)] == [200, 503, 404]
    assert throttle.counts() == (3, 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_judges_fault_is_not_the_callers(clock: ManualClock) -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError

    throttle = make(clock, refused_on=broken, refused_result=broken)
    assert throttle.call(len, "ab") == 2
    with pytest.raises(OSError, match="down"):
        throttle.call(fail)
    assert throttle.counts() == (0, 0)


def test_x1_in_a_pipeline(clock: ManualClock) -> None:
    throttle, places = make(clock), ConcurrencyLimit(1)
    guarded = Pipeline(throttle, places)(lambda: places.in_flight)
    assert guarded() == 1
    assert throttle.counts() == (1, 1)
    with places, pytest.raises(Exception, match="reached"):
        guarded()
    assert throttle.counts() == (1, 1), "the call was not made"
    overload(throttle)
    outcomes: set[type] = set()
    for _ in range(200):
        try:
            outcomes.add(type(guarded()))
        except ThrottledError as error:
            outcomes.add(type(error))
            assert error.name == "geocoder"
    assert ThrottledError in outcomes
    assert places.in_flight == 0


def test_the_same_seed_rejects_the_same(clock: ManualClock) -> None:
    def draws(throttle: ClientThrottle) -> list[bool]:
        overload(throttle)
        return [throttle.try_acquire() for _ in range(200)]

    assert draws(make(clock)) == draws(make(clock))
    assert draws(make(clock)) != draws(make(clock, seed=2))
    assert draws(make(clock, seed=None)) != draws(make(clock, seed=None))


def test_settings(clock: ManualClock) -> None:
    throttle = make(clock, multiplier=10, minimum_requests=0)
    throttle.accepted()
    for _ in range(9):
        throttle.refused()
    assert throttle.rejection_share() == 0
    throttle.configure(multiplier=2)
    assert throttle.rejection_share() == pytest.approx(8 / 11, abs=0.01)
    throttle.configure(minimum_requests=11)
    assert throttle.rejection_share() == 0
    for bad, field in (
        ({"multiplier": 0.5}, "multiplier"),
        ({"window": 0.05}, "window"),
        ({"minimum_requests": 2**32}, "minimum_requests"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(ConfigError) as caught:
            make(clock, **bad)
        assert caught.value.field == field
    with pytest.raises(ConfigError, match="multiplier is 0"):
        throttle.configure(multiplier=0)
    with pytest.raises(TypeError, match="refused_on must be an exception type"):
        make(clock, refused_on=3)
    with pytest.raises(TypeError, match="refused_result must be callable"):
        make(clock, refused_result=3)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(throttle)
    assert repr(throttle) == "<ClientThrottle 'geocoder' rejecting 0%>"


def test_o1_threads_lose_no_count() -> None:
    throttle = ClientThrottle(minimum_requests=1_000_000, refused_on=OSError)
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        for turn in range(1_000):
            try:
                throttle.call(fail if turn % 2 else int)
            except OSError:
                pass

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert throttle.counts() == (4_000, 2_000)
