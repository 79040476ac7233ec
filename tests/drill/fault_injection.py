"""Fault injection: a database that stops its process, or its server, at a named point of the code."""

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

# Named points: before, within and after each transaction that matters

WHERE = ("before", "in", "after")  # "in": all is written but not committed

# Function of the transaction -> name in the drill.
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
# Points at which a sender may die. "before record": all answers are received and none is recorded; "after
# receipts": committed but not acknowledged; "after intend" and "after record": reserved but not sent.
SENDER = tuple(
    f"{where} {name}"
    for name in ("claim", "intend", "record", "receipts", "release", "advance", "settling", "tallies")
    for where in WHERE
)
FAN_OUT = tuple(f"{where} fan-out" for where in WHERE)
IMPORT = tuple(f"{where} {name}" for name in ("import", "import end") for where in WHERE)
ORDER = tuple(f"{where} order" for where in WHERE)
# Points of the sender at which the database server may stop.
SERVER = ("before record", "in record", "after record", "in receipts", "after receipts", "in claim")


def name_of(work: Callable[..., Any], args: tuple[object, ...]) -> str | None:
    """Name the transaction; None if no fault may hit it."""
    called = getattr(work, "__name__", "")
    if called == "record":
        return "record" if args[2] else "intend"  # without outcomes it only reserves
    return _NAMES.get(called)


CONTROL_FILE = "LOA_DRILL_FUSE"  # names the control file between drill and process

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedFailure:
    """What the process does to itself.

    point: where to send the signal, at its `turn`th occurrence ("": nowhere); pid: to whom (0: itself);
    slow_s: delay of every commit, as on a slow disk; skew_s: offset of its wall clock.
    """

    point: str = ""
    turn: int = 1
    pid: int = 0
    signal: int = int(signal.SIGKILL)
    slow_s: float = 0.0
    skew_s: float = 0.0

    def write(self, file: Path) -> None:
        """Write the control file, atomically; the process reads it before each transaction."""
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(file)


class FaultInjector:
    """Reads the control file when it changes, and counts how often its point was reached."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0
        self._reached = 0
        self._lock = threading.Lock()
        self.planned = PlannedFailure()

    def look(self) -> PlannedFailure:
        with self._lock:
            try:
                changed = self._file.stat().st_mtime_ns
                if changed != self._seen:
                    self.planned = PlannedFailure(**json.loads(self._file.read_text("utf-8")))
                    self._seen, self._reached = changed, 0
            except FileNotFoundError:
                self._seen, self.planned = 0, PlannedFailure()
        return self.planned

    def at(self, point: str) -> None:
        """Send the signal if this is the planned occurrence of the planned point."""
        planned = self.planned
        if point != planned.point:
            return
        with self._lock:
            self._reached += 1
            if self._reached != planned.turn:
                return
        self._file.unlink(missing_ok=True)  # the next process starts without it
        os.kill(planned.pid or os.getpid(), planned.signal)
        if not planned.pid:
            time.sleep(60)  # a signal to oneself may reach another thread first


class FaultInjectingDatabase(Database):
    """A database with fault points before, in (not yet committed) and after each named write."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self._injector = FaultInjector(Path(os.environ[CONTROL_FILE]))
        skew(self._injector)

    def _submit(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        planned, name = self._injector.look(), name_of(work, args)
        if name is None:
            return super()._submit(work, *args, **kwargs)
        self._injector.at(f"before {name}")

        def written(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
            done = work(connection, *args, **kwargs)
            if planned.slow_s:
                time.sleep(planned.slow_s)
            self._injector.at(f"in {name}")
            return done

        future = super()._submit(written, *args, **kwargs)
        future.add_done_callback(
            lambda done: None if done.exception() else self._injector.at(f"after {name}")
        )
        return future


def skew(injector: FaultInjector) -> None:
    """Offset this process's wall clock as planned; monotonic time is unaffected."""
    now, now_ms, latest_ms = clock.now, clock.now_ms, clock.latest_ms
    clock.now = lambda: now() + timedelta(seconds=injector.planned.skew_s)
    clock.now_ms = lambda: now_ms() + round(1000 * injector.planned.skew_s)
    clock.latest_ms = lambda: latest_ms() + round(1000 * injector.planned.skew_s)
