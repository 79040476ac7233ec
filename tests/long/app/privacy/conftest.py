"""On each engine: what is shown here has SQL of its own."""

from __future__ import annotations

from tests.engines import each_engine

database_url = each_engine
