"""OpenTelemetry, Celery and gunicorn, each for real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import celery  # type: ignore[import-untyped]
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fuseboard import ConcurrencyLimit, ManualClock, TokenBucketRateLimiter
from fuseboard.celery import RejectionTask
from fuseboard.opentelemetry import observe, span_event

from .conftest import MakeBreaker, trip


def test_o1_metrics_are_what_the_policies_hold(make: MakeBreaker, clock: ManualClock) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    breaker = make(minimum_requests=3)
    places = ConcurrencyLimit(5, name="places")
    bucket = TokenBucketRateLimiter(10, name="bucket", clock=clock)
    observe(breaker, places, bucket, meter=meter)
    breaker.call(len, "")
    trip(breaker)
    breaker.try_acquire()
    bucket.admit(3)
    with places:
        seen = points(reader)
    assert seen["fuseboard.calls", "orders", "success"] == 1
    assert seen["fuseboard.calls", "orders", "failure"] == 2
    assert seen["fuseboard.calls", "orders", "rejected"] == 1
    assert seen["fuseboard.circuit_breaker.state", "orders", "open"] == 1
    assert seen["fuseboard.circuit_breaker.state", "orders", "closed"] == 0
    assert seen["fuseboard.rate_limiter.permit.available", "bucket"] == 7
    assert seen["fuseboard.concurrency.usage", "places"] == 1
    assert seen["fuseboard.concurrency.limit", "places"] == 5


def points(reader: InMemoryMetricReader) -> dict[tuple[Any, ...], float]:
    data: Any = reader.get_metrics_data()
    return {
        (metric.name, *point.attributes.values()): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_metric_names_are_those_of_the_documentation() -> None:
    """One name in every language."""
    page = Path(__file__).parents[2] / "docs" / "telemetry.md"
    if not page.exists():
        pytest.skip("the source distribution has no docs")
    import inspect

    import fuseboard.opentelemetry as module

    names = {
        word.strip('",[()')
        for word in inspect.getsource(module).split()
        if word.startswith('"fuseboard.') and word.count(".") >= 1
    } - {"fuseboard.name", '"fuseboard.name":', 'fuseboard.name":'}
    names.discard("fuseboard.circuit_breaker.state_changed")
    text = page.read_text(encoding="utf-8")
    assert len(names) >= 7
    for name in names:
        assert f"`{name}`" in text, name


def test_the_span_of_the_call_gets_an_event(make: MakeBreaker) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    breaker = make(listeners=[span_event])
    with provider.get_tracer("test").start_as_current_span("request"):
        trip(breaker)
    (event,) = exporter.get_finished_spans()[0].events
    assert event.name == "fuseboard.circuit_breaker.state_changed"
    assert dict(event.attributes or {}) == {
        "fuseboard.name": "orders",
        "from": "closed",
        "to": "open",
        "reason": "failure_rate",
        "calls": 2,
        "failures": 2,
        "slow": 0,
        "failure_rate": 1.0,
    }


def test_a_rejected_task_comes_back() -> None:
    app = celery.Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.task_always_eager = True
    bucket = TokenBucketRateLimiter(1, per=5)
    pauses: list[float] = []

    @app.task(base=RejectionTask, max_retries=3, bind=True)  # type: ignore[untyped-decorator]
    def send(self: Any, to: str) -> str:
        # Eager tasks do not wait: the countdown is looked at, and the bucket filled.
        if self.request.retries:
            pauses.append(self.request.retries)
            bucket.reset()
        bucket.admit()
        return f"sent to {to}"

    assert send.apply(args=["alice"]).get() == "sent to alice"
    assert send.apply(args=["bob"]).get() == "sent to bob"
    assert pauses == [1]


APPLICATION = """
import os
import fuseboard.gunicorn
from fuseboard import CircuitOpenError

breaker = fuseboard.gunicorn.board().breaker("backend", minimum_requests=6, open_timeout=3600)

def app(environ, start_response):
    what = environ["PATH_INFO"]
    body = str(os.getpid())
    if what == "/fail":
        permit = breaker.try_acquire()
        body += " rejected" if permit is None else " failed"
        if permit is not None:
            permit.failure()
    elif what == "/state":
        body += " " + breaker.state
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="boards need Linux")
def test_gunicorn_workers_share_one_breaker(tmp_path: Path) -> None:
    """Four workers send six failing calls together, where each alone would have sent six."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(
        "from fuseboard.gunicorn import on_exit, on_starting\nworkers = 4\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "FUSEBOARD_BOARD"}
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "shop:app"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def get(path: str) -> list[str]:
        address = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            words: list[str] = answer.read().decode().split()
            return words

    try:
        until = time.monotonic() + 30
        workers: set[str] = set()
        while len(workers) < 4:
            assert time.monotonic() < until, "four workers did not answer"
            try:
                workers.add(get("/")[0])
            except OSError:
                time.sleep(0.05)
        answers = [get("/fail") for _ in range(40)]
        assert sum(outcome == "failed" for _, outcome in answers) == 6
        told: dict[str, str] = {}
        while len(told) < 4:
            assert time.monotonic() < until, "four workers did not answer"
            pid, state = get("/state")
            told[pid] = state
        assert set(told.values()) == {"open"}
    finally:
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=30)
    assert "Traceback" not in errors
    assert not list(Path("/dev/shm").glob(f"fuseboard-gunicorn-*-{server.pid}"))
