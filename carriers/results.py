"""What the results of messages say of their link: whether the carrier takes anything at all."""

from __future__ import annotations

from collections.abc import Iterable

from carriers.contract import Accepted, Deferred, Partial, Rejected, SubmitResult
from carriers.health import HealthRecord


def note_results(health: HealthRecord, results: Iterable[SubmitResult]) -> None:
    """One message that was worked off says that the carrier takes some; else a refusal that it takes none.

    What was put off on this side alone (a link that is down or held back) says nothing.
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
