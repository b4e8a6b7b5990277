"""The compiled part. `Permit`, `ConcurrencyPermit`, `CoDel`, `Reservation`, `RetryBudget`, `ManualClock`, `TokenLease` and
`Window` are public."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias, final

from ._events import CircuitState

__all__ = [
    "CAUSES",
    "REASONS",
    "STATES",
    "Adaptive",
    "AdaptivePermit",
    "Admission",
    "AdmissionPermit",
    "Board",
    "Breaker",
    "CoDel",
    "Concurrency",
    "ConcurrencyPermit",
    "Guarded",
    "Keyed",
    "Latency",
    "LoadShedding",
    "ManualClock",
    "Permit",
    "PrioritizedLimit",
    "RateLimiter",
    "RedisConcurrency",
    "RedisEngine",
    "RedisHints",
    "RedisPlace",
    "RedisRateLimiter",
    "RedisRequest",
    "Reservation",
    "RetryBudget",
    "Shadow",
    "ShadowPermit",
    "Throttle",
    "TokenLease",
    "Window",
    "call",
    "guarded",
]

STATES: Final[tuple[str, ...]]
CAUSES: Final[tuple[str, ...]]
REASONS: Final[tuple[str, ...]]

@final
class Permit:
    """The right to make one call, settled exactly once.

    Each way of settling returns true when it changed something, and false when the permit was
    settled before or its generation is over. One that is never settled is cancelled.
    """

    def success(self) -> bool:
        """The call succeeded."""

    def failure(self, *, weight: int | None = None) -> bool:
        """The call failed; it counts as `weight` failed calls, by default one."""

    def ignore(self) -> bool:
        """The call ended and counts as nothing."""

    def cancel(self) -> bool:
        """The call did not take place, or was stopped."""

    def returned(self, result: object, /) -> bool:
        """The call returned `result`; the breaker's `is_failure` judges it."""

    def raised(self, exception: BaseException, /) -> bool:
        """The call raised; the breaker's `failures` and `ignore` judge the exception."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]: ...

@final
class Adaptive:
    def __new__(
        cls,
        name: str,
        algorithm: str,
        given: Mapping[str, object],
        clock: Callable[[], int] | None,
    ) -> Self: ...
    def acquire(self) -> AdaptivePermit: ...
    def start(self) -> AdaptivePermit: ...
    @staticmethod
    def returned(held: AdaptivePermit, _result: object) -> bool: ...
    @staticmethod
    def raised(held: AdaptivePermit, exception: BaseException) -> bool: ...
    def limit(self) -> int: ...
    def in_flight(self) -> int: ...
    def baseline(self) -> float | None: ...
    def configure(self, algorithm: str, given: Mapping[str, object]) -> None: ...

@final
class AdaptivePermit:
    """One place of an `AdaptiveLimit`, settled exactly once. One that is never settled is ignored."""

    def success(self) -> bool:
        """The call succeeded; how long it took is a sample."""

    def failure(self) -> bool:
        """The call was dropped by the callee, or timed out: the limit goes down."""

    def ignore(self) -> bool:
        """The call says nothing about the callee's load."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]: ...

@final
class ConcurrencyPermit:
    """One place of a `ConcurrencyLimit`. One that is never released gives itself back."""

    def release(self) -> bool:
        """Gives the place back; false when that was done before."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]: ...

@final
class Latency:
    """How long calls took, as of one moment."""

    @property
    def count(self) -> int:
        """Calls."""

    @property
    def sum(self) -> float:
        """Seconds of all calls together, at most 4.6 % off."""

    def quantile(self, share: float, /) -> float | None:
        """Seconds within which this share of the calls ended, at most 9.1 % too long; `None` where there
        was none.
        """

@final
class ManualClock:
    """A clock for tests: it stands still until it is told otherwise."""

    def __new__(cls, now_ns: int | None = None) -> Self: ...
    def advance(self, duration: float | timedelta) -> None:
        """Moves on by seconds, or by a `timedelta`."""

    def set_ns(self, now_ns: int) -> None:
        """Sets the time in nanoseconds; it may go back."""

    def __call__(self) -> int:
        """The time in nanoseconds."""

@final
class Window:
    """The span of calls that a breaker judges."""

    @staticmethod
    def time(length: float | timedelta, *, slots: int | None = None) -> Window:
        """The last `length` in `slots` pieces, 1 to 63, by default 10. A call counts in the piece
        in which it ends, and is forgotten with it.
        """

    @staticmethod
    def count(calls: int) -> Window:
        """The last so many calls, exactly; 1 to 1512."""

    @staticmethod
    def consecutive(failures: int) -> Window:
        """Trips after so many failures (or slow calls) in a row; the thresholds and
        `minimum_requests` do not apply.
        """

    @staticmethod
    def decay(half_life: float | timedelta) -> Window:
        """All calls, an old one weighing half as much as one that is `half_life` younger."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Board:
    @staticmethod
    def open(path: str, on_disk: bool) -> Board: ...
    @staticmethod
    def anonymous() -> Board: ...
    @staticmethod
    def private() -> Board: ...
    def is_shared(self) -> bool: ...
    def transitions_since(
        self, cursor: tuple[int, int] | None
    ) -> tuple[
        list[tuple[int, tuple[str, str, str, int, int, str, tuple[int, int, int]]]],
        int,
        list[int],
    ]: ...
    def transitions_end(self) -> list[int]: ...
    def attached(self) -> list[tuple[int, int, bool]]: ...
    def breaker(
        self,
        name: str,
        settings: Mapping[str, object],
        when_different: str,
        classify: Callable[[Exception], bool | None],
        is_failure: Callable[[object], bool] | None,
        listeners: Sequence[Callable[..., object]],
        event: Callable[..., object],
    ) -> Breaker: ...
    def token_bucket(
        self, name: str, rate: int, per: float | timedelta, burst: int, when_different: str
    ) -> RateLimiter: ...
    def concurrency_limit(self, name: str, limit: int, when_different: str) -> Concurrency: ...

