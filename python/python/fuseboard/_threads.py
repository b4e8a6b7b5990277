"""Calls on threads of their own, for those who do not want to wait for them to the end."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

Ended = tuple[Any, BaseException | None]
"""What a call returned, and what it raised."""


def start(
    attempt: Callable[[], Any],
    ended: queue.SimpleQueue[Ended],
    name: str,
    last: Callable[[], object] = lambda: None,
) -> None:
    """Begins `attempt` on a daemon thread, with a copy of the caller's context variables; `last` is
    called when it is over.
    """

    def run() -> None:
        result, raised = None, None
        try:
            result = attempt()
        except BaseException as error:
            raised = error
        last()
        ended.put((result, raised))

    threading.Thread(
        target=contextvars.copy_context().run, args=(run,), name=name, daemon=True
    ).start()
