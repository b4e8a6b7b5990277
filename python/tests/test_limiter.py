"""The limiters."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from fuseboard import (
    ConcurrencyLimit,
    ConcurrencyLimitError,
    ManualClock,
    RateLimitedError,
    RateLimiter,
    Reason,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
)


@pytest.fixture(params=["token_bucket", "sliding_window"])
def limiter(request: pytest.FixtureRequest, clock: ManualClock) -> RateLimiter:
    """Two a second."""
    if request.param == "token_bucket":
        return TokenBucketRateLimiter(2, name="api", clock=clock)
    return SlidingWindowRateLimiter(2, 1.0, name="api", clock=clock)


def test_admits_up_to_the_limit(limiter: RateLimiter, clock: ManualClock) -> None:
    """L1, L2."""
    assert limiter.available() == 2
    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]
    assert limiter.available() == 0
    clock.advance(1)
    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]


def test_retry_after_is_honest(limiter: RateLimiter, clock: ManualClock) -> None:
    """L8."""
    limiter.admit(2)
    with pytest.raises(RateLimitedError) as caught:
        limiter.admit()
    error = caught.value
    assert (error.name, error.reason) == ("api", Reason.LIMITED)
    assert error.retry_after is not None
    clock.advance(error.retry_after - 1e-9)
    assert not limiter.try_acquire()
    clock.advance(1e-9)
    assert limiter.try_acquire()


def test_cost_is_all_or_nothing(limiter: RateLimiter) -> None:
    """L9, L10."""
    limiter.admit()
    assert not limiter.try_acquire(2)
    assert limiter.try_acquire(1)


def test_impossible_cost(limiter: RateLimiter) -> None:
    with pytest.raises(RateLimitedError) as caught:
        limiter.admit(3)
    assert caught.value.reason is Reason.NEVER
    assert caught.value.retry_after is None
    assert str(caught.value) == "rate limiter 'api': the cost is more than it can ever admit"


def test_every_form(limiter: RateLimiter, clock: ManualClock) -> None:
    @limiter
    def plain() -> str:
        return "plain"

    @limiter
    async def coroutine() -> str:
        return "coroutine"

    @limiter
    def generator() -> Iterator[str]:
        yield "generator"

    @limiter
    async def async_generator() -> AsyncIterator[str]:
        yield "async generator"

    async def main() -> None:
        clock.advance(1)
        assert await coroutine() == "coroutine"
        assert [item async for item in async_generator()] == ["async generator"]
        with pytest.raises(RateLimitedError):
            await coroutine()
        clock.advance(1)
        async with limiter:
            pass

    assert plain() == "plain"
    assert list(generator()) == ["generator"]
    with pytest.raises(RateLimitedError):
        plain()
    asyncio.run(main())
    with limiter:
        pass
    with pytest.raises(RateLimitedError), limiter:
        pytest.fail("the body ran over the limit")


def test_burst_and_refund(clock: ManualClock) -> None:
    limiter = TokenBucketRateLimiter(60, per=timedelta(minutes=1), burst=5, clock=clock)
    assert limiter.available() == 5
    limiter.admit(5)
    limiter.refund(2)
    assert limiter.available() == 2
    limiter.refund(100)
    assert limiter.available() == 5
    limiter.admit(5)
    clock.advance(timedelta(seconds=3))
    assert limiter.available() == 3
    limiter.reset()
    assert limiter.available() == 5


def test_token_bucket_configure(clock: ManualClock) -> None:
    limiter = TokenBucketRateLimiter(1, clock=clock)
    limiter.admit()
    limiter.configure(10, burst=10)
    clock.advance(10)
    assert limiter.available() == 10


@pytest.mark.parametrize("limit", [1, 16, 17, 128, 129, 1024, 1025, 8192])
def test_sliding_window_of_every_size(clock: ManualClock, limit: int) -> None:
    limiter = SlidingWindowRateLimiter(limit, 1, clock=clock)
    assert sum(limiter.try_acquire() for _ in range(limit + 1)) == limit
    clock.advance(0.999_999_999)
    assert not limiter.try_acquire()
    clock.advance(0.000_000_001)
    assert limiter.try_acquire()


def test_concurrency_limit() -> None:
    """K1, K2, K3."""
    limit = ConcurrencyLimit(1, name="db")
    permit = limit.try_acquire()
    assert permit is not None
    assert limit.in_flight == 1
    assert limit.try_acquire() is None
    with pytest.raises(ConcurrencyLimitError) as caught, limit:
        pytest.fail("the body ran over the limit")
    error = caught.value
    assert (error.name, error.reason, error.retry_after) == ("db", Reason.FULL, None)
    assert str(error) == "concurrency limit 'db': reached"
    assert permit.release()
    assert not permit.release()
    assert limit.in_flight == 0


def test_concurrency_forms() -> None:
    limit = ConcurrencyLimit(1)

    @limit
    def plain() -> int:
        return limit.in_flight

    @limit
    async def coroutine() -> int:
        await asyncio.sleep(0)
        return limit.in_flight

    async def main() -> None:
        task = asyncio.ensure_future(coroutine())
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyLimitError):
            await coroutine()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await coroutine() == 1
        async with limit:
            assert limit.in_flight == 1

    assert plain() == 1
    asyncio.run(main())
    with limit:
        assert limit.in_flight == 1
    with pytest.raises(LookupError), limit:
        raise LookupError
    permit = limit.try_acquire()
    assert permit is not None
    with permit:
        assert limit.in_flight == 1
    assert limit.in_flight == 0


def test_forgotten_place_gives_itself_back() -> None:
    """K5."""
    limit = ConcurrencyLimit(1)
    permit = limit.try_acquire()
    del permit
    gc.collect()
    assert limit.in_flight == 0


def test_concurrency_configure() -> None:
    """K4."""
    limit = ConcurrencyLimit(2)
    held = [limit.try_acquire(), limit.try_acquire()]
    limit.configure(1)
    assert limit.limit == 1
    for permit in held:
        assert permit is not None
        assert limit.try_acquire() is None
        permit.release()
    assert limit.try_acquire() is not None


def test_as_many_as_there_are_and_none(clock: ManualClock) -> None:
    bucket = TokenBucketRateLimiter(10, clock=clock)
    assert bucket.try_acquire_up_to(4) == 4
    assert bucket.try_acquire_up_to(100) == 6
    assert bucket.try_acquire_up_to(1) == 0
    clock.advance(0.5)
    assert bucket.available() == 5
    bucket.drain()
    assert bucket.available() == 0
    clock.advance(0.1)
    assert bucket.available() == 1