@final
class Breaker:
    def __new__(
        cls,
        name: str,
        settings: Mapping[str, object],
        classify: Callable[[Exception], bool | None],
        is_failure: Callable[[object], bool] | None,
        listeners: Sequence[Callable[..., object]],
        event: Callable[..., object],
        clock: Callable[[], int] | None,
        saved: tuple[bytes, float | timedelta] | None,
    ) -> Self: ...
    def acquire(self) -> Permit: ...
    def try_acquire(self) -> Permit | None: ...
    def start(self) -> object: ...
    def returned(self, held: object, result: object) -> bool: ...
    def raised(self, held: object, exception: BaseException) -> bool: ...
    def state(self) -> CircuitState: ...
    def snapshot(
        self,
    ) -> tuple[
        CircuitState,
        int,
        int,
        int,
        float | None,
        int,
        tuple[int, int, int],
        tuple[int, int, int, int, int],
    ]: ...
    def check(self) -> None: ...
    def save(self) -> bytes: ...
    def latency(self) -> Latency | None: ...
    def force_open(self, duration: float | timedelta | None = None) -> None: ...
    def disable(self) -> None: ...
    def metrics_only(self) -> None: ...
    def reset(self) -> None: ...
    def configure(self, settings: Mapping[str, object]) -> None: ...

@final
class RateLimiter:
    @staticmethod
    def token_bucket(
        name: str,
        rate: int,
        per: float | timedelta,
        burst: int,
        clock: Callable[[], int] | None,
        warm_up: float | timedelta | None,
        cold_factor: int | None,
    ) -> RateLimiter: ...
    @staticmethod
    def leaky_bucket(
        name: str,
        rate: int,
        per: float | timedelta,
        queue: int,
        clock: Callable[[], int] | None,
    ) -> RateLimiter: ...
    @staticmethod
    def sliding_window(
        name: str,
        limit: int,
        window: float | timedelta,
        clock: Callable[[], int] | None,
    ) -> RateLimiter: ...
    @staticmethod
    def sliding_counter(
        name: str,
        limit: int,
        window: float | timedelta,
        clock: Callable[[], int] | None,
    ) -> RateLimiter: ...
    @staticmethod
    def fixed_window(
        name: str,
        limit: int,
        window: float | timedelta,
        clock: Callable[[], int] | None,
    ) -> RateLimiter: ...
    def try_acquire(self, cost: int | None = None) -> bool: ...
    def admit(self, cost: int | None = None) -> None: ...
    def start(self) -> None: ...
    @staticmethod
    def returned(_held: object, _result: object) -> None: ...
    @staticmethod
    def raised(_held: object, _exception: BaseException) -> None: ...
    def reserve(self, cost: int, max_wait: float | timedelta | None) -> Reservation: ...
    def lease(self, batch: int, lifetime: float | timedelta) -> TokenLease: ...
    def acquire_up_to(self, max: int) -> int: ...
    def drain(self) -> None: ...
    def refund(self, cost: int) -> None: ...
    def available(self) -> int: ...
    def configure(self, rate: int, per: float | timedelta, units: int) -> None: ...
    def set_limit(self, limit: int) -> None: ...
    def reset(self) -> None: ...

@final
class Reservation:
    """Units that are the caller's from now on, to be used after `wait` seconds. Forgotten, they stay
    taken.
    """

    @property
    def wait(self) -> float:
        """Seconds after the reservation until its turn; 0 is now."""

    def cancel(self) -> bool:
        """Gives the units back, as far as nobody behind relies on them; false when that was done
        before.
        """

