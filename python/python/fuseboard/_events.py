"""What a breaker shows of itself: its state, its counts, and each change of state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class CircuitState(StrEnum):
    """What a breaker does at the moment."""

    CLOSED = "closed"
    """Calls pass and are counted."""
    OPEN = "open"
    """Calls are rejected until the open time is over and a probe is admitted."""
    HALF_OPEN = "half_open"
    """A few probes pass; they decide."""
    FORCED_OPEN = "forced_open"
    """Held open by an operator until `reset`."""
    DISABLED = "disabled"
    """Calls pass, nothing is counted, nothing is rejected, until `reset`."""
    METRICS_ONLY = "metrics_only"
    """Calls pass and are counted, nothing is rejected, until `reset`."""


class Cause(StrEnum):
    """Why the state changed."""

    FAILURE_RATE = "failure_rate"
    SLOW_CALL_RATE = "slow_call_rate"
    OPEN_TIMEOUT_ELAPSED = "open_timeout_elapsed"
    PROBES_SUCCEEDED = "probes_succeeded"
    PROBE_FAILED = "probe_failed"
    PROBE_LEASE_EXPIRED = "probe_lease_expired"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a window holds."""

    calls: int
    """Calls that ended in success or failure."""
    failures: int
    """Of these, failed."""
    slow: int
    """Of these, slower than `slow_call_duration`."""

    @property
    def failure_rate(self) -> float:
        """Failed share, 0 to 1; 0 where nothing was counted."""
        return self.failures / self.calls if self.calls else 0.0

    @property
    def slow_call_rate(self) -> float:
        """Slow share, 0 to 1; 0 where nothing was counted."""
        return self.slow / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the breaker was made."""

    calls: int
    """Calls that ended in success or failure."""
    failures: int
    """Of these, failed."""
    slow: int
    """Of these, slower than `slow_call_duration`."""
    rejected: int
    """Calls that were not admitted."""
    ignored: int
    """Calls that were admitted and left no outcome."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at a breaker."""

    state: CircuitState
    generation: int
    """Counts the changes of state (28 bits, then again from 0)."""
    in_flight: int
    """Probes that have not reported yet."""
    since: int
    """When the state began, in nanoseconds of the breaker's clock."""
    retry_after: float | None
    """Seconds until a probe can be admitted, where that is known."""
    overdue: int
    """Calls in flight for longer than `slow_call_duration`; 0 unless `count_overdue` is on."""
    window: Counts
    """What is judged at the moment."""
    totals: Totals
    """Everything so far."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, as listeners are told of it, once it is true."""

    name: str
    """The breaker's name."""
    from_state: CircuitState
    to_state: CircuitState
    generation: int
    """The generation that began with it."""
    at: int
    """When, in nanoseconds of the breaker's clock."""
    cause: Cause
    counts: Counts
    """What was judged: the window for a trip, the round's probes for a decision in half-open."""


class TransitionCursor(NamedTuple):
    """How far somebody has read a board's changes. A plain value: keep it for the next time."""

    next: int
    gaps: int


@dataclass(frozen=True, slots=True)
class BoardTransition:
    """A change of state that a process of a board caused."""

    process: int
    """Its process id, in its own namespace of ids."""
    transition: Transition


@dataclass(frozen=True, slots=True)
class BoardTransitions:
    """What has changed on a board since somebody last asked."""

    transitions: tuple[BoardTransition, ...]
    """Oldest first. One that was just being told comes with the next call, perhaps after newer ones."""
    lost: int
    """How many more there were: overwritten before they were read, or never finished because their
    process was stopped or killed.
    """
    cursor: TransitionCursor
    """For the next time."""


@dataclass(frozen=True, slots=True)
class AttachedProcess:
    """A process that is attached to a board, or that died without leaving."""

    owner: int
    """Its number on the board."""
    process: int
    """Its process id, in its own namespace of ids."""
    is_alive: bool
    """What a dead one held is given back when somebody finds a limit full."""


def transition(
    name: str,
    from_state: str,
    to_state: str,
    generation: int,
    at: int,
    cause: str,
    counts: tuple[int, int, int],
) -> Transition:
    """Makes a `Transition` of the native module's plain values."""
    return Transition(
        name,
        CircuitState(from_state),
        CircuitState(to_state),
        generation,
        at,
        Cause(cause),
        Counts(*counts),
    )
