"""What HTTP says about rejections: status, headers, body; and about answers: which of them are failures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from ._concurrency import ConcurrencyLimit
from ._errors import RateLimitedError, RejectedError
from ._keyed import Key, KeyedRateLimiter
from ._limiter import RateLimiter

Limiter: TypeAlias = RateLimiter | KeyedRateLimiter

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


def remaining_of(limiter: Limiter, key: Key | None) -> dict[str, str]:
    """What is left, for the headers of an answer; and the policy, where it is known."""
    if isinstance(limiter, KeyedRateLimiter):
        left = 0 if key is None else limiter.available(key)
    else:
        left = limiter.available()
    name = _string(limiter.name)
    headers = {"RateLimit": f"{name};r={left}"}
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
) -> Iterator[Key | None]:
    """Around the handling of one request; gives the key that was limited."""
    of: Key | None = None
    with ExitStack() as stack:
        if concurrency is not None:
            stack.enter_context(concurrency.acquire())
        if isinstance(limiter, KeyedRateLimiter):
            of = key()
            limiter.admit(of)
        elif limiter is not None:
            limiter.admit()
        yield of


def failed_response(response: Any) -> bool:
    """For `CircuitBreaker(is_failure=...)` and `Retry(retry_result=...)`: an answer of 429 or from 500 up.

    Knows the responses of httpx, requests and others by their `status_code` or `status`.
    """
    status: Any = getattr(response, "status_code", None) or getattr(response, "status", 0)
    return bool(status == 429 or status >= 500)
