"""Waiting: on a thread, under asyncio, or under trio by way of anyio.

A policy that was given a `ManualClock` does not wait: it moves the clock on, so that tests take no time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeAlias

from ._errors import ConfigError
from ._native import ManualClock

Clock: TypeAlias = Callable[[], int] | None


def system_clock(clock: Clock) -> None:
    """Refuses a clock for what is on a board: its times are compared between processes."""
    if clock is not None:
        raise ConfigError("clock", "clock is given together with board; allowed: one of them")


def now(clock: Clock) -> float:
    """Seconds of the clock; only differences mean anything."""
    return time.monotonic() if clock is None else clock() / 1e9


def pause(seconds: float, clock: Clock) -> None:
    """Puts the thread to sleep."""
    if isinstance(clock, ManualClock):
        clock.advance(seconds)
    elif seconds > 0:
        time.sleep(seconds)


async def apause(seconds: float, clock: Clock) -> None:
    """Lets other tasks run meanwhile."""
    if isinstance(clock, ManualClock):
        clock.advance(seconds)
        seconds = 0
    if seconds < 0:
        seconds = 0
    if under_asyncio():
        await asyncio.sleep(seconds)
    else:
        import anyio

        await anyio.sleep(seconds)


def under_asyncio() -> bool:
    """Whether asyncio runs this code; otherwise anyio is asked, which knows trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
