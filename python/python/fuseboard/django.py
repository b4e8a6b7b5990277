"""For Django: limits on views, and honest answers to rejections."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]
from django.utils.decorators import sync_and_async_middleware  # type: ignore[import-untyped]

from ._concurrency import ConcurrencyLimit
from ._errors import RejectedError
from ._http import Asked, Limiter, aadmitted, admitted, body_of, headers_of, remaining_of, status_of
from ._keyed import Key

__all__ = ["client_address", "limit", "rejections"]


def _answer(no: RejectedError) -> Any:
    response = HttpResponse(body_of(no), status=status_of(no))
    for name, value in headers_of(no).items():
        response[name] = value
    return response


def _middleware(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def process_exception(request: Any, exception: Exception) -> Any:
        return _answer(exception) if isinstance(exception, RejectedError) else None

    if inspect.iscoroutinefunction(get_response):

        async def async_middleware(request: Any) -> Any:
            return await get_response(request)

        middleware: Callable[[Any], Any] = async_middleware
    else:

        def sync_middleware(request: Any) -> Any:
            return get_response(request)

        middleware = sync_middleware
    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


rejections: Callable[[Callable[[Any], Any]], Callable[[Any], Any]] = sync_and_async_middleware(
    _middleware
)
"""Middleware, `"fuseboard.django.rejections"` in `MIDDLEWARE`: answers 429 or 503, with `Retry-After`,
`RateLimit` and problem details, to what any breaker or limiter inside of a view rejects.
"""


def client_address(request: Any) -> str:
    """Of the peer; behind a proxy give `limit` a key that reads the header that it sets."""
    return str(request.META.get("REMOTE_ADDR", ""))


def limit(
    limiter: Limiter | None = None,
    *,
    key: Callable[[HttpRequest], Key] = client_address,
    concurrency: ConcurrencyLimit | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a view, plain or `async def`: it is limited as a whole, or with a `KeyedRateLimiter` for
    each `key`, and its answers say what is left. A rejected request is answered by itself.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def async_limited(request: Any, *args: Any, **kwargs: Any) -> Any:
                try:
                    async with aadmitted(limiter, lambda: key(request), concurrency) as of:
                        response = await view(request, *args, **kwargs)
                except RejectedError as no:
                    return _answer(no)
                return _with_rest(response, limiter, of)

            return async_limited

        @functools.wraps(view)
        def limited(request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                with admitted(limiter, lambda: key(request), concurrency) as of:
                    response = view(request, *args, **kwargs)
            except RejectedError as no:
                return _answer(no)
            return _with_rest(response, limiter, of)

        return limited

    return decorate


def _with_rest(response: Any, limiter: Limiter | None, of: Asked) -> Any:
    if limiter is not None:
        for name, value in remaining_of(limiter, of).items():
            response[name] = value
    return response
