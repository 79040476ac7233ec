"""An import is free when nobody lives who is at work on it: by its lease, or when its process is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from app.core import clock
from app.file_import.lease import is_free, new_owner, was_here

HOST = socket.gethostname()[:40]
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def free(owner: str | None, lease_ms: int = HOUR_MS) -> bool:
    """Whether nobody holds what this owner held under a lease that ends in so many milliseconds."""
    return is_free(owner, clock.now_ms() + lease_ms)


def test_only_a_living_owner_keeps_others_off(gone: int) -> None:
    mine = new_owner()
    assert free(None)
    assert not free(mine)
    assert free(mine, -1)
    assert free(f"{HOST}:{gone}:abcd:ef")
    assert free(f"{HOST}:{os.getpid()}:abcd:ef")
    assert not free(f"{HOST}:{os.getppid()}:abcd:ef")
    assert not free(f"{HOST}:1:abcd:ef")
    assert not free(f"elsewhere:{gone}:abcd:ef")


def test_only_a_process_of_this_host_that_is_gone_was_here(gone: int) -> None:
    assert was_here(f"{HOST}:{gone}:abcd:ef/2")
    assert was_here(f"{HOST}:{os.getpid()}:abcd:ef")
    for owner in (None, new_owner(), f"{HOST}:{os.getppid()}:abcd:ef", f"elsewhere:{gone}:abcd:ef"):
        assert not was_here(owner)


def test_owners_differ_from_import_to_import() -> None:
    assert new_owner() != new_owner()
