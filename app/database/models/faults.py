"""Unexpected errors: one row per part and affected row, shown until `red_until`."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from app.database.models.base import Ms, metadata

faults = Table(
    "faults",
    metadata,
    Column("source", String(80), primary_key=True),  # the affected part of Loa
    Column("subject", String(120), primary_key=True),  # the affected row; "": the part itself
    Column("reason", String(300), nullable=False),
    Column("first_at", Ms, nullable=False),
    Column("last_at", Ms, nullable=False),
    Column("times", Integer, nullable=False),
    Column("red_until", Ms, nullable=False),
)
