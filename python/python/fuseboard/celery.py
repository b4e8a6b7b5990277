"""For Celery: a task that is rejected comes back when it may.

`@app.task(base=RejectionTask, max_retries=10)`
"""

from __future__ import annotations

from typing import Any

from celery import Task  # type: ignore[import-untyped]

from ._errors import RejectedError

__all__ = ["RejectionTask"]


class RejectionTask(Task):  # type: ignore[misc]
    """A task base. What a breaker or limiter inside of the task rejects is retried after its
    `retry_after`, as often as the task's `max_retries` says; where nobody can know when, after
    `default_retry_delay`.
    """

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One run of the task."""
        try:
            return super().__call__(*args, **kwargs)
        except RejectedError as no:
            raise self.retry(exc=no, countdown=no.retry_after) from no
