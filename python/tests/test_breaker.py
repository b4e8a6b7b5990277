"""The breaker's life: it trips, rejects, probes, closes; and what an operator can do."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from fuseboard import (
    Cause,
    CircuitBreaker,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    FuseboardError,
    ManualClock,
    Permit,
    Reason,
    RejectedError,
    Transition,
    Window,
)

from .conftest import MakeBreaker, fail, half_open, trip


def test_trips_and_recovers(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """B1, B7, B17."""
    assert isinstance(breaker.state, CircuitState)
    trip(breaker)
    assert breaker.state == "open"
    clock.advance(29.999_999_999)
    with pytest.raises(CircuitOpenError):
        breaker.call(len, "abc")
    clock.advance(0.000_000_001)
    assert [breaker.call(len, "abc") for _ in range(3)] == [3, 3, 3]
    assert breaker.state == "closed"


def test_failed_probe_reopens(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """B11: a success that comes later does not close it."""
    first = half_open(breaker, clock)
    second = breaker.acquire()
    assert first.failure()
    assert breaker.state == "open"
    assert not second.success()
    assert breaker.state == "open"


def test_rejection_says_who_why_and_when(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """L8 for a breaker: admitted exactly at `retry_after`."""
    trip(breaker)
    clock.advance(12.5)
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(len, "abc")
    error = caught.value
    assert (error.name, error.reason, error.retry_after) == ("orders", Reason.OPEN, 17.5)
    assert str(error) == "circuit breaker 'orders': open; retry after 17.5 s"
    assert isinstance(error, RejectedError)
    assert isinstance(error, FuseboardError)
    assert error.retry_after is not None
    clock.advance(error.retry_after)
    assert breaker.call(len, "abc") == 3


def test_rejection_crosses_processes(breaker: CircuitBreaker) -> None:
    trip(breaker)
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(len, "abc")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.name, copy.reason, copy.retry_after) == ("orders", Reason.OPEN, 30.0)


def test_original_exception_propagates_unchanged(breaker: CircuitBreaker) -> None:
    for _ in range(2):
        original = OSError("down")

        def call(error: OSError = original) -> None:
            raise error

        with pytest.raises(OSError, match="down") as caught:
            breaker.call(call)
        assert caught.value is original
        assert original.__cause__ is None
        assert original.__context__ is None
    assert breaker.state == "open"


def test_try_acquire_needs_no_exception(breaker: CircuitBreaker) -> None:
    permit = breaker.try_acquire()
    assert isinstance(permit, Permit)
    assert permit.success()
    trip(breaker)
    assert breaker.try_acquire() is None


def test_second_settling_is_stale(breaker: CircuitBreaker) -> None:
    """P1."""
    permit = breaker.acquire()
    assert permit.success()
    assert not permit.failure()
    assert not permit.ignore()
    assert not permit.cancel()
    assert breaker.snapshot().totals.calls == 1


def test_late_result_changes_nothing(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """B5."""
    late = breaker.acquire()
    trip(breaker)
    clock.advance(30)
    for _ in range(3):
        breaker.call(len, "")
    assert breaker.state == "closed"
    assert not late.failure()
    assert breaker.snapshot().window.calls == 0


def test_weighted_failure(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=10)
    assert breaker.acquire().failure(weight=10)
    assert breaker.state == "open"


def test_slow_calls_trip(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make(slow_call_duration=1)
    for duration in (1.0, 1.000_000_001):
        breaker.call(clock.advance, duration)
        assert breaker.state == "closed"
    assert breaker.snapshot().window.slow == 1
    breaker.reset()
    for _ in range(2):
        breaker.call(clock.advance, 2)
    assert breaker.state == "open"


def test_hung_calls_trip_before_they_end(make: MakeBreaker, clock: ManualClock) -> None:
    """B8: the dependency hangs; nothing ends, and the next request finds it."""
    breaker = make(slow_call_duration=1, count_overdue=True)
    hung = [breaker.acquire() for _ in range(2)]
    clock.advance(3)
    assert breaker.snapshot().overdue == 2
    with pytest.raises(CircuitOpenError):
        breaker.call(len, "abc")
    assert breaker.state == "open"
    assert not any(permit.success() for permit in hung)


def test_old_failures_weigh_less(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make(window=Window.decay(2), minimum_requests=3, failure_threshold=0.5)
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)
    clock.advance(4)
    # Two half-lives later the two failures weigh half a call together.
    for _ in range(3):
        breaker.call(len, "")
    assert breaker.state == "closed"
    assert breaker.snapshot().window.calls == 4
    assert repr(Window.decay(2)) == "Window.decay(2)"


def test_consecutive_failures(make: MakeBreaker) -> None:
    breaker = make(window=Window.consecutive(3))
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)
    breaker.call(len, "")
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)
    assert breaker.state == "closed"
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    assert breaker.state == "open"


def test_operator(breaker: CircuitBreaker) -> None:
    breaker.force_open()
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(len, "")
    assert caught.value.reason is Reason.FORCED_OPEN
    assert caught.value.retry_after is None
    for operate, state in (
        (breaker.disable, CircuitState.DISABLED),
        (breaker.metrics_only, CircuitState.METRICS_ONLY),
    ):
        operate()
        for _ in range(5):
            with pytest.raises(OSError, match="down"):
                breaker.call(fail)
        assert breaker.state is state
    breaker.reset()
    assert breaker.state == "closed"
    assert repr(breaker) == "<CircuitBreaker 'orders' closed>"


def test_configure_keeps_state_and_other_settings(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    trip(breaker)
    breaker.configure(open_timeout=5)
    assert breaker.state == "open"
    assert breaker.snapshot().retry_after == 5
    breaker.configure(half_open_requests=1)
    clock.advance(5)
    assert breaker.call(len, "") == 0
    assert breaker.state == "closed"
    trip(breaker)
    assert breaker.snapshot().window.calls == 0
    assert breaker.snapshot().retry_after == 5


def test_snapshot(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """O1 at rest."""
    clock.advance(1)
    breaker.call(len, "")
    breaker.acquire().ignore()
    trip(breaker)
    clock.advance(10)
    assert breaker.try_acquire() is None
    seen = breaker.snapshot()
    assert seen.state is CircuitState.OPEN
    assert (seen.generation, seen.in_flight, seen.since) == (1, 0, 1_000_000_000)
    assert seen.retry_after == 20
    totals = seen.totals
    assert (totals.calls, totals.failures, totals.rejected, totals.ignored) == (2, 1, 1, 1)


def test_listeners_hear_each_change_once(make: MakeBreaker, clock: ManualClock) -> None:
    """B15."""
    heard: list[Transition] = []
    breaker = make(listeners=[heard.append])
    trip(breaker)
    clock.advance(30)
    for _ in range(3):
        breaker.call(len, "")
    assert [(one.from_state, one.to_state, one.cause) for one in heard] == [
        (CircuitState.CLOSED, CircuitState.OPEN, Cause.FAILURE_RATE),
        (CircuitState.OPEN, CircuitState.HALF_OPEN, Cause.OPEN_TIMEOUT_ELAPSED),
        (CircuitState.HALF_OPEN, CircuitState.CLOSED, Cause.PROBES_SUCCEEDED),
    ]
    assert [one.generation for one in heard] == [1, 2, 3]
    assert [one.at for one in heard] == [0, 30_000_000_000, 30_000_000_000]
    assert heard[0].name == "orders"
    assert heard[0].counts.failure_rate == 1.0


def test_listener_sees_the_new_state(make: MakeBreaker) -> None:
    states: list[CircuitState] = []

    def look(change: Transition) -> None:
        states.append(breaker.state)

    breaker: CircuitBreaker = make(listeners=[look])
    trip(breaker)
    assert states == [CircuitState.OPEN]


def test_two_breakers_are_two(make: MakeBreaker) -> None:
    one, two = make(), make()
    trip(one)
    assert two.state is CircuitState.CLOSED


def test_real_clock() -> None:
    breaker = CircuitBreaker("orders", minimum_requests=1)
    trip(breaker)
    retry_after = breaker.snapshot().retry_after
    assert retry_after is not None
    assert 0 < retry_after <= 30


@pytest.mark.parametrize("plain", [True, False])
def test_latency(make: MakeBreaker, clock: ManualClock, plain: bool) -> None:
    breaker = make(minimum_requests=1000, record_latency=True)
    seen = breaker.latency()
    assert seen is not None
    assert (seen.count, seen.quantile(0.5)) == (0, None)
    call = breaker(clock.advance) if plain else lambda span: breaker.call(clock.advance, span)
    for millis in range(1, 101):
        call(millis / 1000)
    breaker.acquire().ignore()
    with pytest.raises(OSError, match="down"):
        breaker(fail)()
    seen = breaker.latency()
    assert seen is not None
    assert seen.count == 101
    assert 5.05 * 0.95 <= seen.sum <= 5.05 * 1.05
    assert 0.99 <= (seen.quantile(0.99) or 0) * 10 <= 1.08
    assert repr(seen).startswith("<Latency of 101 calls: half within 0.0")
    with pytest.raises(ConfigError, match="share is 2"):
        seen.quantile(2)
    assert make().latency() is None


def test_latency_of_calls_that_began_before_it_was_asked_for(make: MakeBreaker) -> None:
    breaker = make()
    permit = breaker.acquire()
    breaker.configure(record_latency=True)
    permit.success()
    breaker.call(len, "")
    seen = breaker.latency()
    assert seen is not None
    assert seen.count == 1


def test_check_takes_no_place(make: MakeBreaker, clock: ManualClock) -> None:
    """B4: whoever only asks leaves the probe to the one who calls."""
    breaker = make(half_open_requests=1)
    breaker.check()
    trip(breaker)
    with pytest.raises(CircuitOpenError, match="retry after 30 s"):
        breaker.check()
    clock.advance(30)
    breaker.check()
    breaker.check()
    permit = breaker.acquire()
    with pytest.raises(CircuitOpenError) as caught:
        breaker.check()
    assert caught.value.reason == "half_open_full"
    permit.cancel()
    assert breaker.snapshot().totals.rejected == 0


def test_stats_are_what_is_judged(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=10)
    breaker.call(len, "")
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    stats = breaker.stats()
    assert (stats.calls, stats.failures, stats.failure_rate) == (2, 1, 0.5)


def test_saved_and_gone_on_with(make: MakeBreaker) -> None:
    before = ManualClock(10**12)
    breaker = make(clock=before)
    trip(breaker)
    before.advance(10)
    saved = breaker.save()
    after = ManualClock(10**9 * 10**6)
    again = make(clock=after, saved=saved, away=5)
    assert (again.state, again.snapshot().retry_after) == ("open", 15)
    assert again.snapshot().totals == breaker.snapshot().totals
    after.advance(15)
    again.acquire().cancel()


@pytest.mark.parametrize(
    ("saved", "settings", "why"),
    [
        (b"", {}, "not a saved breaker"),
        (b"what is this" * 20, {}, "not a saved breaker"),
        (CircuitBreaker("other").save()[:-3], {}, "not a saved breaker"),
        (CircuitBreaker("other").save(), {"window_size": 7}, "another window"),
    ],
)
def test_what_cannot_be_gone_on_with(
    make: MakeBreaker, saved: bytes, settings: dict[str, float], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        make(saved=saved, **settings)
    assert caught.value.field == "saved"


def test_forced_open_until_a_time_of_day(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make()
    breaker.force_open(until=datetime.now(UTC) + timedelta(hours=1))
    waiting = breaker.snapshot().retry_after
    assert waiting is not None and 3590 < waiting <= 3600
    breaker.force_open(until=datetime.now() - timedelta(hours=1))
    breaker.acquire().success()
    assert breaker.state == "half_open"
    with pytest.raises(TypeError, match="not both"):
        breaker.force_open(1, until=datetime.now(UTC))
