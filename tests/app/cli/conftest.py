"""Commands call what is tested on each engine elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.engines import sqlite_alone

database_url = sqlite_alone


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """Take back what `loa` sets for its process: here it is that of the tests which come after."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)
