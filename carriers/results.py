"""Derive the health of a link from the results of its messages."""

from __future__ import annotations

from collections.abc import Iterable

from carriers.contract import Accepted, Deferred, Partial, Rejected, SubmitResult
from carriers.health import HealthRecord


def note_results(health: HealthRecord, results: Iterable[SubmitResult]) -> None:
    """Note whether the carrier processes messages at all.

    One accepted or rejected message proves that it does; otherwise a refusal says that it takes none.
    Deferrals decided on our side (link down or probing) say nothing.
    """
    refused: Deferred | None = None
    for result in results:
        if isinstance(result, Accepted | Partial | Rejected):
            health.took()
            return
        if isinstance(result, Deferred) and (result.throttled or result.counts):
            refused = result
    if refused is not None:
        health.put_off(refused.code, refused.retry_after_s)
