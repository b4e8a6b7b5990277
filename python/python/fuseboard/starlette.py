"""For FastAPI, Starlette and every other ASGI server: limits in front, and honest answers to rejections.

Nothing of Starlette is needed: `app.add_middleware(FuseboardMiddleware, limiter=...)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ._concurrency import ConcurrencyLimit
from ._errors import RejectedError
from ._http import Asked, Limiter, aadmitted, body_of, headers_of, remaining_of, status_of
from ._keyed import Key

__all__ = ["FuseboardMiddleware", "client_address"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def client_address(scope: Scope) -> str:
    """Of the peer; behind a proxy have the server trust its headers (uvicorn: `--proxy-headers`)."""
    client = scope.get("client")
    return str(client[0]) if client else ""


class FuseboardMiddleware:
    """Answers 429 or 503, with `Retry-After`, `RateLimit` and problem details, to what is rejected: by
    `limiter` and `concurrency` before the request is handled, or by any breaker or limiter inside of it.

    Args:
        app: The application.
        limiter: For all requests together; with a `KeyedRateLimiter` or one of `fuseboard.redis` for each `key`.
        key: Whose limit it is, from the ASGI scope.
        concurrency: Requests handled at once.
    """

    def __init__(
        self,
        app: App,
        *,
        limiter: Limiter | None = None,
        key: Callable[[Scope], Key] = client_address,
        concurrency: ConcurrencyLimit | None = None,
    ) -> None:
        self._app = app
        self._limiter = limiter
        self._key = key
        self._concurrency = concurrency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; only HTTP is looked at."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        of: Asked = None

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if self._limiter is not None:
                    message = {
                        **message,
                        "headers": [
                            *message.get("headers", ()),
                            *_raw(remaining_of(self._limiter, of)),
                        ],
                    }
            await send(message)

        try:
            async with aadmitted(
                self._limiter, lambda: self._key(scope), self._concurrency
            ) as of:
                await self._app(scope, receive, sending)
        except RejectedError as no:
            if begun:
                raise
            await send(
                {
                    "type": "http.response.start",
                    "status": status_of(no),
                    "headers": _raw(headers_of(no)),
                }
            )
            await send({"type": "http.response.body", "body": body_of(no)})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
