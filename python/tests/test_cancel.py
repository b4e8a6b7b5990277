"""A coroutine that is cancelled at each of its steps, in turn: every permit comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from fuseboard import (
    CircuitBreaker,
    ConcurrencyLimit,
    Fallback,
    Hedge,
    LeakyBucket,
    ManualClock,
    Pipeline,
    RateLimit,
    Retry,
    Timeout,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, half_open

STEPS = 6

Guard = Callable[[Callable[[], Awaitable[None]]], Callable[[], Awaitable[None]]]


def guards(breaker: CircuitBreaker, limit: ConcurrencyLimit, bucket: Any) -> dict[str, Guard]:
    def block(function: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def entered() -> None:
            async with breaker, limit:
                await function()

        return entered

    return {
        "decorators": lambda function: breaker(limit(function)),
        "blocks": block,
        "acall": lambda function: lambda: breaker.acall(limit(function)),
        "pipeline": Pipeline(breaker, limit, bucket),
        "pipeline of all": Pipeline(
            Fallback(None),
            Retry(2, clock=ManualClock()),
            Hedge(1000),
            breaker,
            limit,
            bucket,
            RateLimit(LeakyBucket(1000)),
            Timeout(1000),
        ),
    }


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("form", ["decorators", "blocks", "acall", "pipeline", "pipeline of all"])
@pytest.mark.parametrize("step", range(STEPS))
def test_p6_cancelled_at_each_step(
    loop: str, form: str, step: int, make: MakeBreaker, clock: ManualClock
) -> None:
    breaker = make(half_open_requests=1)
    half_open(breaker, clock).cancel()
    limit, bucket = ConcurrencyLimit(1), TokenBucketRateLimiter(100, clock=clock)
    reached: list[int] = []
    scopes: list[anyio.CancelScope] = []

    async def work() -> None:
        for number in range(STEPS):
            reached.append(number)
            if number == step:
                scopes[0].cancel()
            await anyio.sleep(0)

    guarded = guards(breaker, limit, bucket)[form](work)

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await guarded()
        assert scope.cancelled_caught

    anyio.run(main, backend=loop)
    assert reached == list(range(step + 1))
    assert (breaker.state, breaker.snapshot().in_flight) == ("half_open", 0)
    assert limit.in_flight == 0
    # The probe's place is free: somebody else may find out.
    breaker.call(len, "")


def test_p6_cancelled_before_it_begins(make: MakeBreaker) -> None:
    breaker = make()

    @breaker
    async def never() -> None:
        pytest.fail("it began")

    async def main() -> None:
        task = asyncio.ensure_future(never())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert breaker.snapshot().totals.ignored == 0
