"""What the native module does not look at: wrong types, told with the argument's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from ._errors import ConfigError

_T = TypeVar("_T")


def text(field: str, value: str) -> str:
    """A `str`."""
    return instance(field, value, str, "a str")


def instance(field: str, value: _T, kind: type, wanted: str) -> _T:
    """An instance of `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"{field} must be {wanted}, not {type(value).__name__}")
    return value


def function(field: str, value: object) -> None:
    """Something to call."""
    if not callable(value):
        raise TypeError(f"{field} must be callable, not {type(value).__name__}")


def functions(field: str, values: Iterable[_T]) -> tuple[_T, ...]:
    """Things to call."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{field} must be an iterable of callables, not {type(values).__name__}")
    found = tuple(values)
    for each in found:
        function(field, each)
    return found


def integer(field: str, value: int, least: int, most: int, unit: str) -> int:
    """A whole number in a range; `bool` is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ConfigError(field, f"{field} is {value}; allowed: {least} to {most} {unit}")
    return value


def number(field: str, value: float, least: float, most: float) -> float:
    """A number in a range; `bool` is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{field} must be an int or float, not {type(value).__name__}")
    if not least <= value <= most:
        raise ConfigError(field, f"{field} is {value}; allowed: {least:g} to {most:g}")
    return value


def only_shared(this: Any) -> NoReturn:
    """Refuses to copy or pickle what counts what happens in this process."""
    raise TypeError(
        f"a {type(this).__name__} cannot be copied or pickled, for it would count on its own: share the object, or "
        "between processes what is on a Board"
    )
