"""What HTTP says about rejections: status, headers, body; and about answers: which of them are failures."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeAlias

from ._concurrency import ConcurrencyLimit
from ._errors import RateLimitedError, RejectedError
from ._keyed import Key, KeyedRateLimiter
from ._limiter import RateLimiter
from .redis import Decision
from .redis import RateLimiter as SharedRateLimiter

Limiter: TypeAlias = RateLimiter | KeyedRateLimiter | SharedRateLimiter
Asked: TypeAlias = Key | Decision | None
"""Whose limit it was; or what an engine has said of it."""

TITLES = {429: "Too Many Requests", 503: "Service Unavailable"}


def status_of(no: RejectedError) -> int:
    """429 for who asks too often; 503 for what cannot answer now."""
    return 429 if isinstance(no, RateLimitedError) else 503


def headers_of(no: RejectedError) -> dict[str, str]:
    """`Retry-After`, and of a limiter `RateLimit` as in the IETF's draft."""
    headers = {"Content-Type": "application/problem+json"}
    if no.retry_after is not None:
        # Whole seconds, and not before.
        wait = max(1, math.ceil(no.retry_after))
        headers["Retry-After"] = str(wait)
        if isinstance(no, RateLimitedError):
            headers["RateLimit"] = f"{_string(no.name)};r=0;t={wait}"
    return headers


def body_of(no: RejectedError) -> bytes:
    """Problem details, as in RFC 9457."""
    status = status_of(no)
    problem = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": str(no)}
    return json.dumps(problem).encode()


def remaining_of(limiter: Limiter, asked: Asked) -> dict[str, str]:
    """What is left, for the headers of an answer; and the policy, where it is known."""
    left: int | None
    if isinstance(asked, Decision):
        left = asked.remaining
    elif isinstance(limiter, KeyedRateLimiter):
        left = 0 if asked is None else limiter.available(asked)
    elif isinstance(limiter, RateLimiter):
        left = limiter.available()
    else:
        left = None
    name = _string(limiter.name)
    headers = {} if left is None else {"RateLimit": f"{name};r={left}"}
    units, seconds = limiter.quota
    headers["RateLimit-Policy"] = f"{name};q={units};w={max(1, math.ceil(seconds))}"
    return headers


def _string(name: str) -> str:
    """A structured field's string: printable ASCII."""
    text = "".join(letter if " " <= letter <= "~" else "?" for letter in name or "default")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def admitted(
    limiter: Limiter | None, key: Callable[[], Key], concurrency: ConcurrencyLimit | None
) -> Iterator[Asked]:
    """Around the handling of one request; gives what `remaining_of` wants to know."""
    asked: Asked = None
    with ExitStack() as stack:
        if concurrency is not None:
            stack.enter_context(concurrency.acquire())
        if isinstance(limiter, KeyedRateLimiter):
            asked = key()
            limiter.admit(asked)
        elif isinstance(limiter, SharedRateLimiter):
            asked = limiter.admit(_text(key()))
        elif limiter is not None:
            limiter.admit()
        yield asked


@asynccontextmanager
async def aadmitted(
    limiter: Limiter | None, key: Callable[[], Key], concurrency: ConcurrencyLimit | None
) -> AsyncIterator[Asked]:
    """The same, where other tasks run while an engine is asked."""
    if isinstance(limiter, SharedRateLimiter):
        with admitted(None, key, concurrency):
            yield await limiter.aadmit(_text(key()))
    else:
        with admitted(limiter, key, concurrency) as asked:
            yield asked


def _text(key: Key) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def failed_response(response: Any) -> bool:
    """For `CircuitBreaker(is_failure=...)` and `Retry(retry_result=...)`: an answer of 429 or from 500 up.

    Knows the responses of httpx, requests and others by their `status_code` or `status`.
    """
    status: Any = getattr(response, "status_code", None) or getattr(response, "status", 0)
    return bool(status == 429 or status >= 500)
