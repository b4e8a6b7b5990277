"""Durations as users give them."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from ._errors import ConfigError

Duration: TypeAlias = float | timedelta
"""Seconds as an int or float, or a `datetime.timedelta`."""


def as_seconds(value: Duration) -> float:
    """Seconds, of what the native module has checked."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def seconds(field: str, value: Duration) -> float:
    """Seconds, of what is no business of the native module."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{field} must be seconds as an int or float, or a datetime.timedelta, "
            f"not {type(value).__name__}"
        )
    # The longest that a thread may be put to sleep for.
    if not 0 <= value <= 4294967:
        raise ConfigError(field, f"{field} is {value}; allowed: 0 to 4294967 seconds (49 days)")
    return float(value)
