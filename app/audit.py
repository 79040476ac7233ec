"""The record of what people did: rows that are only ever added."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from app import clock
from app.models import audit


def note(connection: Connection, who: str, action: str, subject: str, **detail: Any) -> None:
    """Write down one act, in the transaction of the act itself. No phone number belongs in `detail`."""
    row = {"at": clock.now_ms(), "who": who, "action": action, "subject": subject, "detail": detail}
    connection.execute(insert(audit).values(row))
