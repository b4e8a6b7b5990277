"""For gunicorn and other pre-fork servers: a board that all workers of one server share.

In `gunicorn.conf.py`: `from fuseboard.gunicorn import on_exit, on_starting`; in the application:
`board = fuseboard.gunicorn.board()`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ._board import Board

__all__ = ["board", "on_exit", "on_starting"]

VARIABLE = "FUSEBOARD_BOARD"
"""Names the board's path to the workers."""


def on_starting(server: Any) -> None:
    """A server hook: chooses the path of a new board. One that the environment names already is used."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = f"/dev/shm/fuseboard-gunicorn-{os.getuid()}-{os.getpid()}"


def on_exit(server: Any) -> None:
    """A server hook: removes the board that `on_starting` chose."""
    path = os.environ.get(VARIABLE, "")
    if path.endswith(f"-{os.getuid()}-{os.getpid()}"):
        Path(path).unlink(missing_ok=True)


def board() -> Board:
    """The workers' board; without the hook, one of this process alone."""
    path = os.environ.get(VARIABLE)
    return Board.private() if path is None else Board.open_or_private(path)
