"""In the drilled process: a database that stops its process, or its server, at a named point of the code."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from app.core import clock
from app.database.connection import Database

# ---- The named points of the code at which the drill kills: around each transaction that matters

WHERE = ("before", "in", "after")  # "in": all is written, and the commit is still to come

# The function that a transaction runs -> what the drill calls it.
_NAMES = {
    "claim": "claim",
    "release": "release",
    "renew": "renewal",
    "apply": "receipts",
    "rematch": "settling",
    "fan_out_next": "fan-out",
    "advance": "advance",
    "fold_tallies": "tallies",
    "once": "order",
    "_store": "import",
    "_finish": "import end",
}
# Where a sender may die: "before record" is after the wire, with every answer in hand; "after receipts" is
# committed and not acknowledged; "after intend" and "after record" are declared and not sent.
SENDER = tuple(
    f"{where} {name}"
    for name in ("claim", "intend", "record", "receipts", "release", "advance", "settling", "tallies")
    for where in WHERE
)
FAN_OUT = tuple(f"{where} fan-out" for where in WHERE)
IMPORT = tuple(f"{where} {name}" for name in ("import", "import end") for where in WHERE)
ORDER = tuple(f"{where} order" for where in WHERE)
# Where the database's server may stop under a sender.
SERVER = ("before record", "in record", "after record", "in receipts", "after receipts", "in claim")


def name_of(work: Callable[..., Any], args: tuple[object, ...]) -> str | None:
    """What the drill calls this transaction; None where it has no name."""
    called = getattr(work, "__name__", "")
    if called == "record":
        return "record" if args[2] else "intend"  # without outcomes it declares, and records nothing
    return _NAMES.get(called)


FUSE = "LOA_DRILL_FUSE"  # names the file by which the drill speaks to the process

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedFailure:
    """What the process shall do to itself.

    point: where to send the signal, at the `turn`th time ("": nowhere); pid: to whom (0: itself); slow_s:
    what every commit takes longer, as on a slow disk; skew_s: how far its wall clock is off.
    """

    point: str = ""
    turn: int = 1
    pid: int = 0
    signal: int = int(signal.SIGKILL)
    slow_s: float = 0.0
    skew_s: float = 0.0

    def lay(self, file: Path) -> None:
        """Leave it where the process looks before each transaction; whole or not at all."""
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(file)


class FaultInjector:
    """Reads the charge when its file changes, and counts how often its point was reached."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0
        self._reached = 0
        self._lock = threading.Lock()
        self.charge = PlannedFailure()

    def look(self) -> PlannedFailure:
        """The charge as the file has it now."""
        with self._lock:
            try:
                changed = self._file.stat().st_mtime_ns
                if changed != self._seen:
                    self.charge = PlannedFailure(**json.loads(self._file.read_text("utf-8")))
                    self._seen, self._reached = changed, 0
            except FileNotFoundError:
                self._seen, self.charge = 0, PlannedFailure()
        return self.charge

    def at(self, point: str) -> None:
        """The code has come to this point."""
        charge = self.charge
        if point != charge.point:
            return
        with self._lock:
            self._reached += 1
            if self._reached != charge.turn:
                return
        self._file.unlink(missing_ok=True)  # the next process starts without it
        os.kill(charge.pid or os.getpid(), charge.signal)
        if not charge.pid:
            time.sleep(60)  # a signal to oneself may reach another thread first


class Armed(Database):
    """A database whose writes pass the fuse. Named points: before, in (not yet committed) and after each."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self._fuse = FaultInjector(Path(os.environ[FUSE]))
        skew(self._fuse)

    def _submit(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        charge, name = self._fuse.look(), name_of(work, args)
        if name is None:
            return super()._submit(work, *args, **kwargs)
        self._fuse.at(f"before {name}")

        def written(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
            done = work(connection, *args, **kwargs)
            if charge.slow_s:
                time.sleep(charge.slow_s)
            self._fuse.at(f"in {name}")
            return done

        future = super()._submit(written, *args, **kwargs)
        future.add_done_callback(lambda done: None if done.exception() else self._fuse.at(f"after {name}"))
        return future


def skew(fuse: FaultInjector) -> None:
    """Let this process's wall clock be as far off as the charge says; monotonic time goes on as it does."""
    now, now_ms = clock.now, clock.now_ms
    clock.now = lambda: now() + timedelta(seconds=fuse.charge.skew_s)
    clock.now_ms = lambda: now_ms() + round(1000 * fuse.charge.skew_s)
