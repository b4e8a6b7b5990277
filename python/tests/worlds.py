"""The same call on a thread, under asyncio, and under trio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest


class World:
    """Calls a policy in one of the three ways."""

    def __init__(self, name: str) -> None:
        self.name = name

    def guard(self, policy: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` behind `policy`, as a plain function to call."""
        if self.name == "thread":
            guarded: Callable[..., Any] = policy(function)
            return guarded

        async def async_function(*args: Any, **kwargs: Any) -> Any:
            await anyio.sleep(0)
            return function(*args, **kwargs)

        guarded = policy(async_function)

        def run(*args: Any, **kwargs: Any) -> Any:
            async def main() -> Any:
                return await guarded(*args, **kwargs)

            return anyio.run(main, backend=self.name)

        return run


@pytest.fixture(params=["thread", "asyncio", "trio"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)
