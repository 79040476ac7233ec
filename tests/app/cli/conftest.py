"""Commands call what is tested on each engine elsewhere."""

from __future__ import annotations

from tests.engines import sqlite_alone

database_url = sqlite_alone
