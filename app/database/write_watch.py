"""Notice writes that wait: for a standby, a lock or a disk nothing fails, yet everything stands still."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.logger import get_logger
from app.database.server_waits import WAITS_AFTER_S, ServerWait

log = get_logger(__name__)

_LOOK_EVERY_S = 0.5
_ANSWER_WITHIN_S = 2.0
NOT_DONE = "The database is not accepting changes. Nothing was changed. Try again later."
UNCONFIRMED = (
    "The database has not confirmed this change. It may take effect once the database is back. "
    "Check before you try again."
)


@dataclass(slots=True, eq=False)
class OpenWrite:
    """A write transaction that is under way; since: when its present step began (monotonic).

    working: it has begun and does not commit yet, so that it may be long without waiting. raw: the driver's
    connection, on PostgreSQL. answer: what somebody waits for who must be told soon.
    """

    since: float
    working: bool = False
    raw: Any = None
    answer: Future[Any] | None = None

    def enter(self, *, working: bool) -> None:
        self.working, self.since = working, clock.monotonic()


class WriteWatch:
    """Watches the writes of one process in a thread of its own, from the first one on.

    A write that has waited WAITS_AFTER_S makes the database away: one line of log, and one when it is over.
    """

    def __init__(
        self,
        ask: Callable[[], ServerWait | None],
        is_out: Callable[[], bool],
        gives_up: Callable[[float | None], bool],
    ) -> None:
        """ask: what writers wait for, by the server. is_out: whether an outage is logged already.

        gives_up: whether this process ends and has waited long enough, given since when writes wait.
        """
        self.found: ServerWait | None = None
        self._ask, self._is_out, self._gives_up = ask, is_out, gives_up
        self._open: set[OpenWrite] = set()
        self._waiting: set[OpenWrite] = set()
        self._suspects: set[OpenWrite] = set()
        self._queued: dict[Future[Any], float] = {}  # since when (monotonic)
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self._askers = ThreadPoolExecutor(1, "loa-ask")
        self._question: Future[ServerWait | None] | None = None

    # ---- What the writers say

    def begin(self) -> OpenWrite:
        if self._thread is None:
            self._start()
        write = OpenWrite(clock.monotonic())
        self._open.add(write)
        return write

    def end(self, write: OpenWrite, *, committed: bool) -> None:
        self._open.discard(write)
        if self.found is not None:
            with self._lock:
                self._waiting.discard(write)
                if committed and not self._waiting:
                    self._over()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._ends.is_set():
                self._thread = threading.Thread(target=self._run, name="loa-waits", daemon=True)
                self._thread.start()

    # ---- Who waits for an answer, and can't wait for ever

    def queue(self, answer: Future[Any]) -> None:
        """Let the answer be an error once writes wait. Raises DatabaseUnavailable if no commit ends now."""
        if self.found is not None and self.found.commits:
            raise DatabaseUnavailable(NOT_DONE, cause=self.found.sentence)
        self._queued[answer] = clock.monotonic()

    def take(self, answer: Future[Any]) -> bool:
        """Return whether the work is to be done still."""
        with self._lock:
            self._queued.pop(answer, None)
            return not answer.done()

    def settle(self, answer: Future[Any], done: Future[Any]) -> None:
        """Answer with what the work has come to."""
        error = done.exception()
        # Nobody waits any longer if it was refused meanwhile, or cancelled with the caller's task.
        with suppress(InvalidStateError):
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(error)

    # ---- The thread

    def _run(self) -> None:
        while not self._ends.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        late = clock.monotonic() - WAITS_AFTER_S
        if self._is_out():  # each of those before it may have to wait for a lock's time
            with self._lock:
                self._refuse([answer for answer, since in list(self._queued.items()) if since < late])
        old = {write for write in self._open.copy() if write.since < late}
        if self._gives_up(min((write.since for write in self._waiting & old), default=None)):
            self.break_off()
        if not (old or self.found):
            self._suspects = set()
            return
        found = self._asked() if old else None
        # Behind a commit that waits, others wait for its locks.
        waiting = old if found else {write for write in old if not write.working}
        # Seen twice: a process that was suspended, or that gets no processor, finds all its writes old.
        waiting, self._suspects = waiting & self._suspects, waiting
        with self._lock:
            self._waiting = waiting & self._open
            if not self._waiting:
                self._over()
                return
            first = min(write.since for write in self._waiting)
            self._stand(found or ServerWait("", clock.monotonic() - first))

    def _asked(self) -> ServerWait | None:
        """Ask the server; None if it does not answer soon: the question may wait as the writes do."""
        if self._question is None or self._question.done():
            self._question = self._askers.submit(self._ask)
        wait([self._question], _ANSWER_WITHIN_S)
        if not self._question.done() or self._question.exception() is not None:
            return None  # what is wrong with reading is said elsewhere
        return self._question.result()

    def _stand(self, wait: ServerWait) -> None:
        if self.found is None and not self._is_out():
            log.error("the database is away", reason=wait.sentence)
        self.found = wait
        if wait.commits:
            self._refuse(list(self._queued), wait.sentence)
        for write in self._waiting:
            if write.answer is not None:
                _fail(write.answer, UNCONFIRMED, wait.sentence)

    def _refuse(self, answers: Iterable[Future[Any]], reason: str = "") -> None:
        """Answer those whose work has not begun, and leave it undone."""
        for answer in answers:
            if self._queued.pop(answer, None) is not None:
                _fail(answer, NOT_DONE, reason)

    def _over(self) -> None:
        if self.found is not None:
            self.found = None
            if not self._is_out():
                log.warning("the database is back")

    # ---- The end

    def break_off(self) -> None:
        """Cut the connections of old writes, because this process ends; the server goes on by itself."""
        late = clock.monotonic() - WAITS_AFTER_S
        for raw in [write.raw for write in self._open.copy() if write.since < late]:
            if raw is not None and not raw.closed:
                with suppress(OSError), socket.socket(fileno=os.dup(raw.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._ends.set()
        self.break_off()
        self._askers.shutdown(wait=False)


def _fail(answer: Future[Any], sentence: str, reason: str) -> None:
    with suppress(InvalidStateError):
        answer.set_exception(DatabaseUnavailable(sentence, cause=reason))
