"""What servers answer to rejections, and what clients send through policies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import django  # type: ignore[import-untyped]
import django.test  # type: ignore[import-untyped]
import flask
import httpx
import pytest
import requests
from django.conf import settings as django_settings  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import fuseboard.django
import fuseboard.flask
import fuseboard.httpx
import fuseboard.requests
from fuseboard import (
    Backoff,
    CircuitBreaker,
    CircuitOpenError,
    ConcurrencyLimit,
    KeyedRateLimiter,
    ManualClock,
    Pipeline,
    RateLimitedError,
    Retry,
    TokenBucketRateLimiter,
)
from fuseboard._http import headers_of
from fuseboard.httpx import PerHost, failed_response
from fuseboard.starlette import FuseboardMiddleware

OPEN = CircuitBreaker("downstream")
OPEN.force_open(3600)


def limited_answer(status: int, headers: Any, body: bytes) -> None:
    """A second request of one client, where one in a minute is allowed."""
    assert status == 429
    assert headers["Content-Type"] == "application/problem+json"
    assert 59 <= int(headers["Retry-After"]) <= 60
    assert headers["RateLimit"] == f'"clients";r=0;t={headers["Retry-After"]}'
    problem = json.loads(body)
    assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
    assert problem["detail"].startswith("rate limiter 'clients': used up")


def open_answer(status: int, headers: Any) -> None:
    assert status == 503
    assert 1 <= int(headers["Retry-After"]) <= 3600
    assert "RateLimit" not in headers


class AsgiClient:
    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str) -> httpx.Response:
        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.get(path)

        return asyncio.run(main())


def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def test_starlette() -> None:
    clients = KeyedRateLimiter(1, per=60, name="clients")
    app = Starlette(
        routes=[
            Route("/", hello),
            Route("/down", OPEN(hello)),
        ],
        middleware=[
            Middleware(
                FuseboardMiddleware,
                limiter=clients,
                key=lambda scope: Request(scope).query_params.get("user", ""),
            )
        ],
    )
    client = AsgiClient(app)
    answer = client.get("/?user=alice")
    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["RateLimit"] == '"clients";r=0'
    assert answer.headers["RateLimit-Policy"] == '"clients";q=1;w=60'
    answer = client.get("/?user=alice")
    limited_answer(answer.status_code, answer.headers, answer.content)
    assert client.get("/?user=bob").status_code == 200
    answer = client.get("/down?user=carol")
    open_answer(answer.status_code, answer.headers)


def test_starlette_concurrency() -> None:
    """A place is held as long as a request is handled."""
    places = ConcurrencyLimit(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert places.in_flight == 1
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    client = AsgiClient(FuseboardMiddleware(app, concurrency=places))
    assert client.get("/").status_code == 204
    with places:
        answer = client.get("/")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, False)
    assert places.in_flight == 0


def test_a_rejection_after_the_answer_has_begun_is_no_second_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        OPEN.acquire()

    with pytest.raises(CircuitOpenError):
        AsgiClient(FuseboardMiddleware(app)).get("/")


def test_flask() -> None:
    app = flask.Flask("shop")
    fuseboard.flask.init_app(app)
    clients = KeyedRateLimiter(1, per=60, name="clients")

    @app.get("/")
    @fuseboard.flask.limit(clients, key=lambda: flask.request.args["user"])
    def index() -> str:
        return "hello"

    @app.get("/down")
    @OPEN
    def down() -> str:
        return "never"

    client = app.test_client()
    answer = client.get("/?user=alice")
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"clients";r=0')
    answer = client.get("/?user=alice")
    limited_answer(answer.status_code, answer.headers, answer.data)
    assert client.get("/?user=bob").status_code == 200
    answer = client.get("/down")
    open_answer(answer.status_code, answer.headers)


CLIENTS = KeyedRateLimiter(1, per=60, name="clients")


@fuseboard.django.limit(CLIENTS, key=lambda request: request.GET["user"])
def django_index(request: Any) -> Any:
    return django.http.HttpResponse("hello")


@fuseboard.django.limit(CLIENTS, key=lambda request: request.GET["user"])
async def django_async_index(request: Any) -> Any:
    return django.http.HttpResponse("hello")


@OPEN
def django_down(request: Any) -> Any:
    return django.http.HttpResponse("never")


@pytest.fixture(scope="module")
def django_project() -> None:
    from django.urls import path  # type: ignore[import-untyped]

    urls = [
        path("", django_index),
        path("async", django_async_index),
        path("down", django_down),
    ]
    django_settings.configure(
        SECRET_KEY="none",
        ROOT_URLCONF=tuple(urls),
        MIDDLEWARE=["fuseboard.django.rejections"],
        ALLOWED_HOSTS=["testserver"],
    )
    django.setup()


def test_django(django_project: None) -> None:
    CLIENTS.reset()
    client = django.test.Client()
    answer = client.get("/?user=alice")
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"clients";r=0')
    answer = client.get("/?user=alice")
    limited_answer(answer.status_code, answer.headers, answer.content)
    assert client.get("/?user=bob").status_code == 200
    answer = client.get("/down")
    open_answer(answer.status_code, answer.headers)


def test_django_async(django_project: None) -> None:
    CLIENTS.reset()

    async def main() -> None:
        client = django.test.AsyncClient()
        assert (await client.get("/async?user=alice")).status_code == 200
        answer = await client.get("/async?user=alice")
        limited_answer(answer.status_code, answer.headers, answer.content)
        answer = await client.get("/down")
        open_answer(answer.status_code, answer.headers)

    asyncio.run(main())


class Upstream:
    """Answers with the statuses that it is told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = upstream.statuses.pop(0)
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.server.shutdown()
    upstream.server.server_close()


