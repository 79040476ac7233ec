"""Tables of addresses at which a campaign's text was published, and what was found there."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, text

from app.database.models.base import Ms, metadata, new_id, on_postgresql

# An address that an addressee has reported. It is read again while `due_at` says when.
publications = Table(
    "publications",
    metadata,
    new_id(),
    Column("directive_id", Integer, ForeignKey("directives.id"), nullable=False),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("addressee", String(200), nullable=False),
    Column("url", Text, nullable=False),
    Column("reported_at", Ms, nullable=False),
    Column("reported_by", String(80), nullable=False),
    Column("due_at", Ms),  # NULL: it is read no more
    Column("read_at", Ms),  # when it was last read; NULL: never
    Column("sha256", String(64)),  # of the bytes that were read then
    Column("failing_since", Ms),  # since when it could not be read; NULL: the last reading worked
    Column("failure", String(200)),
    Column("withdrawn_at", Ms),  # when it was said to be no such address; NULL: it is one
    Index(
        "ix_publications_url",
        *("directive_id", "campaign_id", "url"),
        unique=True,
        sqlite_where=text("withdrawn_at IS NULL"),
        info=on_postgresql(where="withdrawn_at IS NULL"),
    ),
    Index(
        "ix_publications_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        info=on_postgresql(where="due_at IS NOT NULL"),
    ),
)

# What readings found, a row whenever that was something else than before.
publication_findings = Table(
    "publication_findings",
    metadata,
    new_id(),
    Column("publication_id", Integer, ForeignKey("publications.id"), nullable=False, index=True),
    Column("at", Ms, nullable=False),
    Column("state", String(10), nullable=False),  # app/reports/figures/publications.py: PublicationState
    Column("sha256", String(64), nullable=False),  # of the bytes that were read
    Column("differences", JSON, nullable=False),  # of the words, numbers masked
)
