"""What a guarded call costs, beside the peers, in one run.

    pip install './python[bench]' && python python/benches/overhead.py

CPU time of a call of a function that does nothing, without the loop around it; the best of many short rounds, in
each of which everybody has his turn, so that a busy machine is busy for all. With `--check` the exit code is 1
where a promise is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiolimiter
import circuitbreaker
import limits
import pybreaker
import pyrate_limiter

import fuseboard

CALLS = 2000


def nothing() -> None:
    pass


async def async_nothing() -> None:
    pass


def items() -> Iterator[int]:
    yield 1


def run_through(generator: Callable[[], Iterator[int]]) -> Callable[[], None]:
    def run() -> None:
        for _ in generator():
            pass

    return run


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """The least that a decorator written in Python can do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def passed_on_items(function: Callable[..., Iterator[int]]) -> Callable[..., Iterator[int]]:
    """The same for a generator, which stays one."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Iterator[int]:
        yield from function(*args, **kwargs)

    return wrapper


def rejected(call: Callable[[], Any], error: type[Exception]) -> Callable[[], Any]:
    def attempt() -> None:
        try:
            call()
        except error:
            pass

    return attempt


def tripped(guard: Callable[[Callable[[], None]], Callable[[], None]]) -> Callable[[], None]:
    """`nothing` behind a breaker that is open."""
    turns = iter(range(10**9))

    @guard
    def failing() -> None:
        if next(turns) < 50:
            raise OSError

    for _ in range(50):
        try:
            failing()
        except Exception:
            pass
    return failing


def subjects() -> dict[str, dict[str, Callable[[], Any]]]:
    huge = 10**9
    breaker = fuseboard.CircuitBreaker("bench")
    open_breaker = fuseboard.CircuitBreaker("open")
    open_breaker.force_open()
    timed = fuseboard.CircuitBreaker("timed", slow_call_duration=1)
    bucket = fuseboard.TokenBucketRateLimiter(huge, burst=huge)
    peer, other_peer = circuitbreaker.CircuitBreaker(), pybreaker.CircuitBreaker()
    pipeline = fuseboard.Pipeline(breaker, bucket, fuseboard.ConcurrencyLimit(10))
    fixed = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    item = limits.RateLimitItemPerSecond(huge)
    pyrate = pyrate_limiter.Limiter(pyrate_limiter.Rate(huge, pyrate_limiter.Duration.SECOND))
    return {
        "a decorated call": {
            "nothing around it": nothing,
            "fuseboard": breaker(nothing),
            "fuseboard, durations measured": timed(nothing),
            "fuseboard, breaker, limiter and limit": pipeline(nothing),
            "fuseboard, breaker.call": lambda: breaker.call(nothing),
            "a Python wrapper that passes on": passed_on(nothing),
            "circuitbreaker": circuitbreaker.circuit(nothing),
            "pybreaker": pybreaker.CircuitBreaker()(nothing),
        },
        "a rejected call": {
            "fuseboard, an exception": rejected(open_breaker(nothing), fuseboard.CircuitOpenError),
            "fuseboard, try_acquire": open_breaker.try_acquire,
            "circuitbreaker": rejected(
                tripped(circuitbreaker.circuit), circuitbreaker.CircuitBreakerError
            ),
            "pybreaker": rejected(
                tripped(pybreaker.CircuitBreaker(throw_new_error_on_trip=False)),
                pybreaker.CircuitBreakerError,
            ),
        },
        "a generator that is run through": {
            "nothing around it": run_through(items),
            "fuseboard": run_through(breaker(items)),
            "a Python wrapper that passes on": run_through(passed_on_items(items)),
            "circuitbreaker": run_through(circuitbreaker.circuit(items)),
        },
        "a look at the state": {
            "fuseboard": lambda: breaker.state,
            "circuitbreaker": lambda: peer.state,
            "pybreaker": lambda: other_peer.current_state,
        },
        "a limiter that admits": {
            "fuseboard, try_acquire": bucket.try_acquire,
            "fuseboard, a decorated call": bucket(nothing),
            "limits, fixed window": lambda: fixed.hit(item),
            "pyrate-limiter": lambda: pyrate.try_acquire("all", blocking=False),
        },
    }


def async_subjects() -> dict[str, dict[str, Callable[[], Awaitable[Any]]]]:
    breaker = fuseboard.CircuitBreaker("bench")
    limiter = fuseboard.TokenBucketRateLimiter(10**9, burst=10**9)
    leaky = aiolimiter.AsyncLimiter(10**9)

    async def entered() -> None:
        async with limiter:
            pass

    async def leaky_entered() -> None:
        async with leaky:
            pass

    return {
        "an awaited call": {
            "nothing around it": async_nothing,
            "fuseboard": breaker(async_nothing),
            "circuitbreaker": circuitbreaker.circuit(async_nothing),
        },
        "an async limiter that admits": {
            "fuseboard": entered,
            "aiolimiter": leaky_entered,
        },
    }


def timed_round(call: Callable[[], Any]) -> float:
    calls = range(CALLS)
    began = time.process_time_ns()
    for _ in calls:
        call()
    return time.process_time_ns() - began


async def async_round(call: Callable[[], Awaitable[Any]]) -> float:
    calls = range(CALLS)
    began = time.process_time_ns()
    for _ in calls:
        await call()
    return time.process_time_ns() - began


def loop_round() -> float:
    calls = range(CALLS)
    began = time.process_time_ns()
    for _ in calls:
        pass
    return time.process_time_ns() - began


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds a call."""
    sync, coroutines = subjects(), async_subjects()
    best = {group: dict.fromkeys(calls, float("inf")) for group, calls in {**sync, **coroutines}.items()}
    loop = float("inf")

    async def main() -> None:
        nonlocal loop
        for _ in range(rounds):
            loop = min(loop, loop_round())
            for group, calls in sync.items():
                for name, call in calls.items():
                    best[group][name] = min(best[group][name], timed_round(call))
            for group, awaited in coroutines.items():
                for name, one in awaited.items():
                    best[group][name] = min(best[group][name], await async_round(one))

    gc.disable()
    asyncio.run(main())
    return {
        group: {name: (taken - loop) / CALLS for name, taken in found.items()}
        for group, found in best.items()
    }


