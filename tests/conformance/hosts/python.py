"""Answers for the Python package, a line for each line; see `tests/conformance/README.md`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import fuseboard
from fuseboard import Window

NANOS = 10**9


def seconds(nanos: str | int) -> float:
    """Whole seconds as an int, so that long spans stay exact."""
    whole, rest = divmod(int(nanos), NANOS)
    return int(nanos) / NANOS if rest else whole


def nanos(span: float) -> int:
    return round(span * NANOS)


def window(text: str) -> Window:
    kind, *numbers = text.split(":")
    if kind == "time":
        return Window.time(seconds(numbers[0]), slots=int(numbers[1]))
    if kind == "decay":
        return Window.decay(seconds(numbers[0]))
    return {"count": Window.count, "consecutive": Window.consecutive}[kind](int(numbers[0]))


SPANS = ("open_timeout", "slow_call_duration", "probe_lease", "open_timeout_max", "ramp_up")
SHARES = ("failure_threshold", "slow_call_threshold", "open_backoff", "open_jitter")


def breaker_settings(given: dict[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for field, text in given.items():
        if field == "window":
            settings[field] = window(text)
        elif field in SPANS:
            settings[field] = seconds(text)
        elif field in SHARES:
            settings[field] = float(text)
        elif field == "count_overdue":
            settings[field] = text == "1"
        else:
            settings[field] = int(text)
    return settings


class Unsupported(Exception):
    pass


class Host:
    """One trace."""

    def __init__(self) -> None:
        self.clock = fuseboard.ManualClock()
        self.policies: dict[str, Any] = {}
        self.permits: dict[str, Any] = {}

    def declare(self, name: str, kind: str, given: dict[str, str]) -> str:
        if kind == "breaker":
            policy: Any = fuseboard.CircuitBreaker(
                name, clock=self.clock, **breaker_settings(given)
            )
        elif kind in ("token_bucket", "leaky_bucket"):
            units, per = given["rate"].split(":")
            make, size = {
                "token_bucket": (fuseboard.TokenBucketRateLimiter, "burst"),
                "leaky_bucket": (fuseboard.LeakyBucket, "queue"),
            }[kind]
            policy = make(int(units), seconds(per), int(given[size]), clock=self.clock)
        elif kind == "concurrency":
            policy = fuseboard.ConcurrencyLimit(int(given["limit"]))
        else:
            make = {
                "sliding_log": fuseboard.SlidingWindowRateLimiter,
                "sliding_counter": fuseboard.SlidingCounterRateLimiter,
                "fixed_window": fuseboard.FixedWindowRateLimiter,
            }[kind]
            policy = make(int(given["limit"]), seconds(given["window"]), clock=self.clock)
        self.policies[name] = policy
        return "ok"

    def configure(self, name: str, kind: str, given: dict[str, str]) -> str:
        policy = self.policies[name]
        if kind == "breaker":
            policy.configure(**breaker_settings(given))
        elif "rate" in given:
            units, per = given["rate"].split(":")
            policy.configure(int(units), seconds(per), int(given.get("burst") or given["queue"]))
        else:
            policy.configure(int(given["limit"]))
        return "ok"

    def admission(self, attempt: Callable[[], Any]) -> str:
        try:
            given = attempt()
        except fuseboard.RejectedError as no:
            after = "-" if no.retry_after_ns is None else no.retry_after_ns
            return f"rejected {no.reason} {after}"
        wait = given.wait if isinstance(given, fuseboard.Reservation) else 0
        return f"admitted {nanos(wait)}"

    def acquire_permit(self, name: str, permit: str) -> str:
        def attempt() -> None:
            self.permits[permit] = self.policies[name].acquire()

        return self.admission(attempt)

    def settle(self, name: str, permit: str, how: str, weight: str) -> str:
        held = self.permits[permit]
        if how == "failure":
            changed = held.failure(weight=int(weight))
        elif how in ("drop", "release"):
            limit = isinstance(held, fuseboard.ConcurrencyPermit)
            changed = held.release() if limit else held.cancel()
        else:
            changed = getattr(held, how)()
        return "recorded" if changed else "stale"

    def control(self, name: str, verb: str, until: str | None = None) -> str:
        breaker = self.policies[name]
        if until is None:
            getattr(breaker, verb)()
        else:
            breaker.force_open(seconds(max(0, int(until) - self.clock())))
        return "ok"

    def acquire(self, name: str, cost: str) -> str:
        return self.admission(lambda: self.policies[name].admit(int(cost)))

    def reserve(self, name: str, cost: str, max_wait: str) -> str:
        longest = None if max_wait == "-" else seconds(max_wait)
        return self.admission(lambda: self.policies[name].reserve(int(cost), max_wait=longest))

    def refund(self, name: str, cost: str) -> str:
        self.policies[name].refund(int(cost))
        return "ok"

    def state(self, name: str) -> str:
        return str(self.policies[name].state)

    def available(self, name: str) -> str:
        policy = self.policies[name]
        if isinstance(policy, fuseboard.ConcurrencyLimit):
            return str(max(0, policy.limit - policy.in_flight))
        return str(policy.available())

    def in_flight(self, name: str) -> str:
        policy = self.policies[name]
        if isinstance(policy, fuseboard.ConcurrencyLimit):
            return str(policy.in_flight)
        return str(policy.snapshot().in_flight)

    def answer(self, verb: str, now: str, name: str, *words: str) -> str:
        self.clock.set_ns(int(now))
        try:
            if verb in ("declare", "configure"):
                kind, *pairs = words
                given = dict(pair.split("=", 1) for pair in pairs)
                return str(getattr(self, verb)(name, kind, given))
            return str(getattr(self, verb)(name, *words))
        except fuseboard.ConfigError as error:
            return f"refused {error.field} {error}"
        except AttributeError as error:
            return f"unanswered unsupported: {error}"


def main() -> None:
    host = Host()
    for line in sys.stdin:
        words = line.split()
        if words == ["reset"]:
            host = Host()
            answer = "ok"
        else:
            answer = host.answer(*words)
        print(answer, flush=True)


main()
