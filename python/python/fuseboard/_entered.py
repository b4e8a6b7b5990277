"""Which permit a `with breaker:` is about to give back.

One breaker is entered by many threads, tasks and generators at once, and `__exit__` is told only
the breaker. What tells one `with` block from all others is the frame that it stands in: the same
object on the way in and out, even where a generator moves between threads or contexts.
"""

from __future__ import annotations

import threading
from types import FrameType
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Entered(Generic[_T]):
    """The permits of the `with` blocks that are open at the moment."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[tuple[FrameType, int, _T]] = []

    def push(self, frame: FrameType, permit: _T) -> None:
        """A block has been entered."""
        entry = (frame, threading.get_ident(), permit)
        with self._lock:
            self._open.append(entry)

    def pop(self, frame: FrameType) -> _T | None:
        """The permit of the innermost block of this frame. An `ExitStack` leaves from another
        frame than it enters: then it is the last one that this thread entered.
        """
        thread = threading.get_ident()
        with self._lock:
            by_thread = None
            for index in range(len(self._open) - 1, -1, -1):
                entry = self._open[index]
                if entry[0] is frame:
                    return self._open.pop(index)[2]
                if by_thread is None and entry[1] == thread:
                    by_thread = index
            return None if by_thread is None else self._open.pop(by_thread)[2]
