"""What one process has seen of the audit's chain, and what a transaction adds to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from app.database.audit_heads import AuditHead

_HEAD, _NOTED = "loa_head", "loa_noted"
_MOST = 10_000  # verdicts on runs and approvals


class ChainMemory:
    """The last row of the audit's chain that the process has seen, and its verdicts by subject."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: dict[str, tuple[AuditHead, bool]] = {}
        self.last: AuditHead | None = None

    def start_at(self, head: AuditHead) -> None:
        """Set the head seen before this process started; nothing up to it may be missing."""
        with self._lock:
            self.last = head

    def noted(self, before: AuditHead, head: AuditHead) -> None:
        """Note a row of our own; if it does not follow what was seen, the next check will show that."""
        with self._lock:
            if self.last is None or self.last.said == before.said:
                self.last = head

    def verdict(self, about: str) -> tuple[AuditHead, bool] | None:
        """Return the last verdict and the head at that time, or None."""
        with self._lock:
            return self._verdicts.get(about)

    def remember(self, about: str, newest: AuditHead, verdict: bool) -> None:
        """Store a verdict; the chain was intact up to `newest`."""
        with self._lock:
            if len(self._verdicts) >= _MOST:
                self._verdicts.clear()
            self._verdicts[about] = newest, verdict
            if self.last is None or self.last.row <= newest.row:
                self.last = newest


def note_after_commit(connection: Connection, before: AuditHead, head: AuditHead, *, keep: bool) -> None:
    """Note a new head for after the commit; keep: also pass it to `on_head`, which keeps it outside."""
    begin = connection.info.get(_NOTED, (before, head))[0]
    connection.info[_NOTED] = begin, head
    if keep:
        connection.info[_HEAD] = head


def has_noted(connection: Connection) -> bool:
    return _NOTED in connection.info


def chain_memory_of(connection: Connection) -> ChainMemory | None:
    """Return the process's memory of the audit; None without a secret_key and in a read transaction."""
    options = connection.get_execution_options()
    if not (options.get("loa_keys") and options.get("loa_writing")):
        return None
    found: ChainMemory | None = options.get("loa_chain_memory")
    return found


def forget(connection: Connection) -> None:
    """Drop notes of an earlier transaction that was not committed."""
    connection.info.pop(_HEAD, None)
    connection.info.pop(_NOTED, None)


def tell(connection: Connection, memory: ChainMemory, on_head: Callable[[AuditHead], None] | None) -> None:
    """Apply the notes of a committed transaction, and pass on a head to be kept."""
    if noted := connection.info.pop(_NOTED, None):
        memory.noted(*noted)
    if (head := connection.info.pop(_HEAD, None)) and on_head:
        on_head(head)
