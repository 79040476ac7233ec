"""What HTTP adds lies above the database; modules whose acts race for rows say that they want each engine."""

from __future__ import annotations

from tests.engines import sqlite_alone

database_url = sqlite_alone
