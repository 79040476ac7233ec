"""Loa at work for a year: its processes, its campaigns through the API, and what is expected of each run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.models import links, runs
from tests.drill.fault_injection import CONTROL_FILE, PlannedFailure
from tests.faults.processes import Home, Program
from tests.faults.view import View
from tests.year.carriers import FIRST, MARK, Carriers, Late

PATIENCE_S = 90.0
NAMES = ("vnpt", "mobifone", "viettel")
_LOOK_S = 0.15
_BODY = {"purpose": "canh_bao_khan", "sender": "CA SON LA", "day_starts": "00:00", "day_ends": "24:00"}
_LETTER = {"issued_on": "2024-01-29", "issuer": "Công an tỉnh", "subject": "Tuyên truyền"}
SENT, PAUSED = RunState.SENT.value, RunState.PAUSED.value
FINISHED, CANCELLED = RunState.FINISHED.value, RunState.CANCELLED.value


def processor_s(pid: int) -> float:
    """Processor time of all threads of a process since its start, those that ended too."""
    return time.clock_gettime((~pid) << 3 | 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how much. `size`: messages of each carrier in a round's main campaign."""

    rounds: int = 24
    size: int = 120
    rate: int = 400
    retention_days: int = 90
    papers: bool = True  # freeze a report of each round
    measured: int = 0  # messages of a campaign whose cost is measured, in the first and the last round


