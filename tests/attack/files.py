"""Hostile files handed in over the API: what they cost, and what is said of each."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from app.database.models import runs
from app.security import create_key
from tests.attack.host import Attacked, host
from tests.attack.hostile import LINES, QUICK, STORED, WORKBOOKS
from tests.attack.outcome import Outcome
from tests.bench.machinery import peak_mb
from tests.faults.processes import PATIENCE_S
from tests.long.app.accounts.scene import build

PEAK_MB, GROWTH_MB = 300.0, 20.0
_ENDS = ("ready", "failed")
_LONGEST_S = 900.0  # what Loa itself gives the largest of them is less
_FORMS = ("a row of 300 cells", "a row of a million cells", "68 million empty rows", "a billion laughs")


class Watch:
    """The most memory of the service and of each process that reads a file for it; the largest database."""

    def __init__(self, home: Attacked, pid: int) -> None:
        self.home, self.pid, self.peak = home, pid, 0.0
        self.before = self.largest = home.size_mb()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for child in _children(self.pid):
                with contextlib.suppress(OSError, StopIteration):
                    self.peak = max(self.peak, peak_mb(child))
            with contextlib.suppress(DBAPIError):
                self.largest = max(self.largest, self.home.size_mb())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        # A small file is read by the service itself.
        self.peak = max(self.peak, peak_mb(self.pid))
        self.largest = max(self.largest, self.home.size_mb())

    @property
    def grown(self) -> float:
        """By how many MB of rows the database has grown at the most, also where they are gone again."""
        return self.largest - self.before


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def wanted(engine: str, short: bool) -> list[str]:
    """All on SQLite, on PostgreSQL those of which something is stored."""
    if short:
        return list(QUICK)
    return [*WORKBOOKS, *LINES] if engine == "sqlite" else list(STORED)


async def attack(engine: str, short: bool) -> list[Outcome]:
    """Each file in its turn, as a batch; some as a carrier's result file and as its form as well."""
    found: list[Outcome] = []
    with host(engine) as home:
        db = home.keyed()
        build(db)
        db.write(lambda c: c.execute(update(runs).values(state="paused")))
        key = db.write(create_key, "clerk", "operator", "vnpt")
        db.close()
        program = await home.up()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=home.base, headers=headers, timeout=PATIENCE_S * 5) as http:
            for name in wanted(engine, short):
                found.append(_tried(home, http, program.process.pid, name, "/v1/batches"))
            for name in () if short or engine != "sqlite" else _FORMS:
                for door in ("/v1/receipt-files", "/v1/runs/1/statement-form"):
                    found.append(_tried(home, http, program.process.pid, name, door))
        alive = program.alive()
    attack = f"hostile files, {engine}"
    lives = Outcome(attack, "the service afterwards", len(found), "lives" if alive else "has ended", alive)
    return [*(each._replace(attack=attack) for each in found), lives]


def _tried(home: Attacked, http: httpx.Client, pid: int, name: str, door: str) -> Outcome:
    path = home.folder / "hostile"
    (WORKBOOKS | LINES)[name](path)
    size = path.stat().st_size
    began = time.monotonic()
    with Watch(home, pid) as watch:
        ended, said = _handed_in(http, path, door)
    took = time.monotonic() - began
    path.unlink()
    held = ended and watch.peak <= PEAK_MB and watch.grown <= GROWTH_MB
    figures = f"{took:.1f} s, {watch.peak:.0f} MB of memory, {watch.grown:.1f} MB of database"
    return Outcome("", f"{name} ({size / 1e6:.2f} MB, {door})", 1, f"{figures}: {said[:90]}", held)


def _handed_in(http: httpx.Client, path: Path, door: str) -> tuple[bool, str]:
    """Whether it came to an end with a sentence, and which."""
    with path.open("rb") as file:
        answer = http.post(door, files={"file": ("a.bin", file)}, data={"carrier": "vnpt"})
    if answer.status_code >= 400:
        said = str(answer.json().get("detail", ""))
        return answer.status_code < 500 and said.endswith("."), f"{answer.status_code} {said}"
    if "location" not in answer.headers:
        return False, f"was taken: {answer.text}"
    for found in _states(http, answer.headers["location"]):
        if found["state"] in _ENDS:
            counts = f"{found.get('accepted', 0)} of {found.get('lines', 0)} lines are good"
            said = str(found.get("error") or f"It is read: {counts}.")
            return said.endswith("."), said
    return False, "is read without an end"


def _states(http: httpx.Client, location: str) -> Iterator[dict[str, Any]]:
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        yield dict(json.loads(http.get(location).text))
        time.sleep(0.05)
