"""Every Python block of the documentation runs, in order, each page as one program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = [
    page
    for page in (
        Path(__file__).parents[1] / "README.md",
        Path(__file__).parents[2] / "docs" / "python.md",
    )
    # The source distribution carries the README only.
    if page.exists()
]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        source = "\n" * line + block[1]
        exec(compile(source, str(page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_short(page: Path) -> None:
    """A use that takes more than ten lines is not one that people copy."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        assert len(block[1].splitlines()) <= 10, block[1]
