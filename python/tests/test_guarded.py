"""A decorated plain function: a native object that is taken for the function in every way."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import sys
import typing
import unittest.mock
import weakref
from collections.abc import Callable

import pytest

from fuseboard import (
    AdaptiveLimit,
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    ConcurrencyLimitError,
    Pipeline,
    SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
)

from .conftest import MakeBreaker, fail

module_breaker = CircuitBreaker("module")


@module_breaker
def area(width: int, /, height: int = 2, *rest: int, unit: str = "m", **more: str) -> str:
    """Says the area."""
    return f"{width * height}{unit} {rest} {more}"


def test_it_is_what_the_function_was() -> None:
    assert area.__name__ == "area"
    assert area.__qualname__ == "area"
    assert area.__doc__ == "Says the area."
    assert area.__module__ == __name__
    assert str(inspect.signature(area)) == str(inspect.signature(inspect.unwrap(area)))
    assert typing.get_type_hints(area)["unit"] is str
    assert inspect.isroutine(area)
    assert callable(area)
    assert not inspect.iscoroutinefunction(area)
    assert "guarded by" in repr(area)


def test_arguments_arrive_as_they_were_given() -> None:
    assert area(2) == "4m () {}"
    assert area(2, 3, 4, 5, unit="ft", a="b") == "6ft (4, 5) {'a': 'b'}"
    assert area(*[2, 3], unit="x") == "6x () {}"
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        area()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        area(height=2)  # type: ignore[call-arg]


def test_pickled_by_name_and_its_own_copy() -> None:
    assert pickle.loads(pickle.dumps(area)) is area
    assert copy.copy(area) is area
    assert copy.deepcopy({"area": area})["area"] is area


def test_attributes_and_weak_references(breaker: CircuitBreaker) -> None:
    def get() -> None: ...

    get.route = "/"  # type: ignore[attr-defined]
    guarded = breaker(get)
    assert guarded.route == "/"  # type: ignore[attr-defined]
    guarded.route = "/more"  # type: ignore[attr-defined]
    assert guarded.__dict__["route"] == "/more"
    reference = weakref.ref(guarded)
    assert reference() is guarded
    del guarded
    assert reference() is None


def test_methods_bind(breaker: CircuitBreaker) -> None:
    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        @breaker
        def get(self, key: str, *, suffix: str = "") -> str:
            return f"{self.name}:{key}{suffix}"

        @functools.cached_property
        @breaker
        def once(self) -> str:
            return self.name

        @property
        @breaker
        def always(self) -> str:
            return self.name

    class Other(Client):
        def get(self, key: str, *, suffix: str = "") -> str:
            return "other " + super().get(key, suffix=suffix)

    client = Client("a")
    assert client.get("k", suffix="!") == "a:k!"
    bound = client.get
    assert bound("k") == "a:k"
    assert bound.__self__ is client  # type: ignore[attr-defined]
    assert Client.get(client, "k") == "a:k"
    assert Other("b").get("k") == "other b:k"
    assert (client.once, client.always) == ("a", "a")
    assert breaker.snapshot().totals.calls == 6
    with unittest.mock.patch.object(Client, "get", autospec=True, return_value="mocked"):
        assert client.get("k") == "mocked"


def test_exception_is_the_same_object_with_its_traceback(breaker: CircuitBreaker) -> None:
    error = OSError("down")

    @breaker
    def get() -> None:
        raise error

    with pytest.raises(OSError, match="down") as caught:
        get()
    assert caught.value is error
    assert [frame.name for frame in caught.traceback][-1] == "get"
    assert error.__context__ is None


def test_cycles_are_collected(make: MakeBreaker) -> None:
    class Owner:
        def __init__(self) -> None:
            self.get = make(listeners=[lambda change: self])(self.work)

        def work(self) -> None: ...

    reference = weakref.ref(Owner())
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    "policy",
    [
        CircuitBreaker("recursive"),
        TokenBucketRateLimiter(10**6),
        SlidingWindowRateLimiter(8192, 60),
        ConcurrencyLimit(10**6),
        AdaptiveLimit(initial_limit=10**6, max_limit=10**6),
        Pipeline(CircuitBreaker("recursive"), ConcurrencyLimit(10**6)),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_recursion_ends_in_an_exception(
    policy: Callable[[Callable[..., int]], Callable[..., int]],
) -> None:
    @policy
    def down(depth: int) -> int:
        return down(depth + 1)

    with pytest.raises(RecursionError):
        down(0)


def test_nothing_is_leaked(breaker: CircuitBreaker) -> None:
    argument, result = object(), object()
    ok = breaker(lambda *args, **kwargs: result)
    broken = breaker(fail)
    before = sys.getrefcount(argument), sys.getrefcount(result), sys.getrefcount(breaker._core)
    for _ in range(100):
        ok(argument, named=argument)
    for _ in range(100):
        with pytest.raises((OSError, CircuitOpenError)):
            broken()
    after = sys.getrefcount(argument), sys.getrefcount(result), sys.getrefcount(breaker._core)
    assert after == before


def test_nothing_is_leaked_by_a_pipeline(breaker: CircuitBreaker) -> None:
    places = ConcurrencyLimit(1)
    pipeline = Pipeline(breaker, places, AdaptiveLimit())
    argument, result = object(), object()
    ok = pipeline(lambda *args, **kwargs: result)
    counted = argument, result, breaker._core, places._core
    before = [sys.getrefcount(each) for each in counted]
    for _ in range(100):
        ok(argument, named=argument)
        pipeline.call(lambda given: given, argument)
    with places:
        for _ in range(100):
            with pytest.raises(ConcurrencyLimitError):
                ok(argument)
    assert [sys.getrefcount(each) for each in counted] == before
    assert places.in_flight == 0


def test_no_frame_of_ours_stands_in_a_traceback(make: MakeBreaker) -> None:
    """But for those that hand a call over, where no decorator did."""
    breaker = make(minimum_requests=100)

    def frames(call: Callable[[], object]) -> list[str]:
        with pytest.raises(OSError, match="down") as caught:
            call()
        return [frame.name for frame in caught.traceback][1:]

    assert frames(breaker(fail)) == ["fail"]
    assert frames(Pipeline(breaker, ConcurrencyLimit(1))(fail)) == ["fail"]
    assert frames(lambda: breaker.call(fail))[-3:] == ["call", "call", "fail"]


def test_p1_a_stop_that_a_listener_meets_reaches_all_of_a_pipeline(make: MakeBreaker) -> None:
    def stop(change: object) -> None:
        raise KeyboardInterrupt

    breaker, places = make(minimum_requests=1, listeners=[stop]), ConcurrencyLimit(1)
    for order in ((breaker, places), (places, breaker)):
        guarded = Pipeline(*order)(fail)
        with pytest.raises(KeyboardInterrupt):
            guarded()
        assert places.in_flight == 0
        with pytest.raises(KeyboardInterrupt):
            breaker.reset()


def test_calls_in_flight_when_durations_begin_to_matter(make: MakeBreaker) -> None:
    """W8: a call that was admitted before anybody asked for its start is not slow."""
    breaker = make()
    permit = breaker.acquire()
    breaker.configure(slow_call_duration=0.001, slow_call_threshold=0.5)
    permit.success()
    breaker.call(len, "")
    assert breaker.snapshot().totals.slow == 0
    assert breaker.snapshot().totals.calls == 2
    assert breaker.state == "closed"
