"""What a type checker sees. This file is run, and checked with `mypy --strict`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import assert_type

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitState,
    ConcurrencyLimit,
    ConcurrencyPermit,
    Permit,
    TokenBucketRateLimiter,
)

ALLOWLIST = Path(__file__).parents[1] / "stubtest-allowlist.txt"


def test_decorators_keep_the_signature() -> None:
    breaker = CircuitBreaker("typed")
    limiter = TokenBucketRateLimiter(10)
    places = ConcurrencyLimit(10)

    @breaker
    def area(width: int, *, height: float) -> float:
        return width * height

    @limiter
    @places
    @breaker
    async def fetch(url: str) -> bytes:
        return url.encode()

    assert_type(area(2, height=1.5), float)
    assert_type(breaker.call(area, 2, height=1.5), float)
    assert_type(asyncio.run(fetch("a")), bytes)
    assert_type(breaker.try_acquire(), Permit | None)
    assert_type(places.try_acquire(), ConcurrencyPermit | None)
    assert_type(breaker.state, CircuitState)
    with breaker as permit:
        assert_type(permit, Permit)

    with pytest.raises(TypeError):
        area("2")  # type: ignore[call-arg, arg-type]
    with pytest.raises(TypeError):
        breaker.call(area, 2, depth=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--strict", "--package", "fuseboard"],
        ["mypy", "--strict", str(Path(__file__).parent)],
        ["mypy.stubtest", "fuseboard._native", "--allowlist", str(ALLOWLIST)],
    ],
    ids=["package", "tests", "stubtest"],
)
def test_checkers_agree(
    command: list[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        # What one has checked the next need not.
        env={**os.environ, "MYPY_CACHE_DIR": str(tmp_path_factory.getbasetemp() / "mypy")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