@pytest.mark.parametrize("library", ["httpx", "httpx async", "requests"])
def test_clients(library: str, upstream: Upstream) -> None:
    """Answers from 500 up count as failures and come back as they are; then nothing is sent."""
    policy = PerHost(
        lambda host: CircuitBreaker(host, minimum_requests=2, is_failure=failed_response)
    )
    upstream.statuses = [200, 503, 200, 200]

    def get() -> int:
        if library == "requests":
            with requests.Session() as session:
                session.mount("http://", fuseboard.requests.Adapter(policy))
                return session.get(upstream.url).status_code
        if library == "httpx":
            with httpx.Client(transport=fuseboard.httpx.Transport(policy)) as client:
                return client.get(upstream.url).status_code

        async def main() -> int:
            transport = fuseboard.httpx.AsyncTransport(policy)
            async with httpx.AsyncClient(transport=transport) as client:
                return (await client.get(upstream.url)).status_code

        return asyncio.run(main())

    assert (get(), get()) == (200, 503)
    with pytest.raises(CircuitOpenError) as caught:
        get()
    assert caught.value.name == "127.0.0.1"
    assert len(upstream.statuses) == 2
    policy("127.0.0.1").reset()
    assert get() == 200


def test_retry_after_of_an_answer(upstream: Upstream, clock: ManualClock) -> None:
    upstream.statuses = [429, 503, 200]
    pipeline = Pipeline(
        Retry(
            3,
            retry_result=failed_response,
            backoff=Backoff(1, jitter="none"),
            clock=clock,
        ),
        CircuitBreaker("api", minimum_requests=10, is_failure=failed_response),
    )
    with httpx.Client(transport=fuseboard.httpx.Transport(pipeline)) as client:
        assert client.get(upstream.url).status_code == 200
    assert clock() == 9_000_000_000


@pytest.mark.parametrize(("after", "header"), [(0.0, "1"), (0.2, "1"), (2.0, "2"), (2.1, "3")])
def test_l8_who_comes_back_as_told_is_not_too_early(after: float, header: str) -> None:
    headers = headers_of(RateLimitedError('a "b" \u00fc', "limited", after))
    assert headers["Retry-After"] == header
    assert headers["RateLimit"] == f'"a \\"b\\" ?";r=0;t={header}'


def test_per_host_forgets_what_is_closed_and_was_used_longest_ago() -> None:
    policy = PerHost(CircuitBreaker, capacity=2)
    first, second = policy("a"), policy("b")
    first.force_open()
    assert policy("a") is first
    policy("c")
    assert len(policy) == 2
    assert policy("a") is first
    assert policy("b") is not second


def test_quota_of_each_kind() -> None:
    assert TokenBucketRateLimiter(10, per=5, burst=20).quota == (20, 10)
    bucket = TokenBucketRateLimiter(10)
    bucket.configure(5, burst=10)
    assert bucket.quota == (10, 2)
