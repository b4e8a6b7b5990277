"""For Flask: limits on views, and honest answers to rejections."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, Response, make_response, request

from ._concurrency import ConcurrencyLimit
from ._errors import RejectedError
from ._http import Limiter, admitted, body_of, headers_of, remaining_of, status_of
from ._keyed import Key

__all__ = ["client_address", "init_app", "limit"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def init_app(app: Flask) -> None:
    """Answers 429 or 503, with `Retry-After`, `RateLimit` and problem details, to what any breaker or
    limiter inside of a view rejects.
    """
    app.register_error_handler(RejectedError, _answer)


def _answer(no: RejectedError) -> Response:
    return Response(body_of(no), status_of(no), headers_of(no))


def client_address() -> str:
    """Of the peer; behind a proxy use werkzeug's `ProxyFix`."""
    return request.remote_addr or ""


def limit(
    limiter: Limiter | None = None,
    *,
    key: Callable[[], Key] = client_address,
    concurrency: ConcurrencyLimit | None = None,
) -> Callable[[Callable[_P, _R]], Callable[_P, Response]]:
    """Decorates a view, below `@app.route`: it is limited as a whole, or with a `KeyedRateLimiter` for each
    `key`, and its answers say what is left.
    """

    def decorate(view: Callable[_P, _R]) -> Callable[_P, Response]:
        @functools.wraps(view)
        def limited(*args: _P.args, **kwargs: _P.kwargs) -> Response:
            with admitted(limiter, key, concurrency) as of:
                response = make_response(view(*args, **kwargs))
            if limiter is not None:
                response.headers.update(remaining_of(limiter, of))
            return response

        return limited

    return decorate
