"""Boards: what processes share, really forked, spawned and killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fuseboard import (
    Board,
    BoardError,
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    ConcurrencyLimitError,
    ConfigError,
    ManualClock,
    RateLimitedError,
    TokenBucketRateLimiter,
    Transition,
    Window,
)

from .conftest import fail, trip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="boards need Linux")


@pytest.fixture
def path() -> Iterator[Path]:
    where = Path(f"/dev/shm/fuseboard-test-{os.getpid()}-{time.monotonic_ns()}")
    yield where
    where.unlink(missing_ok=True)


@pytest.fixture(params=["anonymous", "path"])
def board(request: pytest.FixtureRequest, path: Path) -> Board:
    return Board.anonymous() if request.param == "anonymous" else Board.open(path)


def in_child(work: Callable[[], int]) -> int:
    """What `work` gives as the exit code of a forked process."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_handles_of_one_name_are_one_breaker(path: Path) -> None:
    first, second = Board.open(path), Board.open(path)
    one = first.breaker("payments", minimum_requests=2)
    other = CircuitBreaker("payments", minimum_requests=2, board=second)
    trip(one)
    assert other.state == "open"
    with pytest.raises(CircuitOpenError) as caught:
        other.call(len, "")
    assert caught.value.name == "payments"
    assert caught.value.retry_after is not None
    assert 29 < caught.value.retry_after <= 30
    other.reset()
    assert one.state == "closed"
    one.force_open(60)
    assert other.snapshot().retry_after == pytest.approx(60, abs=1)


def test_s3_a_breaker_that_a_child_trips_is_open_for_all(board: Board) -> None:
    breaker = board.breaker("payments", minimum_requests=2)
    assert breaker(len)("ab") == 2

    def child() -> int:
        trip(breaker)
        return 0

    assert in_child(child) == 0
    with pytest.raises(CircuitOpenError):
        breaker(len)("")


