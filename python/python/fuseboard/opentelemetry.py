"""For OpenTelemetry: what there is is read when the meter collects, so that a call pays nothing.

`observe(breaker, limiter, concurrency_limit)`, with the names of `docs/telemetry.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from ._breaker import CircuitBreaker
from ._concurrency import ConcurrencyLimit
from ._events import CircuitState, Transition
from ._limiter import RateLimiter

__all__ = ["observe", "span_event"]

Observed: TypeAlias = CircuitBreaker | RateLimiter | ConcurrencyLimit
_Read: TypeAlias = Callable[[], Iterable[Observation]]


def observe(*policies: Observed, meter: Meter | None = None) -> None:
    """Registers metrics for these, each under its name, with the application's meter provider. They are
    kept as long as the provider.
    """
    meter = get_meter("fuseboard") if meter is None else meter
    breakers = [policy for policy in policies if isinstance(policy, CircuitBreaker)]
    limiters = [policy for policy in policies if isinstance(policy, RateLimiter)]
    limits = [policy for policy in policies if isinstance(policy, ConcurrencyLimit)]
    if breakers:
        _observe_breakers(breakers, meter)
    if limiters:
        meter.create_observable_up_down_counter(
            "fuseboard.rate_limiter.permit.available",
            [_callback(lambda: (_seen(one.available(), one.name) for one in limiters))],
            "{permit}",
            "Permits that a rate limiter would give at once",
        )
    if limits:
        meter.create_observable_up_down_counter(
            "fuseboard.concurrency.usage",
            [_callback(lambda: (_seen(one.in_flight, one.name) for one in limits))],
            "{call}",
            "Calls in flight under a concurrency limit",
        )
        meter.create_observable_up_down_counter(
            "fuseboard.concurrency.limit",
            [_callback(lambda: (_seen(one.limit, one.name) for one in limits))],
            "{call}",
            "Calls at once that a concurrency limit allows",
        )


def _observe_breakers(breakers: list[CircuitBreaker], meter: Meter) -> None:
    def calls() -> Iterable[Observation]:
        for one in breakers:
            totals = one.snapshot().totals
            for outcome, count in (
                ("success", totals.calls - totals.failures),
                ("failure", totals.failures),
                ("ignored", totals.ignored),
                ("rejected", totals.rejected),
            ):
                yield _seen(count, one.name, outcome=outcome)

    def states() -> Iterable[Observation]:
        for one in breakers:
            now = one.state
            for state in CircuitState:
                yield _seen(int(state is now), one.name, state=state.value)

    meter.create_observable_counter(
        "fuseboard.calls",
        [_callback(calls)],
        "{call}",
        "Calls by how they ended: success, failure, ignored (also dropped without an outcome), rejected (not made)",
    )
    meter.create_observable_counter(
        "fuseboard.slow_calls",
        [_callback(lambda: (_seen(one.snapshot().totals.slow, one.name) for one in breakers))],
        "{call}",
        "Calls that took longer than slow_call_duration; they are among the others too",
    )
    meter.create_observable_up_down_counter(
        "fuseboard.circuit_breaker.state",
        [_callback(states)],
        "",
        "1 for the state that the breaker is in, 0 for the others",
    )
    meter.create_observable_gauge(
        "fuseboard.circuit_breaker.failure_rate",
        [
            _callback(
                lambda: (_seen(one.snapshot().window.failure_rate, one.name) for one in breakers)
            )
        ],
        "1",
        "Failed share of the window, 0 to 1; 0 where it is empty",
    )


def _callback(read: _Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda options: read()


def _seen(value: float, name: str, **attributes: str) -> Observation:
    return Observation(value, {"fuseboard.name": name, **attributes})


def span_event(change: Transition) -> None:
    """A listener: the span whose call changed the state gets an event.
    `CircuitBreaker("payments", listeners=[span_event])`
    """
    trace.get_current_span().add_event(
        "fuseboard.circuit_breaker.state_changed",
        {
            "fuseboard.name": change.name,
            "from": change.from_state.value,
            "to": change.to_state.value,
            "reason": change.cause.value,
            "calls": change.counts.calls,
            "failures": change.counts.failures,
            "slow": change.counts.slow,
            "failure_rate": change.counts.failure_rate,
        },
    )