@final
class TokenLease:
    """Units of a bucket in the hand of one thread, taken some at a time, so that it does not touch what all threads
    write. The bucket counts them as admitted when they are taken: no more passes than burst and rate allow.

    `with bucket.lease(100, 0.01) as lease:` gives back at its end what is left. Forgotten, it does so too, unless the
    clock is a callable of yours.
    """

    def try_acquire(self, cost: int | None = None) -> bool:
        """True when the request is admitted, from the lease as far as it has units. It never waits."""

    def admit(self, cost: int | None = None) -> None:
        """The same by an exception, which says when to come back.

        Raises:
            RateLimitedError: Not now, or never with this cost.
        """

    @property
    def left(self) -> int:
        """Units taken and not yet spent."""

    def give_back(self) -> None:
        """Gives back what is left, less what has flowed in again since it was taken: others may have used that."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]: ...

@final
class Keyed:
    def __new__(
        cls,
        name: str,
        rate: int,
        per: float | timedelta,
        burst: int,
        capacity: int,
        when_full: str,
        clock: Callable[[], int] | None,
    ) -> Self: ...
    def try_acquire(self, key: str | bytes | int, cost: int | None = None) -> bool: ...
    def admit(self, key: str | bytes | int, cost: int | None = None) -> None: ...
    def refund(self, key: str | bytes | int, cost: int) -> None: ...
    def available(self, key: str | bytes | int) -> int: ...
    def live(self) -> int: ...
    def capacity(self) -> int: ...
    def overflows(self) -> int: ...
    def configure(self, rate: int, per: float | timedelta, burst: int) -> None: ...
    def reset(self) -> None: ...

@final
class RetryBudget:
    """Retries as a share of the calls, so that they cannot multiply an outage. Share one among all
    callers of a dependency.

    By default Finagle's: a fifth of the calls, and ten a second for clients with few of them; both are
    forgotten after 10 s.
    """

    def __new__(
        cls,
        ratio: float | None = None,
        minimum_per_second: int | None = None,
        ttl: float | timedelta | None = None,
        *,
        clock: Callable[[], int] | None = None,
    ) -> Self: ...
    def deposit(self) -> None:
        """A call was made; not a retry."""

    def withdraw(self) -> bool:
        """Asks for one retry: true when the budget has it."""

    def available(self) -> int:
        """Retries that would be admitted now."""

@final
class Concurrency:
    def __new__(cls, name: str, limit: int) -> Self: ...
    def acquire(self) -> ConcurrencyPermit: ...
    def try_acquire(self) -> ConcurrencyPermit | None: ...
    def start(self) -> ConcurrencyPermit: ...
    @staticmethod
    def returned(held: ConcurrencyPermit, _result: object) -> bool: ...
    @staticmethod
    def raised(held: ConcurrencyPermit, _exception: BaseException) -> bool: ...
    def enter(self) -> None: ...
    def leave(self) -> bool: ...
    def in_flight(self) -> int: ...
    def limit(self) -> int: ...
    def configure(self, limit: int) -> None: ...

@final
class LoadShedding:
    def __new__(cls, limit: Concurrency | Adaptive, sheds_from: float) -> Self: ...
    def at(self, given: int) -> PrioritizedLimit: ...
    def acquire(self, given: int) -> ConcurrencyPermit | AdaptivePermit: ...
    def places(self, given: int) -> int: ...

@final
class PrioritizedLimit:
    def start(self) -> ConcurrencyPermit | AdaptivePermit: ...
    @staticmethod
    def returned(held: ConcurrencyPermit | AdaptivePermit, result: object) -> bool: ...
    @staticmethod
    def raised(held: ConcurrencyPermit | AdaptivePermit, exception: BaseException) -> bool: ...

@final
class CoDel:
    """Controlled delay (RFC 8289) for a queue of the caller's: entries that waited too long for too long are shed.

    A queue that drains within each `interval` is a good one, however long it gets meanwhile. When every entry taken
    out has waited `target` or longer for a whole `interval`, the queue stands: from then on entries are shed, one at first, then
    again after `interval / sqrt(n)`, until one is met that waited less.

    Args:
        target: The wait that is no fault; by default 5 ms. At most `interval`.
        interval: How long a queue may stand; by default 100 ms.
        clock: A `ManualClock`, or a callable that returns nanoseconds; by default monotonic time.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: A value has the wrong type.
    """

    def __new__(
        cls,
        target: float | timedelta | None = None,
        interval: float | timedelta | None = None,
        *,
        clock: Callable[[], int] | None = None,
    ) -> Self: ...
    def stamp(self) -> int:
        """The clock's time in nanoseconds, to be kept beside an entry that is put in."""

    def is_served(self, enqueued: int) -> bool:
        """Whether an entry that was put in at `enqueued`, its stamp, and is taken out now is to be served; if not, shed it and
        take out the next. Ask once for each entry.
        """

    @property
    def is_shedding(self) -> bool:
        """Whether it sheds at the moment."""

    def configure(self, target: float | timedelta, interval: float | timedelta) -> None:
        """Takes both over; what was shedding begins again with the next entry that waited too long.

        Raises:
            ConfigError: A value is out of its range; nothing has changed.
        """

