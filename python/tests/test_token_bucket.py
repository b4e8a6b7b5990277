"""What a token bucket can do beyond the other limiters: begin slowly, and be handed out in batches."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import pytest

from fuseboard import (
    Board,
    ConfigError,
    ManualClock,
    RateLimitedError,
    Reason,
    TokenBucketRateLimiter,
    TokenLease,
)


def admitted(bucket: TokenBucketRateLimiter, clock: ManualClock, seconds: float) -> int:
    """How many of a hundred requests a second."""
    count = 0
    for _ in range(round(seconds * 100)):
        clock.advance(0.01)
        count += bucket.try_acquire()
    return count


def test_l1_a_cold_bucket_begins_at_a_share_and_cools_again(clock: ManualClock) -> None:
    bucket = TokenBucketRateLimiter(10, burst=1, warm_up=10, cold_factor=5, clock=clock)
    assert 2 <= admitted(bucket, clock, 1) <= 4
    admitted(bucket, clock, 30)
    assert 9 <= admitted(bucket, clock, 1) <= 10
    clock.advance(60)
    assert 2 <= admitted(bucket, clock, 1) <= 4


def test_l8_the_wait_is_exact_while_it_is_cold(clock: ManualClock) -> None:
    bucket = TokenBucketRateLimiter(1, burst=1, warm_up=10, clock=clock)
    bucket.admit()
    with pytest.raises(RateLimitedError) as caught:
        bucket.admit()
    assert caught.value.retry_after_ns is not None
    assert caught.value.retry_after_ns > 2_000_000_000, "nearly three times as long as when it is warm"
    clock.set_ns(caught.value.retry_after_ns - 1)
    assert not bucket.try_acquire()
    clock.set_ns(caught.value.retry_after_ns)
    assert bucket.try_acquire()


def test_bad_warm_ups(clock: ManualClock) -> None:
    for warm_up, factor, field in (
        (0, 3, "warm_up"),
        (-1, 3, "warm_up"),
        (1, 0, "cold_factor"),
        (1, 1_001, "cold_factor"),
        (None, 3, "cold_factor"),
    ):
        with pytest.raises(ConfigError) as caught:
            TokenBucketRateLimiter(1, warm_up=warm_up, cold_factor=factor)
        assert caught.value.field == field
    with pytest.raises(ConfigError, match="warm_up is given together with board"):
        TokenBucketRateLimiter(1, name="quota", warm_up=1, board=Board.anonymous())


def test_h1_a_lease_spends_what_the_bucket_has_given(clock: ManualClock) -> None:
    bucket = TokenBucketRateLimiter(100, name="api", clock=clock)
    with bucket.lease(10, 0.005) as lease:
        assert lease.left == 0
        assert lease.try_acquire()
        lease.admit(4)
        assert (lease.left, bucket.available()) == (5, 90)
        assert repr(lease) == "<TokenLease 5 left>"
    assert (lease.left, bucket.available()) == (0, 95)
    assert lease.try_acquire(), "it can be used again"
    clock.advance(0.005)
    assert lease.try_acquire(1), "what has expired goes back first"
    assert lease.left == 9


def test_h1_a_lease_never_lets_more_through(clock: ManualClock) -> None:
    bucket = TokenBucketRateLimiter(20, name="api", clock=clock)
    leases = [bucket.lease(7, 1) for _ in range(3)]
    passed = sum(lease.try_acquire() for _ in range(20) for lease in leases)
    assert passed == 20
    with pytest.raises(RateLimitedError) as caught:
        leases[0].admit()
    assert (caught.value.name, caught.value.reason) == ("api", Reason.LIMITED)
    with pytest.raises(RateLimitedError) as caught:
        leases[0].admit(21)
    assert caught.value.reason == Reason.NEVER


def test_l4_a_forgotten_lease_gives_back(clock: ManualClock) -> None:
    for own_clock, left in ((clock, 99), (lambda: clock(), 90)):
        bucket = TokenBucketRateLimiter(100, clock=own_clock)
        lease = bucket.lease(10, 60)
        lease.admit()
        del lease
        assert bucket.available() == left


def test_a_lease_keeps_its_bucket() -> None:
    def make() -> TokenLease:
        return TokenBucketRateLimiter(100, per=3600).lease(10, 60)

    lease = make()
    gc.collect()
    assert sum(lease.try_acquire() for _ in range(200)) == 100


def test_a_cycle_through_a_lease_is_collected() -> None:
    class Clock:
        lease: TokenLease

        def __call__(self) -> int:
            return 0

    gone: list[bool] = []

    def cycle() -> None:
        clock = Clock()
        clock.lease = TokenBucketRateLimiter(1, clock=clock).lease(1, 1)
        weakref.finalize(clock, gone.append, True)

    cycle()
    gc.collect()
    assert gone == [True]


def test_bad_leases() -> None:
    bucket = TokenBucketRateLimiter(1)
    wrong: list[Callable[[], object]] = [
        lambda: bucket.lease(1.5, 1),  # type: ignore[arg-type]
        lambda: bucket.lease(1, "1"),  # type: ignore[arg-type]
        lambda: Board.anonymous().token_bucket("quota", 1).lease(1, 1),
    ]
    for make in wrong:
        with pytest.raises(TypeError):
            make()
    with pytest.raises(ConfigError, match="lifetime is -1"):
        bucket.lease(1, -1)


def test_h1_leases_of_threads_pass_the_burst_exactly() -> None:
    bucket = TokenBucketRateLimiter(1_000, per=3600)
    start, passed = threading.Barrier(4), list[int]()

    def run() -> None:
        start.wait()
        with bucket.lease(50, 60) as lease:
            passed.append(sum(lease.try_acquire() for _ in range(1_000)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The rate gives one in 3.6 s.
    assert 1_000 <= sum(passed) <= 1_010