@dataclass(slots=True)
class Year:
    """What goes on through all rounds. `expected`: the state in which each run is to be at a round's end."""

    home: Home
    carriers: Carriers
    plan: Plan
    running: list[Program] = field(default_factory=list)
    expected: dict[int, str] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)  # the beginning of a text -> its campaign
    lates: list[Late] = field(default_factory=list)
    held_over: list[int] = field(default_factory=list)  # runs that are resumed in the next round
    without_report: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    keys: tuple[str, str] = ("", "")
    began: float = field(default_factory=time.monotonic)
    _files: int = 0
    http: httpx.AsyncClient = field(init=False)

    @property
    def view(self) -> View:
        return View(self.home.url)

    # ---- processes

    def configure(self) -> None:
        """Write the settings with the links as they are called now."""
        own: dict[str, object] = {"lease_seconds": 2, "requests_per_minute": 1_000_000}
        own |= {"retention_days": self.plan.retention_days, "sub_batch": 50, "chunk_size": 100}
        self.home.configure(self.carriers.links(), self.carriers.tables(), **own)

    async def begin(self) -> None:
        """Settings, two accounts, and a client of the API."""
        self.configure()
        made = [await self.home.command("key", "add", "author")]
        made.append(await self.home.command("key", "add", "chief", "--role", "approver"))
        self.keys = (made[0].splitlines()[-1], made[1].splitlines()[-1])
        headers = {"Authorization": f"Bearer {self.keys[0]}"}
        self.http = httpx.AsyncClient(base_url=self.home.base, headers=headers, timeout=30)

    async def start(self, *, wrong_clock_s: float = 0.0) -> None:
        """Start all, and wait until all serve; a wrong clock: on SQLite's one host, or on a second one."""
        if wrong_clock_s and self.home.sqlite:
            self.running = [self._drilled("up", wrong_clock_s)]
        else:
            self.running = self.home.all()
        if wrong_clock_s and not self.home.sqlite:
            self.running.append(self._drilled("worker", wrong_clock_s))
        await self.until(self._serves, "the API serves and the links are up")

    async def _serves(self) -> bool:
        try:
            ready = (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False
        senders = len(self.running) if self.home.sqlite else len(self.running) - 1
        return ready and self.carriers.binds() >= 2 * senders

    def _drilled(self, name: str, skew_s: float) -> Program:
        """A process whose wall clock is wrong, as the drill has it."""
        fuse = self.home.folder / f"clock-{len(self.home.programs)}.json"
        PlannedFailure(skew_s=skew_s).write(fuse)
        log = self.home.folder / f"{len(self.home.programs)}-{name}.log"
        environment = self.home._environment() | {CONTROL_FILE: str(fuse)}
        with log.open("wb") as out:
            command = [sys.executable, "-m", "tests.drill.fault_injected", name]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )
        self.home.programs.append(Program(process, log))
        return self.home.programs[-1]

    @property
    def sender(self) -> Program:
        return self.running[0] if self.home.sqlite else self.running[1]

    async def kill_sender(self) -> None:
        """kill -9, and a new one once the carriers have read what was on the wire."""
        which = self.running.index(self.sender)
        await self.sender.kill()
        await self.until(lambda: self.carriers.binds() == 0, "the centres have lost the binds", dead=True)
        self.running[which] = self.home.sender()
        await self.until(self._serves, "all is back after a kill")

    async def stop(self) -> None:
        """SIGTERM to all: each was alive, ends in order and leaves no claim."""
        self.all_alive()
        self.say(processor_s=[round(processor_s(each.process.pid), 2) for each in self.running])
        for program in self.running:
            assert await program.stop() == 0, program.words()
        self.running = []
        assert self.view.leases() == 0

    def all_alive(self) -> None:
        for program in self.running:
            assert program.alive(), program.words()

    async def until(
        self, true: Callable[[], object | Awaitable[object]], what: str, *, dead: bool = False
    ) -> None:
        """Look again and again, while every process lives."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = true()
            if await found if isinstance(found, Awaitable) else found:
                return
            if not dead:
                self.all_alive()
            assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}; {self.story()}"
            await asyncio.sleep(_LOOK_S)

    def story(self) -> str:
        """Where it stands, for a failing round."""
        states = {DeliveryState(k).name: n for k, n in self.view.states().items()}
        words = [program.words()[-1500:] for program in self.running]
        return f"runs {self.run_states()}, expected {self.expected}, deliveries {states}\n" + "\n".join(words)

    def run_states(self) -> dict[int, str]:
        return {row[0]: row[1] for row in self.view.rows(select(runs.c.id, runs.c.state))}

    def link_codes(self) -> set[str]:
        """Why links are halted."""
        return {row[0] for row in self.view.rows(select(links.c.code)) if row[0]}

    # ---- orders

    async def ask(self, method: str, path: str, *, as_chief: bool = False, **options: Any) -> Any:
        """The API's answer; every one that is no success fails in its own words."""
        chief = {"Authorization": f"Bearer {self.keys[1]}"} if as_chief else {}
        answer = await self.http.request(method, path, headers=chief, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def campaign(self, sizes: dict[str, int], days: int | None = 10) -> dict[str, int]:
        """An approved campaign to the first so many numbers of each carrier; the runs' ids.

        The same numbers each time. days: until the end of its window; None: without one.
        """
        mark = f"N{len(self.marks):03d}"
        batches = {carrier: await self._upload(carrier, size) for carrier, size in sizes.items()}
        letter = await self.ask("POST", "/v1/directives", json=_LETTER | {"number": f"{mark}/CAT-PA05"})
        body: dict[str, Any] = _BODY | {"name": mark, "text": f"{mark} Canh giac lua dao qua dien thoai."}
        if days is not None:
            body["window_end"] = (clock.now() + timedelta(days=days)).isoformat()
        made = await self.ask("POST", "/v1/campaigns", json=body | {"directive_id": letter["id"]})
        path, own = f"/v1/campaigns/{made['id']}", {}
        for carrier, batch in batches.items():
            wanted = {"carrier": carrier, "batch_ids": [batch], "acknowledged": True}
            own[carrier] = (await self.ask("POST", f"{path}/runs", json=wanted))["id"]
        await self.ask("POST", f"{path}/submit")
        digest = (await self.ask("GET", path))["digest"]
        read = {"digest": digest, "reason": "a test does not wait for the morning"}
        await self.ask("POST", f"{path}/approve", json=read, as_chief=True)
        self.marks[mark] = made["id"]
        return own

    async def _upload(self, carrier: str, size: int) -> int:
        """A file of its own, by a last line that is no number; the batch's id once it is ready."""
        self._files += 1
        first = FIRST[carrier] - 84_000_000_000
        content = "phone\n" + "".join(f"0{first + n}\n" for n in range(size)) + f"so {self._files}\n"
        sent: dict[str, Any] = {
            "files": {"file": (f"{carrier}-{self._files}.csv", content.encode(), "text/csv")}
        }
        batch = await self.ask("POST", "/v1/batches", **sent, data={"carrier": carrier})
        path = f"/v1/batches/{batch['id']}"

        async def ready() -> bool:
            return bool((await self.ask("GET", path))["state"] == "ready")

        await self.until(ready, f"batch {batch['id']} is imported")
        return int(batch["id"])

    async def act(self, run: int, verb: str, expected: str) -> None:
        """Start, pause, resume or cancel a run; how it is to stand at the round's end."""
        await self.ask("POST", f"/v1/runs/{run}/{verb}")
        self.expected[run] = expected

    async def start_all(self, own: dict[str, int]) -> None:
        for run in own.values():
            await self.act(run, "start", FINISHED)

    async def freeze(self, run: int) -> dict[str, Any]:
        """Freeze the run's report; the version."""
        return dict(await self.ask("POST", "/v1/reports", json={"run_id": run}))

    # ---- what the carriers say

    def took(self, mark: str) -> set[int]:
        """The numbers that any carrier has taken with the campaign's text."""
        return {phone for (phone, text) in self.carriers.copies() if text == mark}

    def mark_of(self, campaign: int) -> str:
        return next(mark for mark, each in self.marks.items() if each == campaign)[:MARK]

    def say(self, **words: object) -> None:
        """One line of what is done."""
        line = json.dumps({"s": round(time.monotonic() - self.began, 1)} | words, ensure_ascii=False)
        self.said.append(line)
        if "LOA_TEST_YEAR_SAYS" in os.environ:
            print(line, flush=True)
