"""Runs whose carrier calls and plays a recording: their words and names. Calls are added to no messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from app.database.models import audiences, runs
from app.ledger.signed_recordings import recordings_of

# Names of figures in JSON, where a report of messages has others.
NAMES = {
    "sent_messages": "placed_calls",
    "received_by_handset_messages": "answered_calls",
    "failed_messages": "unanswered_calls",
    "no_receipt_messages": "calls_of_unknown_outcome",
    "resent_times": "repeated_calls",
    "failed_messages_by_reason": "unanswered_calls_by_reason",
}
_NO_CALLS = ("texts", "sender", "sent_segments", "receipt_level")


@dataclass(frozen=True, slots=True)
class SpokenRecording:
    """What was played. areas: codes; empty: wherever no other one was. sha256: of the file."""

    language: str
    areas: tuple[str, ...]
    wording: str
    sha256: str
    duration_ms: int


def is_spoken(connection: Connection, run_id: int) -> bool:
    query = select(audiences.c.run_id).where(audiences.c.run_id == run_id, audiences.c.spoken)
    return connection.execute(query).first() is not None


def runs_of(connection: Connection, campaign_id: int) -> frozenset[int]:
    """Return the campaign's runs that call."""
    query = select(runs.c.id).join(audiences, audiences.c.run_id == runs.c.id)
    own = query.where(runs.c.campaign_id == campaign_id, audiences.c.spoken)
    return frozenset(connection.execute(own).scalars())


def recordings(connection: Connection, campaign_id: int) -> tuple[SpokenRecording, ...]:
    return tuple(
        SpokenRecording(
            language=row["language"],
            areas=tuple(row["areas"]),
            wording=row["wording"],
            sha256=row["sha256"],
            duration_ms=row["duration_ms"],
        )
        for row in recordings_of(connection, campaign_id)
    )


def as_calls(document: Any) -> Any:
    """Return JSON of stated figures with the names of calls, without what only messages have."""
    if isinstance(document, dict):
        kept = {key: each for key, each in document.items() if key not in _NO_CALLS}
        return {NAMES.get(key, key): as_calls(each) for key, each in kept.items()}
    return [as_calls(each) for each in document] if isinstance(document, list) else document
