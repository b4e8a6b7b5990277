"""`Hedge`: a slow call is made a second time beside the first, and the faster one counts."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable
from typing import Any

from . import _threads
from ._durations import Duration, seconds
from ._errors import ConfigError
from ._native import RetryBudget
from ._policy import Policy
from ._runtime import under_asyncio


class Hedge(Policy):
    """Begins another attempt when the last has not ended after `delay`, and takes the first good
    answer. An attempt that fails does not decide: the others go on, and if there is none, the next is
    begun at once.

    Only for calls that are safe to make twice at once. Of an `async def` the attempts that lost are
    cancelled; of a plain function they run to their end on their threads, unheard.

    Args:
        delay: Set it near the 95th percentile of the latency; more than 0.
        max_attempts: Attempts in all, the first included; 2 to 100.
        budget: Where further attempts are taken from; share one among all callers of a dependency.

    Raises:
        ConfigError: A value is out of its range.
    """

    __slots__ = ("_budget", "_delay", "_max_attempts")

    def __init__(
        self, delay: Duration, *, max_attempts: int = 2, budget: RetryBudget | None = None
    ) -> None:
        self._delay = seconds("delay", delay)
        if self._delay == 0:
            raise ConfigError(
                "delay",
                "delay is 0; allowed: more than 0 seconds, with no delay every call would be made twice",
            )
        if not 2 <= max_attempts <= 100:
            raise ConfigError(
                "max_attempts", f"max_attempts is {max_attempts}; allowed: 2 to 100 attempts"
            )
        self._max_attempts = max_attempts
        self._budget = budget

    def _may_begin(self, begun: int) -> bool:
        if begun >= self._max_attempts:
            return False
        return self._budget is None or self._budget.withdraw()

    def _deposit(self) -> None:
        if self._budget is not None:
            self._budget.deposit()

    def _run(self, attempt: Callable[[], Any]) -> Any:
        ended: queue.SimpleQueue[_threads.Ended] = queue.SimpleQueue()
        self._deposit()
        _threads.start(attempt, ended, "hedge")
        begun, running, more = 1, 1, True
        while True:
            try:
                result, raised = ended.get(timeout=self._delay if more else None)
            except queue.Empty:
                raised = None
            else:
                if raised is None:
                    return result
                running -= 1
                if not isinstance(raised, Exception):
                    raise raised
            more = more and self._may_begin(begun)
            if more:
                _threads.start(attempt, ended, "hedge")
                begun, running = begun + 1, running + 1
            elif raised is not None and not running:
                raise raised

    async def _arun(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        self._deposit()
        if under_asyncio():
            return await self._with_asyncio(attempt)
        return await self._with_anyio(attempt)

    async def _with_asyncio(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        async def one() -> Any:
            return await attempt()

        running = {asyncio.ensure_future(one())}
        begun, more = 1, True
        try:
            while True:
                done, running = await asyncio.wait(
                    running,
                    timeout=self._delay if more else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                failure: BaseException | None = None
                for task in done:
                    failure = asyncio.CancelledError() if task.cancelled() else task.exception()
                    if failure is None:
                        return task.result()
                    if not isinstance(failure, Exception):
                        raise failure
                more = more and self._may_begin(begun)
                if more:
                    running.add(asyncio.ensure_future(one()))
                    begun += 1
                elif failure is not None and not running:
                    raise failure
        finally:
            for task in running:
                task.cancel()
            # Until they are gone: nothing of this call runs on behind the caller's back.
            await asyncio.gather(*running, return_exceptions=True)

    async def _with_anyio(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        import anyio

        send, receive = anyio.create_memory_object_stream[_threads.Ended](self._max_attempts)

        async def one() -> None:
            try:
                ended: _threads.Ended = (await attempt(), None)
            except Exception as error:
                ended = (None, error)
            send.send_nowait(ended)

        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(one)
                begun, running, more = 1, 1, True
                while True:
                    failure: BaseException | None = None
                    with anyio.move_on_after(self._delay if more else None):
                        result, failure = await receive.receive()
                        if failure is None:
                            break
                        running -= 1
                    more = more and self._may_begin(begun)
                    if more:
                        group.start_soon(one)
                        begun, running = begun + 1, running + 1
                    elif failure is not None and not running:
                        break
                group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return result

    def __repr__(self) -> str:
        return f"<Hedge after {self._delay:.9g} s>"
