"""What persons ask about their own data, and what they were answered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from app.database.models.base import Ms, metadata, new_id

# phone is NULL once the request is answered, so that an answered one holds no number.
person_requests = Table(
    "person_requests",
    metadata,
    new_id(),
    Column("kind", String(10), nullable=False),  # app/privacy/person_requests.py: RequestKind
    Column("phone", BigInteger),
    Column("masked", String(20), nullable=False),
    Column("came_on", Integer, nullable=False),  # date.toordinal(), Viet Nam, and so is due_on
    Column("due_on", Integer, nullable=False),
    Column("reference", String(200), nullable=False),  # how it came: a letter's number, a call
    Column("recorded_at", Ms, nullable=False),
    Column("recorded_by", String(80), nullable=False),
    Column("outcome", String(10)),  # RequestOutcome; NULL: open
    Column("answered_at", Ms),
    Column("answered_by", String(80)),
    Column("answer", Text),  # why, in the words of who answered
    Column("paper", Text),  # in Vietnamese, for who asked
    Column("sha256", String(64)),  # of the paper
    Column("seal", String(64)),  # over the paper by the secret_key; NULL without one
    Index("ix_person_requests_outcome_due_on", "outcome", "due_on"),
)
# The longest terms since the last confirmation; shorter ones wait for it (app/privacy/terms_in_force.py).
retention_terms = Table(
    "retention_terms",
    metadata,
    new_id(),
    Column("days", Integer, nullable=False),
    Column("months", Integer, nullable=False),
    Column("since", Ms, nullable=False),
)
