"""For httpx: a transport whose requests go through a breaker, a limiter or a pipeline.

`httpx.Client(transport=Transport(CircuitBreaker("api", is_failure=failed_response)))`
"""

from __future__ import annotations

from typing import Any

import httpx

from ._hosts import Caller, PerHost, policy_of
from ._http import failed_response

__all__ = ["AsyncTransport", "PerHost", "Transport", "failed_response"]


class Transport(httpx.BaseTransport):
    """Sends what the policy admits.

    Args:
        policy: A breaker, limiter, `Retry`, `Pipeline`…, or `PerHost(lambda host: ...)`.
        transport: What sends; by default httpx's own.
    """

    def __init__(
        self, policy: Caller | PerHost[Any], transport: httpx.BaseTransport | None = None
    ) -> None:
        self._policy = policy
        self._transport = httpx.HTTPTransport() if transport is None else transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        policy = policy_of(self._policy, request.url.host)
        response: httpx.Response = policy.call(self._transport.handle_request, request)
        return response

    def close(self) -> None:
        """Closes the transport inside."""
        self._transport.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for `httpx.AsyncClient`."""

    def __init__(
        self, policy: Caller | PerHost[Any], transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._policy = policy
        self._transport = httpx.AsyncHTTPTransport() if transport is None else transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        policy = policy_of(self._policy, request.url.host)
        response: httpx.Response = await policy.acall(
            self._transport.handle_async_request, request
        )
        return response

    async def aclose(self) -> None:
        """Closes the transport inside."""
        await self._transport.aclose()
