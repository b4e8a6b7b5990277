"""Measures `limits` on a Redis server, and an INCR of the same client beside it.

Each row is one line of three fields with tabs between: library, operation, nanoseconds a request, as 64 tasks make them. The argument is the
server's address.
"""

import asyncio
import sys
import time

import limits
import redis.asyncio
from limits.aio import storage, strategies

TASKS = 64
ROUNDS = 3  # each row is the least of so many
ROUND = 0.5  # seconds


def emit(operation: str, value: float) -> None:
    print(f"limits {limits.__version__}\t{operation}\t{value:.2f}", flush=True)


async def measure(operation: str, request) -> None:
    """`request` is told its task's number."""
    least = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        end = begin + ROUND

        async def work(task: int) -> int:
            count = 0
            while time.perf_counter() < end:
                await request(task)
                count += 1
            return count

        counts = await asyncio.gather(*(work(task) for task in range(TASKS)))
        least = min(least, (time.perf_counter() - begin) * 1e9 / sum(counts))
    emit(operation, least)


async def main(url: str) -> None:
    client = redis.asyncio.from_url(url, max_connections=TASKS)
    await measure("INCR", lambda task: client.incr(f"python {task % 16}"))
    kept = storage.RedisStorage(f"async+{url}", implementation="redispy")
    many = limits.RateLimitItemPerSecond(10_000)
    one = limits.RateLimitItemPerHour(1)
    for name, kind in [
        ("fixed window", strategies.FixedWindowRateLimiter),
        ("sliding window", strategies.MovingWindowRateLimiter),
        ("sliding counter", strategies.SlidingWindowCounterRateLimiter),
    ]:
        limiter = kind(kept)
        await measure(f"{name}, a key for each task", lambda task: limiter.hit(many, name, str(task)))
    limiter = strategies.FixedWindowRateLimiter(kept)
    await measure("one hot key, denied", lambda task: limiter.hit(one, "python", "hot"))
    await client.aclose()


asyncio.run(main(sys.argv[1]))
