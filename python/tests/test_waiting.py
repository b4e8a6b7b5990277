"""Timeout, hedge, fallback, and limits that are waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import anyio
import pytest

from fuseboard import (
    CallTimeoutError,
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimitError,
    ConfigError,
    Fallback,
    Hedge,
    LeakyBucket,
    ManualClock,
    RateLimit,
    RateLimitedError,
    Retry,
    RetryBudget,
    SlidingWindowRateLimiter,
    Timeout,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, fail
from .worlds import World, world

__all__ = ["world"]

both_loops = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def test_timeout_lets_a_quick_call_be(world: World) -> None:
    assert world.guard(Timeout(30), sorted)([2, 1]) == [1, 2]
    with pytest.raises(OSError, match="down"):
        world.guard(Timeout(30), fail)()


def test_timeout_passes_the_calls_own_timeout_on(world: World) -> None:
    def own() -> None:
        raise TimeoutError("the call's own")

    with pytest.raises(TimeoutError, match="the call's own"):
        world.guard(Timeout(30), own)()


@both_loops
def test_timeout_cancels_a_coroutine(loop: str) -> None:
    cancelled = []

    @Timeout(0.01, name="search")
    async def hang() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    with pytest.raises(CallTimeoutError) as caught:
        anyio.run(hang, backend=loop)
    assert cancelled
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.name, caught.value.limit) == ("search", 0.01)
    assert str(caught.value) == "timeout 'search': the call took longer than 0.01 s"


def test_timeout_leaves_a_thread_behind_and_counts_it() -> None:
    release, ended = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait()
        ended.set()

    guarded = Timeout(0.01, max_threads=2)(hang)
    for _ in range(2):
        with pytest.raises(CallTimeoutError):
            guarded()
    with pytest.raises(ConcurrencyLimitError):
        guarded()
    release.set()
    assert ended.wait(30)


def test_timeout_inside_a_breaker_is_a_failure(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=1)

    @breaker
    @Timeout(0.01)
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError):
        asyncio.run(hang())
    assert breaker.state == "open"


def test_context_variables_reach_the_thread() -> None:
    import contextvars

    user = contextvars.ContextVar("user", default="nobody")
    user.set("alice")
    assert Timeout(30).call(user.get) == "alice"


@both_loops
def test_hedge_takes_the_faster(loop: str) -> None:
    begun, cancelled = [], []

    @Hedge(0.001, max_attempts=3)
    async def call() -> str:
        begun.append(True)
        if len(begun) < 3:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append(True)
        return "third"

    assert anyio.run(call, backend=loop) == "third"
    assert (len(begun), len(cancelled)) == (3, 2)


@both_loops
def test_hedge_begins_the_next_at_once_after_a_failure(loop: str) -> None:
    begun = []

    @Hedge(1000, max_attempts=3)
    async def call() -> None:
        begun.append(True)
        fail()

    with pytest.raises(OSError, match="down"):
        anyio.run(call, backend=loop)
    assert len(begun) == 3


def test_hedge_on_threads() -> None:
    release = threading.Event()
    begun: list[int] = []

    @Hedge(0.001)
    def call() -> str:
        begun.append(1)
        if len(begun) == 1:
            release.wait()
            return "first"
        return "second"

    assert call() == "second"
    release.set()

    @Hedge(1000)
    def failing() -> None:
        begun.append(1)
        fail()

    begun.clear()
    with pytest.raises(OSError, match="down"):
        failing()
    assert len(begun) == 2


def test_hedge_budget(clock: ManualClock) -> None:
    budget = RetryBudget(0.1, 0, 10, clock=clock)
    begun = []

    @Hedge(0.001, budget=budget)
    async def call() -> str:
        begun.append(True)
        await asyncio.sleep(0.01)
        return "slow"

    assert asyncio.run(call()) == "slow"
    assert len(begun) == 1


def test_cancelled_hedge_cancels_all() -> None:
    running = 0

    @Hedge(0.001, max_attempts=3)
    async def call() -> None:
        nonlocal running
        running += 1
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    async def main() -> None:
        task = asyncio.ensure_future(call())
        while running < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running == 0

    asyncio.run(main())


def test_fallback(world: World) -> None:
    assert world.guard(Fallback(7), fail)() == 7
    assert world.guard(Fallback(None), fail)() is None
    assert world.guard(Fallback(handler=str), fail)() == "down"
    broken = world.guard(Fallback(function=lambda text: text.upper()), lambda text: fail())
    assert broken("a") == "A"
    with pytest.raises(OSError, match="down"):
        world.guard(Fallback(7, on=KeyError), fail)()


def test_fallback_to_an_async_function() -> None:
    async def second(word: str) -> str:
        return word * 2

    @Fallback(function=second)
    async def first(word: str) -> str:
        raise OSError("down")

    assert asyncio.run(first("a")) == "aa"


def test_last_good_answer(world: World) -> None:
    answers: list[Callable[[], int]] = [fail, lambda: 1, fail, lambda: 2, fail]
    turns = iter(answers)
    call = world.guard(Fallback(last_good=True), lambda: next(turns)())
    with pytest.raises(OSError, match="down"):
        call()
    assert [call() for _ in range(4)] == [1, 1, 2, 2]


def test_fallback_answers_for_an_open_breaker(breaker: CircuitBreaker) -> None:
    breaker.force_open()
    assert Fallback([])(breaker(fail))() == []


def test_fallback_does_not_answer_for_a_cancelled_call() -> None:
    @Fallback(7)
    def stop() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()


def test_rate_limit_waits_for_its_turn(world: World, clock: ManualClock) -> None:
    limit = RateLimit(TokenBucketRateLimiter(2, burst=1, clock=clock), max_wait=10)
    call = world.guard(limit, lambda: clock() / 1e9)
    assert [call() for _ in range(4)] == [0, 0.5, 1, 1.5]


def test_rate_limit_says_no_at_once(world: World, clock: ManualClock) -> None:
    """L8: what would come too late is rejected when it asks, with an honest time to come back."""
    bucket = LeakyBucket(1, per=10, queue=5, name="mail", clock=clock)
    call = world.guard(RateLimit(bucket, max_wait=1), lambda: "sent")
    assert call() == "sent"
    with pytest.raises(RateLimitedError) as caught:
        call()
    assert caught.value.retry_after == 9
    assert clock() == 0
    clock.advance(9)
    assert call() == "sent"


def test_rate_limit_as_a_block(clock: ManualClock) -> None:
    limit = RateLimit(TokenBucketRateLimiter(1, clock=clock))
    with limit, limit:
        assert clock() == 1_000_000_000

    async def main() -> None:
        async with limit:
            assert clock() == 2_000_000_000

    asyncio.run(main())


def test_cancelled_while_it_waits_gives_back(clock: ManualClock) -> None:
    """K5: who stops waiting leaves the units to others."""
    bucket = TokenBucketRateLimiter(1, per=1000, clock=lambda: 0)
    bucket.admit()

    async def main() -> None:
        waiting = asyncio.ensure_future(bucket.aacquire())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    turn = bucket.reserve()
    assert turn.wait == 1000
    assert (turn.cancel(), turn.cancel()) == (True, False)
    assert bucket.reserve().wait == 1000


def test_rate_limit_needs_turns() -> None:
    with pytest.raises(TypeError, match="no turns"):
        RateLimit(SlidingWindowRateLimiter(1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "policy"),
    [
        ("limit", lambda: Timeout(0)),
        ("limit", lambda: Timeout(1, max_threads=0)),
        ("delay", lambda: Hedge(0)),
        ("max_attempts", lambda: Hedge(1, max_attempts=1)),
        ("fallback", lambda: Fallback()),
        ("fallback", lambda: Fallback(1, last_good=True)),
    ],
)
def test_bad_settings(field: str, policy: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        policy()
    assert caught.value.field == field
    assert "allowed" in str(caught.value)


def test_retry_around_a_breaker_ends_when_it_opens(make: MakeBreaker, clock: ManualClock) -> None:
    breaker = make()
    with pytest.raises(CircuitOpenError):
        Retry(10, clock=clock)(breaker(fail))()
    assert breaker.snapshot().totals.calls == 2
