"""Every way to guard a call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, Permit

from .conftest import MakeBreaker, fail, trip


async def async_fail() -> None:
    await asyncio.sleep(0)
    fail()


def calls(breaker: CircuitBreaker) -> tuple[int, int, int]:
    totals = breaker.snapshot().totals
    return totals.calls, totals.failures, totals.ignored


def test_decorated_function(breaker: CircuitBreaker) -> None:
    @breaker
    def divide(a: int, b: int = 1) -> float:
        """Divides."""
        return a / b

    assert divide(6, b=2) == 3
    assert (divide.__name__, divide.__doc__) == ("divide", "Divides.")
    assert list(inspect.signature(divide).parameters) == ["a", "b"]
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
    with pytest.raises(CircuitOpenError):
        divide(6, 2)


def test_decorated_method(breaker: CircuitBreaker) -> None:
    class Client:
        @breaker
        def get(self, key: str) -> tuple[Client, str]:
            return self, key

        @staticmethod
        @breaker
        def ping() -> str:
            return "pong"

        @classmethod
        @breaker
        def make(cls) -> Client:
            return cls()

    client = Client()
    assert client.get("a") == (client, "a")
    assert Client.ping() == "pong"
    assert isinstance(Client.make(), Client)
    assert calls(breaker) == (3, 0, 0)


def test_decorated_coroutine_function(breaker: CircuitBreaker) -> None:
    @breaker
    async def get(fails: bool) -> str:
        await asyncio.sleep(0)
        if fails:
            fail()
        return "got"

    async def main() -> None:
        assert await get(False) == "got"
        while breaker.state == "closed":
            with pytest.raises(OSError, match="down"):
                await get(True)
        with pytest.raises(CircuitOpenError):
            await get(False)

    assert inspect.iscoroutinefunction(get)
    asyncio.run(main())


def test_coroutine_that_never_runs_takes_no_permit(breaker: CircuitBreaker) -> None:
    get = breaker(async_fail)
    get().close()
    assert calls(breaker) == (0, 0, 0)


def test_decorated_generator(breaker: CircuitBreaker) -> None:
    closed: list[str] = []

    @breaker
    def echo() -> Generator[str, str, str]:
        sent = "start"
        try:
            while sent != "stop":
                try:
                    sent = yield sent
                except KeyError:
                    sent = "caught"
            return "returned"
        finally:
            closed.append(sent)

    assert inspect.isgeneratorfunction(echo)
    generator = echo()
    assert calls(breaker) == (0, 0, 0)
    assert next(generator) == "start"
    assert generator.send("more") == "more"
    assert generator.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as caught:
        generator.send("stop")
    assert caught.value.value == "returned"
    assert calls(breaker) == (1, 0, 0)

    generator = echo()
    next(generator)
    generator.close()
    assert closed == ["stop", "start"]
    assert calls(breaker) == (1, 0, 1)

    generator = echo()
    next(generator)
    with pytest.raises(OSError, match="down"):
        generator.throw(OSError("down"))
    assert calls(breaker) == (2, 1, 1)


def test_open_breaker_stops_a_generator_at_its_first_step(breaker: CircuitBreaker) -> None:
    @breaker
    def numbers() -> Iterator[int]:
        yield 1

    trip(breaker)
    generator = numbers()
    with pytest.raises(CircuitOpenError):
        next(generator)


def test_decorated_async_generator(breaker: CircuitBreaker) -> None:
    closed: list[str] = []

    @breaker
    async def echo() -> AsyncGenerator[str, str]:
        sent = "start"
        try:
            while sent != "stop":
                await asyncio.sleep(0)
                try:
                    sent = yield sent
                except KeyError:
                    sent = "caught"
        finally:
            closed.append(sent)

    async def main() -> None:
        generator = echo()
        assert await anext(generator) == "start"
        assert await generator.asend("more") == "more"
        assert await generator.athrow(KeyError()) == "caught"
        with pytest.raises(StopAsyncIteration):
            await generator.asend("stop")
        assert calls(breaker) == (1, 0, 0)

        generator = echo()
        await anext(generator)
        await generator.aclose()
        assert closed == ["stop", "start"]
        assert calls(breaker) == (1, 0, 1)

        generator = echo()
        await anext(generator)
        with pytest.raises(OSError, match="down"):
            await generator.athrow(OSError("down"))
        assert calls(breaker) == (2, 1, 1)

    assert inspect.isasyncgenfunction(echo)
    asyncio.run(main())


def test_context_manager_function(breaker: CircuitBreaker) -> None:
    @contextlib.contextmanager
    @breaker
    def session() -> Iterator[str]:
        yield "session"

    @contextlib.asynccontextmanager
    @breaker
    async def async_session() -> AsyncIterator[str]:
        yield "session"

    async def main() -> None:
        with pytest.raises(OSError, match="down"):
            async with async_session():
                fail()

    with session() as value:
        assert value == "session"
    with pytest.raises(OSError, match="down"), session():
        fail()
    assert calls(breaker) == (2, 1, 0)
    breaker.reset()
    asyncio.run(main())
    assert calls(breaker)[1] == 2


def test_partials_and_callable_objects(breaker: CircuitBreaker) -> None:
    class Get:
        async def __call__(self, key: str) -> str:
            return key

    decorated: Callable[[str], Awaitable[str]] = breaker(Get())

    async def main() -> None:
        assert await decorated("a") == "a"
        assert await breaker(functools.partial(Get().__call__, "b"))() == "b"

    asyncio.run(main())
    assert isinstance(breaker.call(Get), Get)
    assert breaker(functools.partial(int, base=2))("101") == 5
    assert breaker(len)("abc") == 3
    assert calls(breaker) == (5, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (staticmethod(len), "put @staticmethod above"),
        (classmethod(lambda cls: None), "put @classmethod above"),
        (str, "decorate its methods"),
        ("len", "only a function"),
    ],
)
def test_what_cannot_be_decorated(breaker: CircuitBreaker, wrong: object, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        breaker(wrong)  # type: ignore[arg-type]


def test_call(breaker: CircuitBreaker) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def main() -> None:
        assert await breaker.call(asyncio.sleep, 0, "slept") == "slept"
        assert await breaker.acall(asyncio.sleep, 0, result="slept") == "slept"
        for _ in range(2):
            with pytest.raises(OSError, match="down"):
                await breaker.acall(async_fail)
        with pytest.raises(CircuitOpenError):
            await breaker.acall(async_fail)

    assert breaker.call(int, "101", base=2) == 5
    assert list(breaker.call(numbers)) == [1]
    breaker.reset()
    asyncio.run(main())
    assert breaker.state == "open"


def test_with(breaker: CircuitBreaker) -> None:
    with breaker as permit:
        assert isinstance(permit, Permit)
    with pytest.raises(OSError, match="down"), breaker:
        fail()
    assert calls(breaker) == (2, 1, 0)
    with pytest.raises(CircuitOpenError), breaker:
        pytest.fail("the body of an open breaker ran")


def test_body_may_settle_the_permit_itself(breaker: CircuitBreaker) -> None:
    with breaker as permit:
        permit.ignore()
    assert calls(breaker) == (0, 0, 1)


def test_permit_is_a_context_manager(breaker: CircuitBreaker) -> None:
    with pytest.raises(OSError, match="down"), breaker.acquire():
        fail()
    assert calls(breaker) == (1, 1, 0)


def test_async_with(breaker: CircuitBreaker) -> None:
    async def main() -> None:
        async with breaker as permit:
            assert isinstance(permit, Permit)
        while breaker.state == "closed":
            with contextlib.suppress(OSError):
                async with breaker:
                    await async_fail()
        with pytest.raises(CircuitOpenError):
            async with breaker:
                pytest.fail("the body of an open breaker ran")

    asyncio.run(main())


def test_nested_with(breaker: CircuitBreaker) -> None:
    with pytest.raises(OSError, match="down"), breaker, breaker:
        fail()
    assert calls(breaker) == (2, 2, 0)


def test_interleaved_blocks_settle_their_own_permits(breaker: CircuitBreaker) -> None:
    """B5, P4: two generators stand in `with` blocks of one breaker; the first to enter is the first
    to leave, from another thread and after a reset.
    """
    outcomes: dict[str, bool] = {}

    def block(name: str) -> Iterator[None]:
        with breaker as permit:
            yield
        outcomes[name] = permit.success()

    first, second = block("first"), block("second")
    next(first)
    breaker.reset()
    next(second)
    thread = threading.Thread(target=lambda: list(first))
    thread.start()
    thread.join()
    assert calls(breaker) == (0, 0, 0)
    list(second)
    assert calls(breaker) == (1, 0, 0)
    assert outcomes == {"first": False, "second": False}


def test_interleaved_tasks(make: MakeBreaker) -> None:
    breaker = make(minimum_requests=100)

    async def main() -> None:
        async def task(number: int) -> None:
            async with breaker:
                for _ in range(number % 5):
                    await asyncio.sleep(0)
                if number % 2:
                    fail()

        await asyncio.gather(*(task(number) for number in range(50)), return_exceptions=True)

    asyncio.run(main())
    assert calls(breaker) == (50, 25, 0)


def test_exit_stack(breaker: CircuitBreaker) -> None:
    with pytest.raises(OSError, match="down"), contextlib.ExitStack() as stack:
        stack.enter_context(breaker)
        fail()
    assert calls(breaker) == (1, 1, 0)
