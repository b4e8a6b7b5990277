"""Who goes first when places get short, and what is given up that waited too long."""

from __future__ import annotations

import asyncio
import pickle
import threading
from queue import SimpleQueue
from typing import Any

import pytest

from fuseboard import (
    AdaptiveLimit,
    Board,
    CoDel,
    ConcurrencyLimit,
    ConcurrencyLimitError,
    ConfigError,
    LoadShedding,
    ManualClock,
    Pipeline,
    Reason,
    TokenBucketRateLimiter,
)

from .conftest import fail


@pytest.fixture(params=["fixed", "adaptive"])
def shedding(request: pytest.FixtureRequest) -> LoadShedding[Any]:
    if request.param == "fixed":
        return LoadShedding(ConcurrencyLimit(10, name="shop"), sheds_from=0.5)
    adaptive = AdaptiveLimit(initial_limit=10, name="shop", clock=ManualClock())
    return LoadShedding(adaptive, sheds_from=0.5)


def test_k1_each_priority_has_its_share(shedding: LoadShedding[Any]) -> None:
    assert [shedding.places(priority) for priority in (0, 128, 255)] == [5, 8, 10]
    held = [shedding.acquire(0) for _ in range(5)]
    assert shedding.try_acquire(0) is None
    with pytest.raises(ConcurrencyLimitError) as caught:
        shedding.acquire(0)
    assert (caught.value.name, caught.value.reason) == ("shop", Reason.FULL)
    held += [shedding.acquire(128) for _ in range(3)]
    assert shedding.try_acquire(128) is None
    held += [shedding.acquire(255) for _ in range(2)]
    assert shedding.try_acquire(255) is None
    assert (shedding.in_flight, shedding.limit) == (10, 10)
    for permit in held:
        with permit:
            pass
    assert shedding.in_flight == 0


def test_k2_every_form_gives_its_place_back(shedding: LoadShedding[Any]) -> None:
    batch = shedding.at(0)
    assert batch(lambda: shedding.in_flight)() == 1
    assert batch.call(len, "ab") == 2
    assert asyncio.run(batch.acall(asyncio.sleep, 0, "slept")) == "slept"
    with pytest.raises(OSError, match="down"):
        batch(fail)()

    @batch
    async def awaited() -> int:
        return shedding.in_flight

    assert asyncio.run(awaited()) == 1

    @batch
    async def stopped() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
    forgotten = shedding.acquire(255)
    del forgotten
    assert shedding.in_flight == 0
    assert (batch.name, batch.priority) == ("shop", 0)


def test_k1_by_the_calls_own_arguments(shedding: LoadShedding[Any]) -> None:
    @shedding.by(lambda user, importance: importance)
    def show(user: str, importance: int) -> str:
        return user

    @shedding.by(lambda importance: importance)
    async def ashow(importance: int) -> int:
        await asyncio.sleep(0)
        return importance

    held = [shedding.acquire(255) for _ in range(5)]
    assert show("boss", importance=255) == "boss"
    assert asyncio.run(ashow(255)) == 255
    with pytest.raises(ConcurrencyLimitError):
        show("guest", 0)
    with pytest.raises(ConcurrencyLimitError):
        asyncio.run(ashow(0))
    with pytest.raises(ConfigError, match="priority is 256; allowed: 0 to 255"):
        show("nobody", 256)
    assert shedding.in_flight == len(held)


def test_x1_in_a_pipeline() -> None:
    places = ConcurrencyLimit(2, name="shop")
    shedding = LoadShedding(places)
    bucket = TokenBucketRateLimiter(1, per=60, clock=ManualClock())
    guarded = Pipeline(bucket, shedding.at(0))(lambda: places.in_flight)
    with places:
        with pytest.raises(ConcurrencyLimitError):
            guarded()
    # The limiter is as if never asked.
    assert guarded() == 1
    assert (places.in_flight, bucket.available()) == (0, 0)
    assert repr(guarded).endswith("guarded by a rate limiter \"\", ConcurrencyLimit \"shop\" at priority 0>")


def test_an_adaptive_limit_learns_from_what_is_shed_by_priority() -> None:
    clock = ManualClock()
    limit = AdaptiveLimit("aimd", initial_limit=10, min_limit=2, window=0.1, clock=clock)
    shedding = LoadShedding(limit)

    @shedding.at(255)
    def slow() -> None:
        clock.advance(0.1)
        fail()

    for _ in range(200):
        with pytest.raises(OSError, match="down"):
            slow()
    assert limit.limit == 2


def test_k1_threads_never_see_more_than_their_share() -> None:
    places = ConcurrencyLimit(8)
    shedding = LoadShedding(places, sheds_from=0.25)
    start, most = threading.Barrier(4), SimpleQueue[int]()

    def run() -> None:
        start.wait()
        seen = 0
        for _ in range(2_000):
            one = shedding.try_acquire(0)
            if one is not None:
                seen = max(seen, places.in_flight)
                one.release()
        most.put(seen)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= max(most.get() for _ in threads) <= 2
    assert places.in_flight == 0


def test_bad_values() -> None:
    places = ConcurrencyLimit(1)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError) as caught:
            LoadShedding(places, share)
        assert caught.value.field == "sheds_from"
    with pytest.raises(TypeError, match="limit must be a ConcurrencyLimit or an AdaptiveLimit, not int"):
        LoadShedding(10)  # type: ignore[call-overload]
    shedding = LoadShedding(places)
    for priority in (256, -1, 2**64):
        with pytest.raises(ConfigError) as caught:
            shedding.at(priority)
        assert caught.value.field == "priority"
    with pytest.raises(TypeError, match="priority must be an int, not bool"):
        shedding.acquire(True)
    with pytest.raises(TypeError, match="priority must be callable"):
        shedding.by(3)  # type: ignore[arg-type]
    for one in (shedding, shedding.at(1)):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            pickle.dumps(one)
    # One place is open to everybody.
    assert LoadShedding(places, 0).at(0).call(int) == 0


def test_a_boards_limit_knows_no_priorities() -> None:
    with pytest.raises(TypeError, match="not one of a board"):
        LoadShedding(Board.anonymous().concurrency_limit("room", 10))


def test_codel_sheds_once_a_queue_has_stood_for_an_interval() -> None:
    clock = ManualClock(10**9)
    codel = CoDel(clock=clock)

    def waited(milliseconds: int) -> bool:
        return codel.is_served(codel.stamp() - milliseconds * 1_000_000)

    assert waited(20)
    clock.advance(0.099)
    assert waited(20)
    assert not codel.is_shedding
    clock.advance(0.001)
    assert not waited(20)
    assert codel.is_shedding
    assert waited(20), "one at first"
    clock.advance(0.1)
    assert not waited(20), "then again"
    assert waited(4), "whoever waited less than the target ends it"
    assert not codel.is_shedding


def test_codel_of_another_target() -> None:
    clock = ManualClock(10**9)
    codel = CoDel(0.05, 1, clock=clock)
    assert codel.is_served(codel.stamp() - 60_000_000)
    codel.configure(0.1, 1)
    clock.advance(2)
    assert codel.is_served(codel.stamp() - 60_000_000)
    for target, interval, field in ((0, 1, "target"), (2, 1, "target"), (1e-9, 1e-6, "interval")):
        with pytest.raises(ConfigError) as caught:
            codel.configure(target, interval)
        assert caught.value.field == field
    with pytest.raises(TypeError, match="enqueued must be an int, not float"):
        codel.is_served(0.5)  # type: ignore[arg-type]
    # The clock that everybody has is the default.
    assert CoDel().is_served(CoDel().stamp())
