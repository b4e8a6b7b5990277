"""What a Python worker does with a board: the commands of `src/worker.rs`, with the same words and settings.

Each says `ready`, waits for a line, does its work and prints what it found; `victim` works until it is
killed. `mix` does as many operations as it is told, of five kinds in turn, and prints how many of them succeeded,
failed, were cancelled, got a token and got a place, in this order.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from typing import Any

from fuseboard import Board, CircuitBreaker, ConcurrencyPermit, Permit

# Words of a victim's scratch file.
DOING, DONE, CALLS, FAILURES, UNITS, PLACES = range(6)


def start() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        raise SystemExit("the test is over")


def spend(path: str, tries: str) -> None:
    """How many of so many tries the one bucket of all admits: 50, and no more for an hour."""
    board = Board.open(path)
    start()
    bucket = board.token_bucket("spend", 1, per=3600, burst=50)
    print(sum(bucket.try_acquire() for _ in range(int(tries))))


def enter(path: str, tries: str) -> None:
    """Enters a room for two again and again; how often there were three."""
    board = Board.open(path)
    start()
    room = board.concurrency_limit("room", 2)
    crowds = 0
    for _ in range(int(tries)):
        place = room.try_acquire()
        if place is not None:
            crowds += room.in_flight > 2
            place.release()
    print(crowds)


def probe(path: str, tries: str) -> None:
    """How many probes of a half-open breaker it was given; it reports none of them and dies with them."""
    board = Board.open(path)
    start()
    breaker = board.breaker("probe", when_different="keep")
    probes = [breaker.try_acquire() for _ in range(int(tries))]
    print(sum(permit is not None for permit in probes), flush=True)
    leave_as_if_killed()


def hold(path: str, places: str) -> None:
    board = Board.open(path)
    limit = board.concurrency_limit("hold", 8)
    held = [limit.acquire() for _ in range(int(places))]
    start()
    for place in held:
        place.release()


def victim(path: str, scratch: str, seed: str) -> None:
    """Works until it is killed, and says in `scratch` what it does, by the rules of this package's README.md."""
    board = Board.open(path)
    count = board.breaker("count")
    trip = board.breaker("trip", minimum_requests=4, open_timeout=0.001, probe_lease=0.02)
    bucket = board.token_bucket("bucket", 1, per=60, burst=9_000_000)
    room = board.concurrency_limit("places", 8)
    held: list[ConcurrencyPermit] = []
    bits = int(seed)
    with open(scratch, "r+b") as file:
        said = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
    print("ready", flush=True)
    while True:
        bits ^= (bits << 13) & (2**64 - 1)
        bits ^= bits >> 7
        bits ^= (bits << 17) & (2**64 - 1)
        rarely = bits >> 40 & 3 == 0
        kind = bits >> 20 & 7
        if kind < 3:
            said[DOING] = 1
            permit = count.try_acquire()
            if permit is not None:
                settle(permit, failed=rarely)
                said[CALLS] += 1
                said[FAILURES] += rarely
        elif kind < 5:
            said[DOING] = 2
            permit = trip.try_acquire()
            if permit is not None:
                settle(permit, failed=not rarely)
        elif kind == 5:
            said[DOING] = 4
            said[UNITS] += bucket.try_acquire()
        elif kind == 6:
            said[DOING] = 5
            place = room.try_acquire() if len(held) < 2 else None
            if place is not None:
                held.append(place)
                said[PLACES] += 1
        else:
            said[DOING] = 6
            if held:
                said[PLACES] -= 1
                held.pop().release()
        said[DONE] += 1
        said[DOING] = 0


def settle(permit: Permit, *, failed: bool) -> None:
    if failed:
        permit.failure()
    else:
        permit.success()


def mix(path: str, operations: str) -> None:
    """Operations that must add up: the breaker never trips, the bucket has 1000 tokens, the room four places."""
    board = Board.open(path)
    breaker = board.breaker("mix", failure_threshold=1.0, minimum_requests=1_000_000)
    bucket = board.token_bucket("mix", 1, per=3600, burst=1000)
    room = board.concurrency_limit("mix", 4)
    start()
    found = [0] * 5
    for number in range(int(operations)):
        kind = number % 5
        if kind == 3:
            found[3] += bucket.try_acquire()
        elif kind == 4:
            place = room.try_acquire()
            if place is not None:
                found[4] += 1
                place.release()
        else:
            permit = breaker.acquire()
            found[kind] += (permit.success, permit.failure, permit.cancel)[kind]()
    print(*found)


def trip(path: str) -> None:
    """Trips the breaker that all share."""
    breaker = shared(path)
    start()
    while (permit := breaker.try_acquire()) is not None:
        permit.failure()
    print(breaker.state)


def look(path: str) -> None:
    """Says when the breaker that another process trips rejects its call: after how many admitted since the word."""
    breaker = shared(path)
    start()
    admitted = 0
    while (permit := breaker.try_acquire()) is not None:
        permit.success()
        admitted += 1
    print(admitted)


def shared(path: str) -> CircuitBreaker:
    return Board.open(path).breaker("shared", minimum_requests=10, open_timeout=3600)


def leave_as_if_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(3600)


def main() -> None:
    command, *arguments = sys.argv[1:]
    commands: dict[str, Any] = {
        work.__name__: work for work in (spend, enter, probe, hold, victim, mix, trip, look)
    }
    commands[command](*arguments)


main()
