"""How a `Window` is pickled: by the call that makes it."""

from __future__ import annotations

from ._native import Window


def remade(kind: str, size: float, slots: int) -> Window:
    """The window of this kind."""
    match kind:
        case "time":
            return Window.time(size, slots=slots)
        case "decay":
            return Window.decay(size)
        case "count":
            return Window.count(int(size))
        case _:
            return Window.consecutive(int(size))
