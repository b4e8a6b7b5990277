"""So many at once among hosts, on a real server that is paused."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from pathlib import Path

import anyio
import pytest

from fuseboard import ConcurrencyLimitError, ConfigError, Reason
from fuseboard._http import status_of
from fuseboard.redis import ConcurrencyLimit, Engine, EngineUnavailableError, Place

from .test_board import in_child
from .test_redis import Server, connected, engine, eventually, server
from .worlds import World, world

__all__ = ["engine", "server", "world"]


def test_k1_k2_one_limit_for_all_who_ask(server: Server) -> None:
    here, there = (ConcurrencyLimit(connected(server), 2, name="jobs") for _ in range(2))
    first, second = here.try_acquire("nightly"), there.try_acquire("nightly")
    assert first is not None
    assert second is not None
    assert here.try_acquire("nightly") is None
    assert (here.available("nightly"), there.available("hourly")) == (0, 2)
    with pytest.raises(ConcurrencyLimitError) as caught:
        there.acquire("nightly")
    assert (caught.value.name, caught.value.reason) == ("jobs", Reason.FULL)
    assert first.give_back()
    assert not first.give_back(), "once"
    assert there.available("nightly") == 1
    with there.acquire("nightly"):
        assert here.try_acquire("nightly") is None
    eventually(lambda: here.available("nightly") == 1)


def test_k2_a_forgotten_place_comes_back(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 1, lease=3600)
    place = limit.try_acquire("all")
    assert place is not None
    del place
    gc.collect()
    eventually(lambda: limit.available("all") == 1)


def test_k2_every_task_gives_its_place_back(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 3, lease=3600)
    most = now = 0

    async def work() -> bool:
        nonlocal most, now
        place = await limit.atry_acquire("all")
        if place is None:
            return False
        async with place:
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1
        return True

    async def main() -> list[bool]:
        done = await asyncio.gather(*(work() for _ in range(30)))
        last = await limit.aacquire("another")
        assert await last.agive_back()
        assert not await last.agive_back()
        return done

    assert any(asyncio.run(main()))
    assert 1 <= most <= 3
    eventually(lambda: limit.available("all") == 3)
    assert limit.available("another") == 3


def test_p6_who_is_cancelled_on_the_way_holds_nothing(server: Server) -> None:
    limit = ConcurrencyLimit(connected(server), 1, lease=3600)

    async def main() -> None:
        server.signal(signal.SIGSTOP)
        asking = asyncio.create_task(limit.aacquire("all"))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        server.signal(signal.SIGCONT)

    asyncio.run(main())
    eventually(lambda: limit.available("all") == 1)


def test_decorated(world: World, engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 1, name="reports")

    def report(user: str, page: int = 0) -> str:
        return f"{user} {page} {limit.available(user)}"

    guarded = world.guard(limit.by(lambda user, page=0: user), report)
    assert guarded("alice", page=1) == "alice 1 0"
    eventually(lambda: limit.available("alice") == 1)
    with limit.acquire("alice"):
        with pytest.raises(ConcurrencyLimitError, match="concurrency limit 'reports': reached"):
            guarded("alice")
        assert guarded("bob") == "bob 0 0"


def test_trio(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 1)

    async def main() -> bool:
        place = await limit.aacquire("a")
        assert await limit.atry_acquire("a") is None
        return await place.agive_back()

    assert anyio.run(main, backend="trio")
    assert limit.available("a") == 1


def test_s5_a_child_neither_gives_back_nor_keeps_its_parents_place(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 2, lease=3600)
    place = limit.acquire("all")

    def work() -> int:
        nonlocal place
        if place.give_back():
            return 1
        with limit.acquire("all"):
            if limit.available("all") != 0:
                return 2
        eventually(lambda: limit.available("all") == 1)
        return 0

    assert in_child(work) == 0
    assert limit.available("all") == 1
    assert place.give_back()


def test_s5_places_of_a_host_that_died_are_free_after_their_lease(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 1, lease=0.5)
    kept: list[Place] = []

    def work() -> int:
        kept.append(limit.acquire("all"))
        return 0

    # It ends without a word, as one that is killed.
    assert in_child(work) == 0
    assert limit.try_acquire("all") is None
    eventually(lambda: limit.available("all") == 1)


def test_an_engine_that_is_away(tmp_path: Path) -> None:
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock", deadline=0.01)
    limit = ConcurrencyLimit(nobody, 1, name="jobs")
    for ask in (limit.try_acquire, limit.acquire, limit.available):
        with pytest.raises(EngineUnavailableError) as caught:
            ask("all")
        assert str(caught.value) == "concurrency limit 'jobs': its engine is away"
        assert caught.value.__notes__
        assert status_of(caught.value) == 503
    with pytest.raises(EngineUnavailableError):
        asyncio.run(limit.atry_acquire("all"))


def test_bad_settings(tmp_path: Path) -> None:
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock")
    for limit, lease, field in ((0, 30, "limit"), (10_001, 30, "limit"), (1, 0.09, "lease"), (1, 3_601, "lease")):
        with pytest.raises(ConfigError) as caught:
            ConcurrencyLimit(nobody, limit, lease=lease)
        assert caught.value.field == field
    with pytest.raises(TypeError, match="engine must be an Engine"):
        ConcurrencyLimit("redis://localhost", 1)  # type: ignore[arg-type]


def test_k1_threads(engine: Engine) -> None:
    limit = ConcurrencyLimit(engine, 3, lease=3600)
    start, lock = threading.Barrier(8), threading.Lock()
    most = now = 0

    def run() -> None:
        nonlocal most, now
        start.wait()
        for _ in range(20):
            place = limit.try_acquire("all")
            if place is None:
                continue
            with lock:
                now += 1
                most = max(most, now)
            with lock:
                now -= 1
            place.give_back()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3
    assert limit.available("all") == 3
