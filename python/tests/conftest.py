"""A breaker that trips on two failures, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from fuseboard import CircuitBreaker, ManualClock, Permit

MakeBreaker = Callable[..., CircuitBreaker]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(clock: ManualClock) -> MakeBreaker:
    def make_breaker(**settings: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"minimum_requests": 2, "clock": clock}
        return CircuitBreaker("orders", **(defaults | settings))

    return make_breaker


@pytest.fixture
def breaker(make: MakeBreaker) -> CircuitBreaker:
    return make()


def fail() -> NoReturn:
    raise OSError("down")


def trip(breaker: CircuitBreaker) -> None:
    while breaker.state == "closed":
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)


def half_open(breaker: CircuitBreaker, clock: ManualClock) -> Permit:
    """The first probe's permit."""
    trip(breaker)
    clock.advance(30)
    permit = breaker.try_acquire()
    assert permit is not None
    assert breaker.state == "half_open"
    return permit
