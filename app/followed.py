"""What one process has seen of the audit's chain, and what a transaction has added to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from app.heads import Head

_HEAD, _NOTED = "loa_head", "loa_noted"


class Followed:
    """From which act to which a process has seen the audit's chain go on, and what was found said there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: dict[str, bool] = {}
        self._judged_at: Head | None = None
        self.span: tuple[Head, Head] | None = None

    def start_at(self, head: Head) -> None:
        """The chain was seen up to here before; nothing that was there then may be gone."""
        with self._lock:
            self.span = head, head

    def noted(self, before: Head, head: Head) -> None:
        """An act of our own was added; where it is not behind what was seen, the next look tells."""
        with self._lock:
            if self.span is None:
                self.span = head, head
            elif self.span[1].said == before.said:
                self.span = self.span[0], head

    def verdict(self, about: str, newest: Head) -> bool | None:
        """What was found while this was the newest act, if it still is; None where nobody has looked."""
        with self._lock:
            judged = self._judged_at is not None and self._judged_at.said == newest.said
            seen = self.span is not None and self.span[1].said == newest.said
            return self._verdicts.get(about) if judged and seen else None

    def remember(self, about: str, newest: Head, verdict: bool, span: tuple[Head, Head] | None) -> None:
        """What was found; `span`: from where to where the chain was whole, None where it was not."""
        with self._lock:
            if self._judged_at is None or self._judged_at.said != newest.said:
                self._verdicts, self._judged_at = {}, newest
            self._verdicts[about] = verdict
            if span is not None and (self.span is None or self.span[1].row <= span[1].row):
                self.span = span


def note_after_commit(connection: Connection, before: Head, head: Head, *, keep: bool) -> None:
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


def followed_of(connection: Connection) -> Followed | None:
    """What the process has seen of the audit; None without a secret_key, and in a transaction that reads."""
    options = connection.get_execution_options()
    if not (options.get("loa_keys") and options.get("loa_writing")):
        return None
    found: Followed | None = options.get("loa_followed")
    return found


def forget(connection: Connection) -> None:
    """A transaction begins; what one before it has added, and has not committed, is nothing."""
    connection.info.pop(_HEAD, None)
    connection.info.pop(_NOTED, None)


def tell(connection: Connection, followed: Followed, on_head: Callable[[Head], None] | None) -> None:
    """A transaction is committed: what it has added is seen, and told to whoever keeps heads."""
    if noted := connection.info.pop(_NOTED, None):
        followed.noted(*noted)
    if (head := connection.info.pop(_HEAD, None)) and on_head:
        on_head(head)
