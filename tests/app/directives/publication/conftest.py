"""Published addresses, on both engines."""

from __future__ import annotations

from tests.engines import each_engine

database_url = each_engine
