"""Limits among hosts, on a real server that is paused and killed."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from fuseboard import ConfigError, RateLimitedError
from fuseboard.redis import (
    Decision,
    Engine,
    EngineUnavailableError,
    FixedWindowRateLimiter,
    Lease,
    LocalShare,
    SlidingCounterRateLimiter,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
)
from fuseboard.starlette import FuseboardMiddleware

from .test_board import in_child
from .worlds import World, world

__all__ = ["world"]

PATIENT = 10.0
"""For what must be decided by the server, however busy the machine is."""


class Server:
    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"redis+unix://{self.socket}"
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        while not self.socket.exists():
            assert self.process.poll() is None
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server in PATH")
    server = Server(tmp_path)
    yield server
    server.stop()


def eventually(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.001)


def connected(server: Server, deadline: float = PATIENT) -> Engine:
    """On a busy machine the first connections may take longer than they are waited for."""
    engine = Engine(server.url, deadline=deadline)
    looker = FixedWindowRateLimiter(engine, 1, 60, on_failure="closed", prefix="connected")
    # There are two of them, used in turn.
    eventually(lambda: all(looker.check("", 0).source == "engine" for _ in range(8)))
    return engine


@pytest.fixture
def engine(server: Server) -> Engine:
    return connected(server)


@pytest.mark.parametrize(
    "make",
    [
        lambda engine: TokenBucketRateLimiter(engine, 5, per=3600, on_failure="closed"),
        lambda engine: SlidingWindowRateLimiter(engine, 5, 3600, on_failure="closed"),
        lambda engine: SlidingCounterRateLimiter(engine, 5, 3600, on_failure="closed"),
        lambda engine: FixedWindowRateLimiter(engine, 5, 3600, on_failure="closed"),
    ],
    ids=["token_bucket", "sliding_window", "sliding_counter", "fixed_window"],
)
def test_l1_one_limit_for_all_who_ask(make: Callable[[Engine], Any], server: Server) -> None:
    here, there = (make(connected(server)) for _ in range(2))
    admitted = [limiter.allow("alice") for limiter in (here, there) * 5]
    assert admitted.count(True) == 5
    refused = here.check("alice")
    assert (refused.is_allowed, refused.limit, refused.remaining) == (False, 5, 0)
    assert refused.retry_after > 0
    assert not refused.is_fallback
    first = there.check("bob")
    assert (first.is_allowed, first.remaining, first.retry_after, first.source) == (True, 4, 0, "engine")
    assert first.reset_after > 0
    assert here.refund("alice")
    assert here.check("alice", 6).retry_after is None


def test_l1_many_tasks_and_threads_at_once(engine: Engine) -> None:
    limiter = SlidingWindowRateLimiter(engine, 100, 3600, on_failure="closed")
    admitted: list[bool] = []

    async def ask() -> None:
        admitted.extend(await asyncio.gather(*(limiter.aallow("all") for _ in range(50))))

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    threads += [
        threading.Thread(target=lambda: admitted.extend(limiter.allow("all") for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), admitted.count(True)) == (280, 100)


def test_decorated(world: World, engine: Engine) -> None:
    limiter = FixedWindowRateLimiter(engine, 1, 3600, on_failure="closed", name="pages")

    def show(user: str, page: int = 0) -> str:
        return f"{user} {page}"

    guarded = world.guard(limiter.by(lambda user, page=0: user), show)
    assert guarded("alice", page=1) == "alice 1"
    with pytest.raises(RateLimitedError, match="rate limiter 'pages': used up; retry after") as caught:
        guarded("alice")
    assert caught.value.retry_after is not None
    assert guarded("bob") == "bob 0"
    assert engine.state == "closed"


def test_in_front_of_a_web_application(engine: Engine, tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def receive() -> Any: ...

    def answer(application: FuseboardMiddleware) -> tuple[int, dict[str, str]]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "client": ("10.0.0.1", 1)}
        asyncio.run(application(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers

    limiter = FixedWindowRateLimiter(engine, 2, 3600, on_failure="closed", name="all")
    guarded = FuseboardMiddleware(app, limiter=limiter)
    status, headers = answer(guarded)
    assert (status, headers["ratelimit"], headers["ratelimit-policy"]) == (
        204,
        '"all";r=1',
        '"all";q=2;w=3600',
    )
    answer(guarded)
    status, headers = answer(guarded)
    assert status == 429
    assert 3500 < int(headers["retry-after"]) <= 3600
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock", deadline=0.01)
    away = FixedWindowRateLimiter(nobody, 2, 3600, on_failure="closed")
    status, headers = answer(FuseboardMiddleware(app, limiter=away))
    assert (status, headers["retry-after"], "ratelimit" in headers) == (503, "1", False)
    passing = FixedWindowRateLimiter(nobody, 2, 3600, on_failure="open")
    status, headers = answer(FuseboardMiddleware(app, limiter=passing))
    assert (status, "ratelimit" in headers) == (204, False)


def test_trio(engine: Engine) -> None:
    limiter = FixedWindowRateLimiter(engine, 1, 3600, on_failure="closed")
    assert [anyio.run(limiter.aallow, "a", backend="trio") for _ in range(2)] == [True, False]


def test_other_threads_run_while_one_waits(server: Server) -> None:
    limiter = FixedWindowRateLimiter(connected(server, 0.5), 1, 3600, on_failure="open")
    server.signal(signal.SIGSTOP)
    decided: list[Decision] = []
    thread = threading.Thread(target=lambda: decided.append(limiter.check("all")))
    thread.start()
    rounds = 0
    while thread.is_alive():
        rounds += 1
    assert rounds > 100
    assert (decided[0].is_allowed, decided[0].source, decided[0].may_have_taken) == (True, "fallback", True)
    assert decided[0].why == "the engine did not answer in time"


def test_without_an_engine_the_policy_decides(tmp_path: Path) -> None:
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock", deadline=0.01)
    assert FixedWindowRateLimiter(nobody, 1, 60, on_failure="open").allow("a")
    closed = FixedWindowRateLimiter(nobody, 1, 60, on_failure="closed", name="money")
    with pytest.raises(EngineUnavailableError, match="'money': its engine is away") as caught:
        closed.admit("a")
    assert caught.value.retry_after == 1
    with pytest.raises(EngineUnavailableError):
        asyncio.run(closed.aadmit("a"))
    share = TokenBucketRateLimiter(nobody, 8, per=3600, on_failure=LocalShare(0.25))
    assert [share.allow("a") for _ in range(3)] == [True, True, False]
    leased = FixedWindowRateLimiter(nobody, 1, 60, on_failure="keep_lease", lease=Lease(1))
    assert not leased.allow("a")
    assert not closed.refund("a")


def test_leases_spare_the_way_and_are_given_back(engine: Engine) -> None:
    limiter = TokenBucketRateLimiter(
        engine, 1000, per=10**6, on_failure="closed", lease=Lease(50, expires_after=10)
    )
    sources = [limiter.check("all").source for _ in range(200)]
    assert sources.count("lease") > 100
    looker = TokenBucketRateLimiter(engine, 1000, per=10**6, on_failure="closed")

    def is_all_back() -> bool:
        # What was being fetched when it was closed comes back the next time.
        limiter.close()
        return looker.check("all", 0).remaining == 800

    eventually(is_all_back)


def test_k5_a_cancelled_request_leaves_nothing_behind(server: Server) -> None:
    limiter = FixedWindowRateLimiter(connected(server), 3, 3600, on_failure="closed")

    async def main() -> None:
        server.signal(signal.SIGSTOP)
        waiting = [asyncio.create_task(limiter.acheck("all")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)

    asyncio.run(main())
    server.signal(signal.SIGCONT)
    # What they took on their way comes back a moment later.
    eventually(lambda: limiter.check("all", 0).remaining == 3)


def test_a_forked_child_makes_connections_of_its_own(engine: Engine) -> None:
    limiter = FixedWindowRateLimiter(engine, 10, 3600, on_failure="closed")
    assert limiter.allow("all")

    def work() -> int:
        eventually(lambda: all(limiter.check("all", 0).source == "engine" for _ in range(8)))
        admitted = [limiter.allow("all") for _ in range(2)]
        admitted += [asyncio.run(limiter.aallow("all")) for _ in range(2)]
        return admitted.count(True)

    assert [in_child(work) for _ in range(2)] == [4, 4]
    assert [limiter.allow("all") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("url", lambda: Engine("nonsense")),
        ("url", lambda: Engine("http://user:secret@host")),
        ("deadline", lambda: Engine("redis://host", deadline=0)),
        ("deadline", lambda: Engine("redis://host", deadline=-1)),
        ("limit", lambda: _fixed(limit=0)),
        ("window", lambda: _fixed(window=0)),
        ("on_failure", lambda: _fixed(on_failure="maybe")),
        ("on_failure", lambda: _fixed(on_failure="keep_lease")),
        ("on_failure.local_share", lambda: _fixed(on_failure=LocalShare(0))),
        ("on_failure.local_share", lambda: _fixed(on_failure=LocalShare(float("nan")))),
        ("prefix", lambda: _fixed(prefix="{a}")),
        ("remembered_keys", lambda: _fixed(remembered_keys=1)),
        ("lease.most", lambda: _fixed(lease=Lease(0))),
        ("lease.expires_after", lambda: _fixed(lease=Lease(1, expires_after=60))),
    ],
)
def test_settings_that_can_never_work(field: str, make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.field == field
    assert "secret" not in str(caught.value)


def _fixed(limit: int = 1, window: float = 60, **more: Any) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(
        Engine("redis://127.0.0.1:1"), limit, window, **({"on_failure": "closed"} | more)
    )


def test_wrong_types() -> None:
    limiter = _fixed()
    for key, cost in ((1, 1), (None, 1), ("a", "1"), ("a", 1.5), ("a", None)):
        with pytest.raises(TypeError):
            limiter.check(key, cost)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cost is -1"):
        limiter.check("a", -1)
    with pytest.raises(TypeError):
        Engine(5)  # type: ignore[arg-type]
    assert repr(Engine("redis://user:secret@host")) == "<Engine closed>"


def test_a_loop_that_ends_before_the_answer(server: Server) -> None:
    limiter = FixedWindowRateLimiter(connected(server, 0.3), 3, 3600, on_failure="closed")
    server.signal(signal.SIGSTOP)
    loop = asyncio.new_event_loop()
    task = loop.create_task(limiter.acheck("all"))
    loop.call_soon(loop.stop)
    loop.run_forever()
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    server.signal(signal.SIGCONT)
    eventually(lambda: limiter.check("other").is_allowed)
