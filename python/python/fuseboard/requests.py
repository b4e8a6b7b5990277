"""For requests: an adapter whose requests go through a breaker, a limiter or a pipeline.

`session.mount("https://", Adapter(CircuitBreaker("api", is_failure=failed_response)))`
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from ._hosts import Caller, PerHost, policy_of
from ._http import failed_response

__all__ = ["Adapter", "PerHost", "failed_response"]


class Adapter(HTTPAdapter):
    """Sends what the policy admits.

    Args:
        policy: A breaker, limiter, `Retry`, `Pipeline`…, or `PerHost(lambda host: ...)`.
        arguments: As of `requests.adapters.HTTPAdapter`.
    """

    def __init__(self, policy: Caller | PerHost[Any], **arguments: Any) -> None:
        self._policy = policy
        super().__init__(**arguments)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """One request."""
        policy = policy_of(self._policy, urlsplit(request.url).hostname or "")
        return policy.call(super().send, request, *args, **kwargs)
