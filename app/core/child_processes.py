"""Processes that read hostile bytes: they inherit no secret of ours, and leave no memory dump."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])  # root of our own modules
# An allowlist: passwords may be in any variable, such as PGPASSWORD or one of the host's own.
_NAMES = frozenset(("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"))
_PREFIXES = ("LC_", "PYTHON", "COVERAGE_", "COV_")


def environment() -> dict[str, str]:
    """Return the environment for a process that reads hostile bytes, with our modules to be found."""
    own = {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return own | {"PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, own.get("PYTHONPATH"))))}


def limit(memory: int, seconds: int) -> None:
    """Limit this process's address space in bytes and processor time; it never dumps its memory."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
