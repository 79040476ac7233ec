"""Dates and papers are no work of the database."""

from __future__ import annotations

from tests.engines import sqlite_alone

database_url = sqlite_alone