@final
class Shadow:
    def __new__(cls, policy: _Part) -> Self: ...
    def start(self) -> ShadowPermit: ...
    def returned(self, held: ShadowPermit, result: object) -> None: ...
    def raised(self, held: ShadowPermit, exception: BaseException) -> None: ...
    def would_reject(self, reason: str) -> int: ...

@final
class ShadowPermit: ...

@final
class Throttle:
    def __new__(
        cls,
        name: str,
        given: Mapping[str, object],
        classify: Callable[[Exception], bool | None],
        refused_result: Callable[[Any], bool] | None,
        clock: Callable[[], int] | None,
    ) -> Self: ...
    def try_acquire(self) -> bool: ...
    def start(self) -> None: ...
    def returned(self, _held: object, result: object) -> None: ...
    def raised(self, _held: object, exception: BaseException) -> None: ...
    def accepted(self) -> None: ...
    def refused(self) -> None: ...
    def counts(self) -> tuple[int, int]: ...
    def rejection_share(self) -> float: ...
    def configure(self, given: Mapping[str, object]) -> None: ...

@final
class RedisEngine:
    def __new__(cls, urls: list[str], deadline: float | timedelta) -> Self: ...
    def state(self) -> CircuitState: ...

_Span: TypeAlias = float | timedelta
_RedisOptions: TypeAlias = tuple[str, str, float | None, tuple[int, _Span, _Span] | None, int]
_Decided: TypeAlias = tuple[
    bool, int, int | None, float | None, float, str, str | None, bool
]

@final
class RedisRateLimiter:
    @staticmethod
    def token_bucket(
        engine: RedisEngine, rate: int, per: _Span, burst: int, given: _RedisOptions
    ) -> RedisRateLimiter: ...
    @staticmethod
    def windowed(
        engine: RedisEngine, kind: str, limit: int, window: _Span, given: _RedisOptions
    ) -> RedisRateLimiter: ...
    def check(self, key: str, cost: int) -> _Decided: ...
    def begin(
        self, key: str, cost: int, told: Callable[[_Decided], object]
    ) -> _Decided | RedisRequest: ...
    def refund(self, key: str, cost: int) -> bool: ...
    def close(self) -> None: ...

_Taken: TypeAlias = tuple[RedisPlace | None, str | None]

@final
class RedisConcurrency:
    def __new__(cls, engine: RedisEngine, limit: int, lease: _Span) -> Self: ...
    def take(self, key: str) -> _Taken: ...
    def begin(self, key: str, told: Callable[[_Taken], object]) -> _Taken | RedisRequest: ...
    def available(self, key: str) -> tuple[int | None, str | None]: ...

@final
class RedisHints:
    def __new__(
        cls,
        engine: RedisEngine,
        breaker: Breaker,
        settings: Mapping[str, object],
        minimum_requests: int,
        counts_for: _Span,
        ask_every: _Span,
    ) -> Self: ...
    def others(self) -> tuple[int | None, str | None]: ...
    def close(self) -> None: ...

@final
class RedisPlace:
    def give_back(self) -> bool: ...
    def let_go(self) -> bool: ...
    def begin(self, told: Callable[[bool], object]) -> bool | RedisRequest: ...

@final
class RedisRequest:
    def cancel(self) -> None: ...

_Part: TypeAlias = (
    Breaker | RateLimiter | Concurrency | Adaptive | PrioritizedLimit | Throttle | Shadow
)

@final
class Admission:
    def __new__(cls, policies: tuple[_Part, ...]) -> Self: ...
    def start(self) -> AdmissionPermit: ...
    def returned(self, held: AdmissionPermit, result: object) -> None: ...
    def raised(self, held: AdmissionPermit, exception: BaseException) -> None: ...

@final
class AdmissionPermit: ...

@final
class Guarded:
    """A plain function behind a policy, called without a Python frame in between."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, instance: object, owner: type | None = None, /) -> Any: ...

def guarded(function: Callable[..., Any], policy: object) -> Guarded:
    """`function`, each call of which first asks `policy`."""

def call(
    gate: object,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    names: dict[str, Any],
) -> Any:
    """One call of `function` through `gate`."""
