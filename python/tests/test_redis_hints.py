"""Hosts tell each other that they have opened, and nobody opens for that alone."""

from __future__ import annotations

import gc
import signal
from pathlib import Path
from typing import Any

import pytest

from fuseboard import Board, CircuitBreaker, ConfigError
from fuseboard.redis import BreakerHints, Engine, EngineUnavailableError

from .conftest import fail
from .test_board import in_child
from .test_redis import Server, connected, engine, eventually, server

__all__ = ["engine", "server"]


def host(**settings: Any) -> CircuitBreaker:
    defaults: dict[str, Any] = {"minimum_requests": 20, "window_size": 600, "open_timeout": 600}
    return CircuitBreaker("payments", **(defaults | settings))


def share(engine: Engine, breaker: CircuitBreaker, **options: Any) -> BreakerHints:
    return BreakerHints(engine, breaker, **({"counts_for": 600, "ask_every": 0.01} | options))


def failures(breaker: CircuitBreaker, calls: int) -> None:
    for _ in range(calls):
        with pytest.raises(OSError, match="down"):
            breaker.call(fail)


def opens_within(breaker: CircuitBreaker, most: int) -> bool:
    for _ in range(most):
        if breaker.state == "open":
            return True
        failures(breaker, 1)
    return breaker.state == "open"


@pytest.mark.parametrize("place", ["own", "board"])
def test_b8_a_host_that_opened_makes_others_quicker_and_opens_nobody(place: str, server: Server) -> None:
    def on(engine: Engine, minimum: int) -> tuple[CircuitBreaker, BreakerHints]:
        settings = {"board": Board.anonymous()} if place == "board" else {}
        breaker = host(minimum_requests=minimum, **settings)
        return breaker, share(engine, breaker)

    # A minimum that nobody reaches before he has heard.
    minimums = (20, 100_000, 20)
    (first, told), (second, hints), (third, others) = (on(connected(server), each) for each in minimums)
    failures(second, 4)
    failures(first, 20)
    assert first.state == "open"
    eventually(lambda: hints.others() == others.others() == 1)
    assert told.others() == 0, "its own word is none of the others'"
    assert second.state == "closed", "nobody opens blindly"
    # What was heard is applied with the next question.
    eventually(lambda: opens_within(second, 1))
    for _ in range(50):
        assert third.call(len, "ab") == 2
    assert third.state == "closed", "what works here goes on"


def test_b16_closed_it_restores_the_breakers_own_minimum(server: Server) -> None:
    engine = connected(server)
    first, second = host(), host()
    with share(engine, first):
        failures(first, 20)
        hints = share(connected(server), second)
        eventually(lambda: hints.others() == 1)
        hints.close()
        assert hints.others() == 0
        assert not opens_within(second, 19)
        assert opens_within(second, 1)
        second.reset()
        forgotten = share(engine, second)
        eventually(lambda: forgotten.others() == 1)
        del forgotten
        gc.collect()
        assert not opens_within(second, 19)


def test_what_an_operator_does_is_no_hint(server: Server) -> None:
    first, second = host(), host()
    with share(connected(server), first), share(connected(server), second):
        with share(connected(server), host()) as hints:
            first.force_open()
            failures(second, 20)
            eventually(lambda: hints.others() == 1)
            first.reset()
            # It may have heard of the second, and open the sooner.
            assert opens_within(first, 20)
            eventually(lambda: hints.others() == 2)


def test_a_child_leaves_its_parents_alone(engine: Engine) -> None:
    breaker = host()
    hints = share(engine, breaker)

    def work() -> int:
        nonlocal hints
        if hints.others() != 0:
            return 1
        del hints
        gc.collect()
        with share(engine, breaker) as own:
            return own.others()

    assert in_child(work) == 0
    assert hints.others() == 0
    with share(engine, host()) as others:
        failures(breaker, 20)
        eventually(lambda: others.others() == 1)


def test_an_engine_that_is_away(server: Server, tmp_path: Path) -> None:
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock", deadline=0.01)
    breaker = host()
    with share(nobody, breaker) as hints:
        with pytest.raises(EngineUnavailableError, match="hints of circuit breaker 'payments': its engine is away"):
            hints.others()
        assert not opens_within(breaker, 19)
        assert opens_within(breaker, 1)
    asking = share(connected(server, 0.5), host())
    server.signal(signal.SIGSTOP)
    asking.close()


def test_bad_settings(tmp_path: Path) -> None:
    nobody = Engine(f"redis+unix://{tmp_path}/nobody.sock")
    for options, field in (
        ({"minimum_requests": 21}, "minimum_requests"),
        ({"minimum_requests": 0}, "minimum_requests"),
        ({"counts_for": 0.9}, "counts_for"),
        ({"ask_every": 61}, "ask_every"),
    ):
        with pytest.raises(ConfigError) as caught:
            share(nobody, host(), **options)
        assert caught.value.field == field
    with pytest.raises(TypeError, match="breaker must be a CircuitBreaker, not str"):
        BreakerHints(nobody, "payments")  # type: ignore[arg-type]
    assert repr(share(nobody, host())) == "<BreakerHints about 'payments'>"
