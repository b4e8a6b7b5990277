"""Measures circuit breakers and limiters of Python, ours among them.

Each row is one line of three fields with tabs between: library, operation, nanoseconds a call (or bytes, where the
operation says so). `cargo xtask peers python` makes a table of them. Python has no atomic addition: `next` of a counter is
the cheapest operation that threads may share. The loop's own time is taken off, that of the guarded function is not.
"""

import asyncio
import gc
import itertools
import timeit
import tracemalloc
from datetime import timedelta

import aiobreaker
import aiolimiter
import circuitbreaker
import limits
import limits.storage
import limits.strategies
import pybreaker
import pyrate_limiter

import fuseboard

ROUNDS = 7  # each row is the least of so many: what disturbs one makes it longer
MANY = 1000  # breakers of which one's bytes are told
NEVER = 3_600_000  # seconds
CLOSED, REJECTION, STATE = "closed call", "rejection", "state read"
ASYNC, ALLOW, DENY = "closed call, async", "limiter, allow", "limiter, deny"


def emit(library, operation, value):
    print(library, operation, f"{value:.1f}", sep="\t", flush=True)


def least(timer):
    """The least time of one run of the timer's statement, in nanoseconds."""
    times, _ = timer.autorange()
    times = max(times // 4, 1)
    return min(timer.repeat(ROUNDS, times)) / times * 1e9


LOOP = least(timeit.Timer("pass"))


def row(library, operation, statement, **names):
    emit(library, operation, least(timeit.Timer(statement, globals=names)) - LOOP)


def async_row(library, operation, function):
    """Awaits it in a running loop; awaiting what is ready gives nothing to the loop."""

    async def run(times):
        clock = timeit.default_timer
        begin = clock()
        for _ in range(times):
            await function()
        return (clock() - begin) / times * 1e9

    async def rounds():
        await run(1000)
        return min([await run(5000) for _ in range(ROUNDS)])

    emit(library, operation, asyncio.run(rounds()))


def rejected(call, error):
    """What a caller writes: the rejection is an exception."""

    def handled():
        try:
            return call()
        except error:
            return None

    return handled


def opened(call):
    """Fails until the breaker is open."""
    for _ in range(50):
        try:
            call()
        except Exception:  # noqa: BLE001, S110: whatever the peer raises
            pass


def size(library, build):
    kept = [build(-1)]
    gc.collect()
    tracemalloc.start()
    kept += [build(number) for number in range(MANY)]
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    emit(library, "bytes of a breaker, Python's heap", used / MANY)


def succeed():
    return True


async def asucceed():
    return True


def fail():
    raise OSError("down")


def use_machine():
    row("machine", "atomic add", "step()", step=itertools.count().__next__)
    row("machine", "call of the guarded function", "call()", call=succeed)
    async_row("machine", "await of the guarded function", asucceed)


def use_fuseboard():
    library = "fuseboard"
    breaker = fuseboard.CircuitBreaker("peer", open_timeout=NEVER)
    row(library, CLOSED, "call()", call=breaker(succeed))
    async_row(library, ASYNC, breaker(asucceed))
    row(library, STATE, "breaker.state", breaker=breaker)
    down = fuseboard.CircuitBreaker("down", open_timeout=NEVER)
    opened(down(fail))
    row(library, REJECTION, "call()", call=rejected(down(succeed), fuseboard.CircuitOpenError))
    size(library, lambda number: fuseboard.CircuitBreaker(str(number)))
    roomy = fuseboard.TokenBucketRateLimiter(1_000_000_000)
    row(library, ALLOW, "limiter.try_acquire()", limiter=roomy)
    empty = fuseboard.TokenBucketRateLimiter(1, per=NEVER)
    assert empty.try_acquire() and not empty.try_acquire()
    row(library, DENY, "limiter.try_acquire()", limiter=empty)


def use_circuitbreaker():
    library = "circuitbreaker 2.1"
    breaker = circuitbreaker.CircuitBreaker(name="peer")
    row(library, CLOSED, "call()", call=breaker(succeed))
    async_row(library, ASYNC, breaker(asucceed))
    row(library, STATE, "breaker.state", breaker=breaker)
    down = circuitbreaker.CircuitBreaker(name="down", recovery_timeout=NEVER)
    opened(down(fail))
    row(library, REJECTION, "call()", call=rejected(down(succeed), circuitbreaker.CircuitBreakerError))
    size(library, lambda number: circuitbreaker.CircuitBreaker(name=str(number)))


def use_pybreaker():
    library = "pybreaker 1.4"
    breaker = pybreaker.CircuitBreaker(reset_timeout=NEVER)
    row(library, CLOSED, "call()", call=breaker(succeed))
    row(library, STATE, "breaker.current_state", breaker=breaker)
    down = pybreaker.CircuitBreaker(reset_timeout=NEVER)
    opened(down(fail))
    row(library, REJECTION, "call()", call=rejected(down(succeed), pybreaker.CircuitBreakerError))
    size(library, lambda number: pybreaker.CircuitBreaker(name=str(number)))


def use_aiobreaker():
    library = "aiobreaker 1.2"
    breaker = aiobreaker.CircuitBreaker()
    row(library, CLOSED, "call()", call=breaker(succeed))
    async_row(library, ASYNC, breaker(asucceed))
    row(library, STATE, "breaker.current_state", breaker=breaker)
    down = aiobreaker.CircuitBreaker(timeout_duration=timedelta(seconds=NEVER))
    opened(down(fail))
    row(library, REJECTION, "call()", call=rejected(down(succeed), aiobreaker.CircuitBreakerError))
    size(library, lambda number: aiobreaker.CircuitBreaker(name=str(number)))


def use_limiters():
    storage = limits.storage.MemoryStorage()
    strategy = limits.strategies.MovingWindowRateLimiter(storage)
    full = limits.RateLimitItemPerHour(1, 1000)
    assert strategy.hit(full) and not strategy.hit(full)
    row("limits 5.8, moving window", DENY, "hit(item)", hit=strategy.hit, item=full)
    strategy = limits.strategies.FixedWindowRateLimiter(storage)
    roomy = limits.RateLimitItemPerSecond(1_000_000_000)
    row("limits 5.8, fixed window", ALLOW, "hit(item)", hit=strategy.hit, item=roomy)

    library = "pyrate-limiter 4.5"
    empty = pyrate_limiter.Limiter(pyrate_limiter.Rate(1, NEVER * 1000))
    assert empty.try_acquire("key", blocking=False)
    row(library, DENY, "call('key', blocking=False)", call=empty.try_acquire)
    # It remembers every admission, so the row has room for all of its own.
    roomy = pyrate_limiter.Limiter(pyrate_limiter.Rate(1_000_000_000, 1))
    row(library, ALLOW, "call('key', blocking=False)", call=roomy.try_acquire)

    roomy = aiolimiter.AsyncLimiter(1_000_000_000, 1)
    async_row("aiolimiter 1.3", "limiter, allow, async", roomy.acquire)


for use in (
    use_machine,
    use_fuseboard,
    use_circuitbreaker,
    use_pybreaker,
    use_aiobreaker,
    use_limiters,
):
    use()
