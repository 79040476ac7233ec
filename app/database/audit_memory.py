"""What one process has seen of the audit's chain, and what a transaction has added to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from app.database.audit_heads import AuditHead

_HEAD, _NOTED = "loa_head", "loa_noted"
_MOST = 10_000  # runs and approvals that are remembered


class ChainMemory:
    """Up to which act a process has seen the audit's chain, and what it has found said there, about what."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: dict[str, tuple[AuditHead, bool]] = {}
        self.last: AuditHead | None = None

    def start_at(self, head: AuditHead) -> None:
        """The chain was seen up to here before; nothing that was there then may be gone."""
        with self._lock:
            self.last = head

    def noted(self, before: AuditHead, head: AuditHead) -> None:
        """An act of our own was added; where it is not behind what was seen, the next look tells."""
        with self._lock:
            if self.last is None or self.last.said == before.said:
                self.last = head

    def verdict(self, about: str) -> tuple[AuditHead, bool] | None:
        """What was found last, and which act was the newest then; None where nobody has looked."""
        with self._lock:
            return self._verdicts.get(about)

    def remember(self, about: str, newest: AuditHead, verdict: bool) -> None:
        """What was found; up to this act the chain was whole."""
        with self._lock:
            if len(self._verdicts) >= _MOST:
                self._verdicts.clear()
            self._verdicts[about] = newest, verdict
            if self.last is None or self.last.row <= newest.row:
                self.last = newest


def note_after_commit(connection: Connection, before: AuditHead, head: AuditHead, *, keep: bool) -> None:
    """Once the row is committed: this process has seen it follow on the one before.

    keep: tell whoever keeps heads of the audit's chain elsewhere.
    """
    begin = connection.info.get(_NOTED, (before, head))[0]
    connection.info[_NOTED] = begin, head
    if keep:
        connection.info[_HEAD] = head


def has_noted(connection: Connection) -> bool:
    """Whether this transaction has added to the audit."""
    return _NOTED in connection.info


def chain_memory_of(connection: Connection) -> ChainMemory | None:
    """What the process has seen of the audit; None without a secret_key, and in a transaction that reads."""
    options = connection.get_execution_options()
    if not (options.get("loa_keys") and options.get("loa_writing")):
        return None
    found: ChainMemory | None = options.get("loa_chain_memory")
    return found


def forget(connection: Connection) -> None:
    """A transaction begins; what one before it has added, and has not committed, is nothing."""
    connection.info.pop(_HEAD, None)
    connection.info.pop(_NOTED, None)


def tell(connection: Connection, memory: ChainMemory, on_head: Callable[[AuditHead], None] | None) -> None:
    """A transaction is committed: what it has added is seen, and told to whoever keeps heads."""
    if noted := connection.info.pop(_NOTED, None):
        memory.noted(*noted)
    if (head := connection.info.pop(_HEAD, None)) and on_head:
        on_head(head)