def test_s3_totals_are_exact(board: Board) -> None:
    breaker = board.breaker("totals", window=Window.consecutive(10**5), minimum_requests=1)
    bucket = board.token_bucket("totals", 1, per=3600, burst=50)
    calls = 5000

    def child() -> int:
        good, bad = breaker(len), breaker(fail)
        admitted = 0
        for number in range(calls):
            if number % 5:
                good("")
            else:
                try:
                    bad()
                except OSError:
                    pass
            admitted += bucket.try_acquire()
        return admitted

    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            code = 255
            try:
                code = child()
            finally:
                os._exit(code)
        pids.append(pid)
    admitted = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    totals = breaker.snapshot().totals
    assert (totals.calls, totals.failures) == (4 * calls, 4 * calls // 5)
    assert admitted == 50


def spawned(breaker: CircuitBreaker, bucket: TokenBucketRateLimiter, limit: ConcurrencyLimit) -> bool:
    """In a process that shares nothing else."""
    with limit:
        trip(breaker)
        return bucket.try_acquire(3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(path: Path, method: str) -> None:
    board = Board.open(path)
    breaker = board.breaker("mp", minimum_requests=2, failures=OSError)
    bucket = board.token_bucket("mp", 1, per=3600, burst=5)
    limit = board.concurrency_limit("mp", 4)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(spawned, (breaker, bucket, limit)) is True
    assert breaker.state == "open"
    assert bucket.available() == 2
    assert limit.in_flight == 0


def test_what_has_no_name_for_others_is_not_pickled() -> None:
    for lonely in (
        Board.anonymous(),
        Board.private(),
        Board.anonymous().breaker("a"),
        CircuitBreaker("a"),
        TokenBucketRateLimiter(1),
        ConcurrencyLimit(1),
    ):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(lonely)


def test_s5_what_a_killed_process_held_comes_back(board: Board) -> None:
    limit = board.concurrency_limit("held", 3)
    breaker = board.breaker(
        "held", minimum_requests=1, half_open_requests=1, open_timeout=0.01, probe_lease=0.05
    )
    trip(breaker)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        time.sleep(0.05)
        held = [limit.acquire() for _ in range(3)]
        probe = breaker.acquire()
        os.write(writing, b"!")
        signal.pause()
        os._exit(len(held) + (probe is None))
    os.read(reading, 1)
    assert breaker.state == "half_open"
    with pytest.raises(ConcurrencyLimitError):
        limit.acquire()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    def soon(attempt: Callable[[], object]) -> None:
        until = time.monotonic() + 30
        while attempt() is None:
            assert time.monotonic() < until, "it never came back"
            time.sleep(0.01)

    soon(limit.try_acquire)
    soon(breaker.try_acquire)


def test_s5_a_child_leaves_a_block_that_its_parent_entered(board: Board) -> None:
    """The place stays its parent's."""
    limit = board.concurrency_limit("block", 2)

    def child() -> int:
        with limit:
            seen = limit.in_flight
        limit.__exit__(None, None, None)
        return seen * 10 + limit.in_flight

    with limit:
        assert in_child(child) == 21
        assert limit.in_flight == 1
    assert limit.in_flight == 0


def test_every_form_works_on_a_board(board: Board) -> None:
    changes: list[Transition] = []
    breaker = board.breaker("forms", minimum_requests=4, listeners=[changes.append])
    limit = board.concurrency_limit("forms", 2)
    bucket = board.token_bucket("forms", 100, per=3600)

    @bucket
    @limit
    @breaker
    async def get() -> int:
        async with limit, breaker, bucket:
            return limit.in_flight

    assert asyncio.run(get()) == 2
    with limit, breaker as permit:
        assert permit.success() is True
        assert permit.success() is False
    assert limit(lambda: limit.in_flight)() == 1
    turn = bucket.reserve(98)
    assert turn.wait == 0
    turn.cancel()
    bucket.refund()
    assert bucket.available() == 99
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    breaker.acquire().failure(weight=10)
    assert breaker.state == "open"
    assert [(change.name, change.to_state) for change in changes] == [("forms", "open")]
    breaker.configure(open_timeout=1)
    breaker.disable()
    breaker.metrics_only()
    assert breaker.state == "metrics_only"
    limit.configure(5)
    bucket.configure(10)
    bucket.reset()
    assert (limit.limit, bucket.available()) == (5, 10)
    permit = breaker.acquire()
    assert permit.cancel() is True
    with limit.acquire() as place:
        assert limit.in_flight == 1
    assert (place.release(), limit.in_flight) == (False, 0)


def test_latency_of_all_processes(board: Board) -> None:
    breaker = board.breaker("timed", record_latency=True)

    def child() -> int:
        breaker.call(time.sleep, 0.002)
        return 0

    assert in_child(child) == 0
    breaker.call(time.sleep, 0.002)
    seen = breaker.latency()
    assert seen is not None
    assert seen.count == 2
    assert (seen.quantile(0) or 0) >= 0.002
    assert board.breaker("untimed").latency() is None


def test_interrupt_in_a_listener_reaches_the_caller(board: Board) -> None:
    def interrupted(change: Transition) -> None:
        raise KeyboardInterrupt

    breaker = board.breaker("interrupted", minimum_requests=1, listeners=[interrupted])
    with pytest.raises(KeyboardInterrupt):
        breaker.acquire().failure()
    assert breaker.state == "open"


def test_other_settings_are_refused_or_taken_over(board: Board) -> None:
    first = board.breaker("settings", open_timeout=5)
    with pytest.raises(BoardError, match="config differs"):
        board.breaker("settings", open_timeout=6)
    board.breaker("settings", open_timeout=6, when_different="update")
    first.force_open()
    board.token_bucket("settings", 5)
    with pytest.raises(BoardError, match="config differs"):
        board.token_bucket("settings", 6)
    board.concurrency_limit("settings", 5)
    with pytest.raises(BoardError, match="config differs"):
        ConcurrencyLimit(6, name="settings", board=board)
    assert ConcurrencyLimit(7, name="settings", board=board, when_different="keep").limit == 5
    assert ConcurrencyLimit(6, name="settings", board=board, when_different="update").limit == 6


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("failure_threshold", lambda board: board.breaker("x", failure_threshold=2)),
        ("window", lambda board: board.breaker("x", window=Window.time(10, slots=20))),
        ("clock", lambda board: CircuitBreaker("x", board=board, clock=ManualClock())),
        ("clock", lambda board: TokenBucketRateLimiter(1, board=board, clock=ManualClock())),
        ("limit", lambda board: board.concurrency_limit("x", 70000)),
        ("burst", lambda board: board.token_bucket("x", 1, burst=0)),
        ("when_different", lambda board: board.token_bucket("x", 1, when_different="ask")),
    ],
)
def test_bad_settings(field: str, wrong: Callable[[Board], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        wrong(Board.private())
    assert caught.value.field == field


def test_what_is_no_board(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"hello")
    with pytest.raises(BoardError, match="allowed"):
        Board.open(path)
    with pytest.raises(BoardError, match="cannot") as caught:
        Board.open("/nowhere/board")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.warns(RuntimeWarning, match="not shared between processes: board"):
        assert not Board.open_or_private("/nowhere/board").shared
    reasons: list[BoardError] = []
    board = Board.open_or_private(path, fallback=reasons.append)
    assert (board.shared, len(reasons)) == (False, 1)
    assert board.breaker("alone").call(len, "abc") == 3
    with pytest.raises(TypeError, match="Board.open"):
        Board()


def test_all_names_taken(board: Board) -> None:
    for number in range(64):
        board.token_bucket(f"name {number}", 1)
    with pytest.raises(BoardError, match="all 64 slots"):
        board.token_bucket("one too many", 1)
    with pytest.raises(BoardError, match="1 to 64 bytes"):
        board.token_bucket("", 1)


def test_the_message_of_a_used_up_bucket_names_it(board: Board) -> None:
    bucket = board.token_bucket("api", 1, per=60)
    bucket.admit()
    with pytest.raises(RateLimitedError, match="rate limiter 'api': used up; retry after"):
        bucket.admit()


def test_the_changes_that_any_process_caused(board: Board) -> None:
    breaker = board.breaker("payments", minimum_requests=2)
    cursor = board.transitions_end()
    breaker.force_open()

    def reset() -> int:
        board.breaker("payments", minimum_requests=2).reset()
        return 0

    assert in_child(reset) == 0
    found = board.transitions_since(cursor)
    assert [change.transition.to_state for change in found.transitions] == ["forced_open", "closed"]
    assert found.transitions[0].process == os.getpid() != found.transitions[1].process
    assert {change.transition.name for change in found.transitions} == {"payments"}
    assert found.lost == 0
    assert board.transitions_since(found.cursor).transitions == ()
    kept = pickle.loads(pickle.dumps(found.cursor))
    for _ in range(200):
        breaker.force_open()
        breaker.reset()
    flood = board.transitions_since(kept)
    assert len(flood.transitions) + flood.lost == 400
    assert len(board.transitions_since().transitions) == 128


def test_who_is_attached(board: Board) -> None:
    board.breaker("payments")
    (one,) = board.attached()
    assert (one.process, one.is_alive) == (os.getpid(), True)


def test_a_boards_breaker_is_not_saved(board: Board) -> None:
    with pytest.raises(TypeError, match="the board keeps it"):
        board.breaker("payments").save()
    with pytest.raises(TypeError, match="saved cannot be given with a board"):
        CircuitBreaker("payments", board=board, saved=b"")


def test_check_stats_and_the_rest_on_a_board(board: Board) -> None:
    breaker = board.breaker("payments", minimum_requests=2)
    breaker.check()
    trip(breaker)
    with pytest.raises(CircuitOpenError):
        breaker.check()
    breaker.reset()
    breaker.call(len, "")
    assert breaker.stats().calls == 1
    bucket = board.token_bucket("quota", 10, per=10**6)
    assert bucket.try_acquire_up_to(4) == 4
    bucket.drain()
    assert bucket.available() == 0
