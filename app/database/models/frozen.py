"""Frozen reports and their files; inserted and never changed."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from app.database.models.base import Ms, metadata, new_id

frozen_reports = Table(
    "reports",
    metadata,
    new_id(),
    Column("kind", String(12), nullable=False),  # run | directive
    Column("subject_id", Integer, nullable=False),  # run or directive
    Column("carrier", String(40)),  # NULL: of several carriers
    Column("version", Integer, nullable=False),
    Column("cutoff_at", Ms, nullable=False),
    Column("interim", Integer, nullable=False),  # 1: figures could still change at the cut-off
    Column("figures", Text, nullable=False),  # JSON as hashed
    Column("sha256", String(64), nullable=False),  # of the figures
    Column("changes", JSON, nullable=False),  # differences from the previous version
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("kind", "subject_id", "version"),
    UniqueConstraint("kind", "subject_id", "cutoff_at"),
)

# In the database rather than a folder: one backup has ledger and documents, and every host finds them.
report_files = Table(
    "report_files",
    metadata,
    Column("report_id", Integer, ForeignKey("reports.id"), primary_key=True),
    Column("format", String(8), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
