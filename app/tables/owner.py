"""Who is at work on an import, and whether it still lives."""

from __future__ import annotations

import os
import secrets
import socket

from app import clock

# Of this process: after a restart another one may have the same name and number, as in a container.
_PROCESS = secrets.token_hex(4)


def new_owner() -> str:
    """A token of one import in this process: host, process number, process, import."""
    return f"{_host()}:{os.getpid()}:{_PROCESS}:{secrets.token_hex(4)}"


def is_free(owner: str | None, lease_until: int | None) -> bool:
    """Whether no living import is at work under this lease."""
    return owner is None or (lease_until or 0) <= clock.now_ms() or _has_died(owner)


def _has_died(owner: str) -> bool:
    """Whether the owner was a process of this host that is gone: then nobody need wait for its lease."""
    host, number, process, _ = owner.rsplit(":", 3)
    if host != _host() or process == _PROCESS:
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


def _host() -> str:
    return socket.gethostname()[:40]
