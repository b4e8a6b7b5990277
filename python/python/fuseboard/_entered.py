"""Which permit a `with breaker:` is about to give back.

One breaker is entered by many threads, tasks and generators at once, and `__exit__` is told only
the breaker. What tells one `with` block from all others is the frame that it stands in: the same
object on the way in and out, even where a generator moves between threads or contexts.
"""

from __future__ import annotations

from threading import get_ident
from types import FrameType
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Entered(Generic[_T]):
    """The permits of the `with` blocks that are open at the moment.

    It needs no lock: a frame is run by one thread at a time, and the dictionary itself is safe.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[FrameType, tuple[int, list[_T]]] = {}

    def push(self, frame: FrameType, permit: _T) -> None:
        """A block has been entered."""
        entry = self._open.get(frame)
        if entry is None:
            self._open[frame] = (get_ident(), [permit])
        else:
            entry[1].append(permit)

    def pop(self, frame: FrameType) -> _T | None:
        """The permit of the innermost block of this frame. An `ExitStack` leaves from another
        frame than it enters: then it is the last one that this thread entered.
        """
        entry = self._open.get(frame)
        if entry is None:
            thread = get_ident()
            for other, candidate in reversed(list(self._open.items())):
                if candidate[0] == thread:
                    frame, entry = other, candidate
                    break
            else:
                return None
        permit = entry[1].pop()
        if not entry[1]:
            del self._open[frame]
        return permit
