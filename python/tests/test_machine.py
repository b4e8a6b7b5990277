"""Random histories of a breaker and of limiters, against plain models."""

from __future__ import annotations

from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from fuseboard import (
    CircuitBreaker,
    ConcurrencyLimit,
    ManualClock,
    Permit,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
    Window,
)

SECOND = 1_000_000_000


class BreakerMachine(RuleBasedStateMachine):
    """B1, B2, B3, B5, B6, B7, B11, B12, B17, W10, P1: a count window of four, half of which may fail; two probes, no failure
    tolerated; ten seconds open.
    """

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = CircuitBreaker(
            "model",
            window=Window.count(4),
            minimum_requests=4,
            failure_threshold=0.5,
            open_timeout=10,
            half_open_requests=2,
            clock=self.clock,
        )
        self.generation = 0
        self.state = "closed"
        self.since = 0
        self.window: deque[bool] = deque(maxlen=4)
        self.in_flight = 0
        self.successes = 0
        self.held: dict[Permit, int] = {}

    def move(self, state: str) -> None:
        self.state = state
        self.generation += 1
        self.since = self.clock()
        self.window.clear()
        self.in_flight = self.successes = 0

    def may(self) -> bool:
        """Whether a call is admitted now, and what becomes of the model when it is."""
        if self.state == "open":
            if self.clock() < self.since + 10 * SECOND:
                return False
            self.move("half_open")
        elif self.state == "forced_open":
            return False
        elif self.state == "half_open":
            lost = self.clock() >= self.since + 10 * SECOND
            if lost and self.in_flight and self.in_flight + self.successes >= 2:
                self.move("half_open")
            elif self.in_flight + self.successes >= 2:
                return False
        if self.state == "half_open":
            self.in_flight += 1
            self.since = self.clock()
        return True

    def ask(self) -> Permit | None:
        permit = self.breaker.try_acquire()
        assert (permit is not None) == self.may()
        if permit is not None:
            self.held[permit] = self.generation
        return permit

    @rule(target=permits)
    def acquire(self) -> Any:
        permit = self.ask()
        return multiple() if permit is None else permit

    @rule(failed=st.lists(st.booleans(), min_size=1, max_size=6))
    def calls(self, failed: list[bool]) -> None:
        for one in failed:
            permit = self.ask()
            if permit is not None:
                self.settle_now(permit, one)

    @rule(permit=permits, failed=st.booleans())
    def settle(self, permit: Permit, failed: bool) -> None:
        self.settle_now(permit, failed)

    def settle_now(self, permit: Permit, failed: bool) -> None:
        current = self.held.pop(permit, None) == self.generation
        assert (permit.failure() if failed else permit.success()) == current
        if not current:
            return
        if self.state == "half_open":
            self.in_flight -= 1
            if failed:
                self.move("open")
            else:
                self.successes += 1
                if self.successes == 2:
                    self.move("closed")
        elif self.state == "closed":
            before = len(self.window)
            self.window.append(failed)
            judged = failed or before < 4 <= len(self.window)
            if judged and len(self.window) == 4 and sum(self.window) >= 2:
                self.move("open")

    @rule(permit=consumes(permits))
    def cancel(self, permit: Permit) -> None:
        current = self.held.pop(permit, None) == self.generation
        assert permit.cancel() == current
        if current and self.state == "half_open":
            self.in_flight -= 1

    @rule(seconds=st.sampled_from([1, 9, 9.999999999, 10]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def wait_for_the_deadline(self) -> None:
        after = self.breaker.snapshot().retry_after
        self.clock.advance(after or 0)

    @rule()
    def force_open(self) -> None:
        self.breaker.force_open()
        self.move("forced_open")

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.move("closed")

    @invariant()
    def agrees(self) -> None:
        seen = self.breaker.snapshot()
        assert (seen.state, seen.generation) == (self.state, self.generation)
        if self.state == "half_open":
            assert seen.in_flight == self.in_flight
        if self.state == "closed":
            assert (seen.window.calls, seen.window.failures) == (
                len(self.window),
                sum(self.window),
            )


class LimiterMachine(RuleBasedStateMachine):
    """L1, L2, L9, L10, K1, K2: three in any ten seconds exactly; a bucket of four, one a second; two at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.log = SlidingWindowRateLimiter(3, 10, clock=self.clock)
        self.bucket = TokenBucketRateLimiter(1, burst=4, clock=self.clock)
        self.limit = ConcurrencyLimit(2)
        self.admitted: list[int] = []
        # In nanoseconds, so that the model is exact.
        self.level, self.at = 4 * SECOND, 0
        self.inside = 0

    @rule(cost=st.integers(1, 4))
    def slide(self, cost: int) -> None:
        recent = [then for then in self.admitted if then > self.clock() - 10 * SECOND]
        fits = len(recent) + cost <= 3
        assert self.log.try_acquire(cost) == fits
        if fits:
            self.admitted += [self.clock()] * cost

    @rule(cost=st.integers(1, 5))
    def take(self, cost: int) -> None:
        self.level = min(4 * SECOND, self.level + self.clock() - self.at)
        self.at = self.clock()
        fits = cost * SECOND <= self.level
        assert self.bucket.try_acquire(cost) == fits
        if fits:
            self.level -= cost * SECOND
        assert self.bucket.available() == self.level // SECOND

    @rule()
    def enter(self) -> None:
        place = self.limit.try_acquire()
        assert (place is not None) == (self.inside < 2)
        if place is not None:
            self.inside += 1
            assert self.limit.in_flight == self.inside
            place.release()
            self.inside -= 1
        assert self.limit.in_flight == self.inside

    @rule(nanos=st.sampled_from([0, 1, SECOND // 2, SECOND, 10 * SECOND - 1, 10 * SECOND]))
    def wait(self, nanos: int) -> None:
        self.clock.set_ns(self.clock() + nanos)


# Derandomized: the same histories each time.
EXAMPLES = settings(max_examples=200, stateful_step_count=30, deadline=None, derandomize=True)

TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = EXAMPLES
TestLimiters = LimiterMachine.TestCase
TestLimiters.settings = EXAMPLES
