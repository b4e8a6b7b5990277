"""The module that takes pybreaker's place."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fuseboard import Board
from fuseboard.compat import pybreaker
from fuseboard.compat.pybreaker import (
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
    CircuitMemoryStorage,
)

from .conftest import fail


def trip(breaker: CircuitBreaker) -> None:
    for _ in range(breaker.fail_max - 1):
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)
    with pytest.raises(CircuitBreakerError, match="threshold reached") as caught:
        breaker.call(fail)
    assert isinstance(caught.value.__cause__, OSError)


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = CircuitBreaker(fail_max=3)
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    assert breaker.fail_counter == 1
    assert breaker.call(len, "ab") == 2
    assert breaker.fail_counter == 0
    trip(breaker)
    assert (breaker.current_state, breaker.state.name, breaker.fail_counter) == ("open", "open", 3)
    with pytest.raises(CircuitBreakerError, match="still open"):
        breaker.call(len, "")
    breaker.close()
    assert breaker.call(len, "ab") == 2


def test_half_open_takes_as_many_successes_as_asked() -> None:
    breaker = CircuitBreaker(fail_max=1, success_threshold=2, throw_new_error_on_trip=False)
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    breaker.half_open()
    breaker.call(len, "")
    assert (breaker.current_state, breaker.success_counter) == ("half-open", 1)
    breaker.call(len, "")
    assert (breaker.current_state, breaker.success_counter) == ("closed", 0)


def test_b3_one_probe_at_a_time() -> None:
    """Where pybreaker makes all sixteen calls, one by one."""
    breaker = CircuitBreaker(fail_max=1)
    breaker.half_open()
    entered, leave = threading.Event(), threading.Event()

    def probe() -> None:
        entered.set()
        leave.wait()

    thread = threading.Thread(target=breaker.call, args=(probe,))
    thread.start()
    entered.wait()
    for _ in range(15):
        with pytest.raises(CircuitBreakerError):
            breaker.call(len, "")
    leave.set()
    thread.join()
    assert breaker.current_state == "closed"


def test_calls_are_not_made_one_by_one() -> None:
    """Where pybreaker holds a lock while the function runs, this would wait for ever."""
    breaker = CircuitBreaker()
    barrier = threading.Barrier(4, timeout=30)
    threads = [threading.Thread(target=breaker.call, args=(barrier.wait,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    breaker.call(barrier.wait)
    for thread in threads:
        thread.join()
    assert breaker.fail_counter == 0


def test_a_coroutine_function_trips_it() -> None:
    """Where pybreaker never does."""
    breaker = CircuitBreaker(fail_max=2, throw_new_error_on_trip=False)

    @breaker
    async def get() -> None:
        await asyncio.sleep(0)
        fail()

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(OSError, match="down"):
                await get()
        with pytest.raises(CircuitBreakerError):
            await get()
        with pytest.raises(CircuitBreakerError):
            await breaker.call(asyncio.sleep, 0)

    asyncio.run(main())


def test_interrupts_count_as_nothing() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    breaker = CircuitBreaker(fail_max=1)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            breaker.call(stop)
    assert (breaker.current_state, breaker.fail_counter) == ("closed", 0)


def test_a_listeners_fault_is_not_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)

    class Broken(CircuitBreakerListener):
        def success(self, cb: CircuitBreaker) -> None:
            raise RuntimeError("broken listener")

    assert CircuitBreaker(listeners=[Broken()]).call(len, "ab") == 2
    assert str(seen[0].exc_value) == "broken listener"


def test_listeners_hear_each_change() -> None:
    heard: list[str] = []

    class Listener(CircuitBreakerListener):
        def state_change(self, cb: CircuitBreaker, old_state: Any, new_state: Any) -> None:
            heard.append(f"{old_state.name} {new_state.name}")

    breaker = CircuitBreaker(fail_max=1, listeners=[Listener()])
    trip(breaker)
    breaker.half_open()
    with breaker.calling():
        pass
    assert heard == ["closed open", "open half-open", "half-open closed"]


def test_settings_that_change() -> None:
    breaker = CircuitBreaker(fail_max=2, exclude=[KeyError])
    breaker.fail_max = 1
    breaker.reset_timeout = 5
    breaker.success_threshold = 3
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (1, 5, 3)
    breaker.add_excluded_exception(lambda error: str(error) == "down")
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)
    assert breaker.current_state == "closed"
    with pytest.raises(ValueError, match="Unknown state 'ajar'"):
        CircuitBreaker(state_storage=CircuitMemoryStorage("ajar"))


@pytest.mark.skipif(sys.platform != "linux", reason="boards need Linux")
def test_shared_by_a_board() -> None:
    board = Board.anonymous()
    one = CircuitBreaker(fail_max=2, name="shared", board=board)
    other = CircuitBreaker(fail_max=2, name="shared", board=board)
    trip(one)
    assert other.current_state == "open"
    with pytest.raises(CircuitBreakerError):
        other.call(len, "")


UPSTREAM = "https://github.com/danielfm/pybreaker"
COMMIT = "3c436f208f5ed012532e2ece55cf3d571f4c3a66"
DIFFERENT = {
    # It asks for the class `CircuitRedisStorage`, which a board takes the place of.
    "CircuitBreakerRedisTestCase",
    "CircuitBreakerRedisConcurrencyTestCase",
    "test_success_threshold_redis_storage",
    # They replace or call what is not in pybreaker's `__all__`.
    "test_create_new_state__bad_state",
    "test_notify_not_called_on_init",
    "test_notify_called_on_state_change",
    # Without tornado a coroutine is refused; here it needs no tornado.
    "test_no_tornado_raises",
}
RUNNER = """
import sys, types
import fuseboard.compat.pybreaker as ours
sys.modules["pybreaker"] = ours
# Only what is listed as different needs these.
for name in ("fakeredis", "redis", "redis.exceptions"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["redis.exceptions"].RedisError = Exception
import pytest
different = sys.argv[2:]
chosen = " and ".join(f"not {name}" for name in different)
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "-k", chosen, sys.argv[1]]))
"""


def published_tests(folder: Path) -> Path:
    """pybreaker's own tests. No source distribution of it has them, so they come from its repository, or
    from a checkout that `FUSEBOARD_PYBREAKER` names.
    """
    given = os.environ.get("FUSEBOARD_PYBREAKER")
    if given is not None:
        return Path(given) / "tests" / "pybreaker_test.py"
    for command in (
        ["git", "init", "--quiet", str(folder)],
        ["git", "-C", str(folder), "fetch", "--quiet", "--depth=1", UPSTREAM, COMMIT],
        ["git", "-C", str(folder), "checkout", "--quiet", "FETCH_HEAD"],
    ):
        try:
            subprocess.run(
                command,
                check=True,
                timeout=20,
                capture_output=True,
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            )
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{UPSTREAM} cannot be reached: {type(error).__name__}")
    return folder / "tests" / "pybreaker_test.py"


def test_pybreakers_own_tests_pass(tmp_path: Path) -> None:
    tests = published_tests(tmp_path / "pybreaker")
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER, str(tests), *sorted(DIFFERENT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "52 passed" in ran.stdout, ran.stdout


def test_the_same_names() -> None:
    assert {"CircuitBreaker", "CircuitBreakerError", "CircuitBreakerListener"} <= set(
        pybreaker.__all__
    )
