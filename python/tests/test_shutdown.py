"""Interpreters: one that goes down while daemon threads are anywhere in a guarded call, and more than one."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

PROGRAM = """
import atexit, sys, threading, time
from fuseboard import *

def spin(clock=None):
    for _ in range(50):
        pass

def clock():
    spin()
    return time.monotonic_ns()

def listen(change):
    spin()

def fails(seen):
    spin()
    return False

breaker = CircuitBreaker(
    "x", listeners=[listen], failures=fails, is_failure=fails, clock=clock, minimum_requests=1000000
)
places = ConcurrencyLimit(100)

def raises():
    spin()
    raise OSError

DOES

def for_ever():
    while True:
        try:
            do()
        except (OSError, RejectedError):
            pass

held = breaker.acquire(), places.acquire()

@breaker
def items():
    yield 1

begun = items()
next(begun)

class Late:
    def __del__(self):
        breaker.call(len, "")
        breaker.reset()

sys.late = Late()
atexit.register(breaker.reset)
for _ in range(4):
    threading.Thread(target=for_ever, daemon=True).start()
time.sleep(0.05)
"""
WAYS = {
    "decorated": "do = Pipeline(breaker, places)(raises)",
    "sleeping": "do = breaker(lambda: time.sleep(0.001))",
    "call": "do = lambda: breaker.call(raises)",
    "permit": "do = lambda: breaker.acquire().failure()",
    "operated": "do = lambda: (breaker.disable(), breaker.reset())",
}


@pytest.mark.parametrize("way", WAYS)
def test_daemon_threads_end_nothing_else(way: str) -> None:
    def ends(_: int) -> subprocess.CompletedProcess[str]:
        program = PROGRAM.replace("DOES", WAYS[way])
        return subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        for ended in pool.map(ends, range(4)):
            assert (ended.returncode, ended.stderr) == (0, "")


SECOND = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import fuseboard
second = interpreters.create()
told = interpreters.run_string(second, '''
try:
    import fuseboard
except ImportError as error:
    print(error, flush=True)
''')
fuseboard.CircuitBreaker("still works").call(len, "")
"""


def test_a_second_interpreter_is_refused() -> None:
    """It would raise the first one's exceptions, which its own `except` does not know."""
    told = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    # With a lock of its own it is refused by Python itself.
    assert "subinterpreters" in told.stdout
