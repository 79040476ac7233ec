"""What is signed of a campaign's recordings: approvals bind it, reports print it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from app.database.models import recordings

_SIGNED = ("language", "areas", "wording", "sha256", "media_type", "duration_ms")
# Built once: every look at an approval asks it.
_QUERY = (
    select(*(recordings.c[name] for name in _SIGNED))
    .where(recordings.c.campaign_id == bindparam("of"))
    .order_by(recordings.c.language)
)


def recordings_of(connection: Connection, campaign_id: int) -> list[dict[str, Any]]:
    """Return what is signed of each recording, by language; never its bytes, which its SHA-256 stands for."""
    return [dict(row) for row in connection.execute(_QUERY, {"of": campaign_id}).mappings()]
