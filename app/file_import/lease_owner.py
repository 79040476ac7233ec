"""Who is at work on an import, and whether it still lives."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache

from app.core import clock


def new_owner() -> str:
    """A token of one import in this process: host, process number, process, import."""
    return f"{_host()}:{os.getpid()}:{_process()}:{secrets.token_hex(4)}"


def nth(owner: str, tries: int) -> str:
    """The token of an import that is the nth try at its row."""
    return f"{owner.partition('/')[0]}/{tries}"


def tries_of(owner: str | None) -> int:
    """How many tries there have been with the one whose token this is; 0 where the last one let go."""
    said = (owner or "").rpartition("/")[2]
    return int(said) if said.isdecimal() else 0


def is_free(owner: str | None, lease_until: int | None) -> bool:
    """Whether no living import is at work under this lease."""
    return owner is None or (lease_until or 0) <= clock.now_ms() or _has_died(owner)


def _has_died(owner: str) -> bool:
    """Whether the owner was a process of this host that is gone: then nobody need wait for its lease."""
    host, number, process, _ = owner.rsplit(":", 3)
    if host != _host() or process == _process():
        return False
    return int(number) == os.getpid() or not _is_running(int(number))


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def _process() -> str:
    """This process: after a restart another one may have the same name and number, as in a container."""
    return secrets.token_hex(4)


def _host() -> str:
    return socket.gethostname()[:40]
