"""Which exceptions count as failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ._errors import ConfigError, RejectedError

ExceptionTypes: TypeAlias = type[Exception] | tuple[type[Exception], ...]
ExceptionFilter: TypeAlias = ExceptionTypes | Callable[[Exception], bool]


def classifier(
    failures: ExceptionFilter, ignore: ExceptionFilter, *, field: str = "failures"
) -> Callable[[Exception], bool | None]:
    """`field` is the name of `failures` to whoever gave them. `True`: a failure. `False`: the callee answered, a success. `None`: counts as nothing."""
    is_failure = matcher(field, failures)
    is_ignored = matcher("ignore", ignore)

    def classify(exception: Exception) -> bool | None:
        # A rejection by a policy further in says nothing about the callee.
        if isinstance(exception, RejectedError) or is_ignored(exception):
            return None
        return bool(is_failure(exception))

    return classify


def matcher(field: str, given: ExceptionFilter) -> Callable[[Exception], bool]:
    """Whether an exception is one of those given."""
    if not isinstance(given, (type, tuple)):
        if callable(given):
            return given
        raise TypeError(
            f"{field} must be an exception type, a tuple of them, or a predicate, "
            f"not {type(given).__name__}"
        )
    types = given if isinstance(given, tuple) else (given,)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise TypeError(f"{field} must hold exception types, not {one!r}")
        # KeyboardInterrupt, CancelledError and their like stop a call; they say nothing of it.
        if not issubclass(one, Exception):
            raise ConfigError(
                field,
                f"{field} holds {one.__name__}; allowed: subclasses of Exception, "
                "any other exception is neutral",
            )
    return lambda exception: isinstance(exception, types)
