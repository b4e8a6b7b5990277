"""The exceptions: one for each kind of refusal, all of them `FuseboardError`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING


class Reason(StrEnum):
    """Why a request was not admitted."""

    OPEN = "open"
    HALF_OPEN_FULL = "half_open_full"
    FORCED_OPEN = "forced_open"
    RAMPING = "ramping"
    LIMITED = "limited"
    FULL = "full"
    NEVER = "never"


class FuseboardError(Exception):
    """The base of every exception of this package."""


class ConfigError(FuseboardError, ValueError):
    """A setting has a value that can never work. A wrong type is a `TypeError` instead."""

    field: str
    """The setting's name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field

    def __str__(self) -> str:
        return str(self.args[1])


class BoardError(FuseboardError):
    """A board, or a name on it, cannot be used; the message says why and what to do."""


class RejectedError(FuseboardError):
    """ "Not now": the call was not made. A rejection is never counted as a failure, not even by
    another breaker around it.
    """

    _what = "rejected"

    # No `__init__` of its own, and nothing is worked out before somebody looks: raising has to be cheap.
    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            reason: str,
            retry_after: float | None,
            _retry_after_ns: int | None = None,
            /,
        ) -> None: ...

    @property
    def name(self) -> str:
        """The name that the breaker or limiter was given."""
        return str(self.args[0])

    @property
    def reason(self) -> Reason:
        """Why."""
        return _REASONS[self.args[1]]

    @property
    def retry_after(self) -> float | None:
        """Seconds until another try can be admitted, if nobody else takes the place; `None` where
        nobody can know: until an operator acts, until another call ends, or never.
        """
        span: float | None = self.args[2]
        return span

    @property
    def retry_after_ns(self) -> int | None:
        """`retry_after` in nanoseconds, exactly, where a float of seconds is rounded (after 104 days)."""
        if len(self.args) > 3:
            exact: int | None = self.args[3]
            return exact
        return None if self.retry_after is None else round(self.retry_after * 1e9)

    def __str__(self) -> str:
        what = f"{self._what} {self.name!r}" if self.name else self._what
        text = f"{what}: {_TEXT[self.reason]}"
        if self.retry_after is None:
            return text
        return f"{text}; retry after {self.retry_after:.9g} s"


class CircuitOpenError(RejectedError):
    """The circuit breaker lets no call through, or no more probes."""

    _what = "circuit breaker"


class RateLimitedError(RejectedError):
    """The rate limit is used up for now, or the cost is more than it can ever admit."""

    _what = "rate limiter"


class ConcurrencyLimitError(RejectedError):
    """As many calls as allowed are in flight."""

    _what = "concurrency limit"


class ThrottledError(RejectedError):
    """The backend refuses so many calls that this one was not made: to HTTP that is 503, not 429."""

    _what = "client throttle"

    def __str__(self) -> str:
        what = f"{self._what} {self.name!r}" if self.name else self._what
        return f"{what}: the backend refuses too many calls, so this one was not made"


class CallTimeoutError(FuseboardError, TimeoutError):
    """The call took longer than its `Timeout`. To a breaker around it that is a failure."""

    name: str
    """The name that the timeout was given."""
    limit: float
    """Seconds that it had."""

    def __init__(self, name: str, limit: float) -> None:
        super().__init__(name, limit)
        self.name = name
        self.limit = limit

    def __str__(self) -> str:
        what = f"timeout {self.name!r}" if self.name else "timeout"
        return f"{what}: the call took longer than {self.limit:.9g} s"


_REASONS: dict[str, Reason] = {reason.value: reason for reason in Reason}
_TEXT = {
    Reason.OPEN: "open",
    Reason.HALF_OPEN_FULL: "half-open and all probe places are taken",
    Reason.FORCED_OPEN: "forced open",
    Reason.RAMPING: "just closed and admits only a share",
    Reason.LIMITED: "used up",
    Reason.FULL: "reached",
    Reason.NEVER: "the cost is more than it can ever admit",
}
