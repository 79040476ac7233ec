"""Tables of batches: their subscribers, and lines that gave none."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from app.database.models.base import Ms, metadata, new_id

batches = Table(
    "batches",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows_sha256", String(64)),  # of the subscribers as imported; NULL: older row
    Column("state", String(12), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    Column("lines", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("other_range", Integer, nullable=False, server_default="0"),  # numbers of another carrier's ranges
    Column("owner", String(80)),  # import at work; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    # Other accounts that uploaded the same file since: app/campaigns/approval.py.
    Column("again_by", JSON, nullable=False, server_default="[]"),
    UniqueConstraint("carrier", "sha256"),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # line number in the file
    Column("phone", BigInteger, nullable=False),
    Column("area", String(5)),
    Column("lang", String(8)),
    sqlite_with_rowid=False,
)

bad_lines = Table(
    "bad_lines",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", String(40), nullable=False),  # a key of app/core/phone.py REASONS or app/batches
    Column("value", String(80), nullable=False),  # content of the line, masked
    sqlite_with_rowid=False,
)