@dataclass(frozen=True)
class Promise:
    group: str
    ours: str
    share: float
    """Of what the cheapest peer costs."""


PROMISES = (
    Promise("a decorated call", "fuseboard", 1 / 10),
    Promise("a decorated call", "fuseboard, breaker, limiter and limit", 1 / 3),
    Promise("an awaited call", "fuseboard", 1 / 2),
    Promise("a limiter that admits", "fuseboard, try_acquire", 1 / 8),
    Promise("an async limiter that admits", "fuseboard", 1 / 2),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--check", action="store_true", help="fail where a promise is not kept")
    arguments = parser.parse_args()
    logging.disable()
    found = measure(arguments.rounds)
    peers = {
        group: min(
            ns for name, ns in rows.items() if not name.startswith(("fuseboard", "nothing", "a Python"))
        )
        for group, rows in found.items()
    }
    print(f"Python {sys.version.split()[0]}, nanoseconds of CPU time a call\n")
    for group, rows in found.items():
        print(group)
        for name, ns in rows.items():
            print(f"  {name:38} {ns:9.1f}   {ns / peers[group]:6.3f} x the cheapest peer")
    print("\npromises")
    kept = True
    for promise in PROMISES:
        share = found[promise.group][promise.ours] / peers[promise.group]
        holds = share <= promise.share
        kept &= holds
        print(
            f"  {promise.group}, {promise.ours}: {share:.3f}, at most {promise.share:.3f}: "
            f"{'kept' if holds else 'NOT KEPT'}"
        )
    return int(arguments.check and not kept)


if __name__ == "__main__":
    raise SystemExit(main())
