"""Loa's processes in the drill: started, killed and restarted, each with a control file for faults."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.core import clock
from app.core.errors import SetupError
from tests.drill.cluster import free_port
from tests.drill.fault_injection import CONTROL_FILE, PlannedFailure

PATIENCE_S = 90.0
_LOOK_S = 0.005


class Stuck(SetupError):
    """An expected event did not come in time."""


async def comes_true(true: Callable[[], object], patience_s: float) -> bool:
    """Poll a condition; return whether it becomes true in time."""
    ends = clock.monotonic() + patience_s
    while not true():
        if clock.monotonic() > ends:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def until(true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    if not await comes_true(true, patience_s):
        raise Stuck(f"Not within {patience_s:g} s: {what}.")


# What the plan does to a carrier pauses no run: no person is there to let it go on.
_PLANNED = ("failed_percent = 0", "refused_percent = 0", "unknown_percent = 0")


@dataclass(slots=True)
class DrillProcess:
    """A process of Loa, named after its command; restarted with the same control file."""

    name: str
    control: Path
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, appending its output to its log."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.drill.fault_injected", self.name],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment | {CONTROL_FILE: str(self.control)},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def inject(self, planned: PlannedFailure) -> None:
        planned.write(self.control)

    def clear(self) -> None:
        self.control.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(number)

    async def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; return the exit status."""
        await until(lambda: not self.alive(), f"the end of `loa {self.name}`", patience_s)
        return self.process.returncode if self.process else 0

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    def has_begun(self) -> bool:
        """Whether a worker has said so: before, SIGTERM ends it as it ends any program that starts."""
        if self.name != "worker" or not self.alive():
            return True
        return f'"pid": {self.pid}, "event": "worker started"' in self.log.read_text("utf-8", "replace")

    def last_words(self) -> str:
        with suppress(FileNotFoundError):
            return self.log.read_text("utf-8", "replace")[-2000:]
        return ""


@dataclass(slots=True)
class ProcessGroup:
    """All processes of Loa on one database: one on SQLite, API and worker on PostgreSQL."""

    folder: Path
    url: str
    port: int = field(default_factory=free_port)
    members: list[DrillProcess] = field(default_factory=list)

    @property
    def sqlite(self) -> bool:
        """Whether everything runs in one process."""
        return self.url.startswith("sqlite")

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> DrillProcess:
        return self.members[0]

    @property
    def sender(self) -> DrillProcess:
        return self.members[-1]

    def configure(self, link: dict[str, object], **settings: object) -> None:
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines += [
            "",
            "[suspend]",
            *_PLANNED,
            "",
            "[links.drill-1]",
            *(f"{name} = {json.dumps(value)}" for name, value in link.items()),
        ]
        (self.folder / "loa.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def create(self, name: str, number: int = 1) -> DrillProcess:
        """Create one more process of this command without starting it."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("LOA_")}
        own |= {"LOA_CONFIG": str(self.folder / "loa.toml"), "LOA_DATA": str(self.folder)}
        own |= {"LOA_PORT": str(self.port)} | ({} if self.sqlite else {"LOA_DATABASE_URL": self.url})
        place = self.folder / f"{name}-{number}"
        return DrillProcess(name, place.with_suffix(".fuse"), own, place.with_suffix(".log"))

    def start(self) -> None:
        self.members = [self.create(name) for name in (("up",) if self.sqlite else ("serve", "worker"))]
        for process in self.members:
            process.start()

    async def stop(self) -> None:
        """Send SIGTERM to all, once they have begun; raises Stuck if one does not end with status 0."""
        for process in self.members:
            await until(process.has_begun, f"the start of `loa {process.name}`", PATIENCE_S)
            process.clear()
            process.signal(signal.SIGTERM)
        for process in self.members:
            if status := await process.ended():
                raise Stuck(f"`loa {process.name}` ended with status {status}: {process.last_words()}")

    def end(self) -> None:
        for process in self.members:
            if process.process and process.alive():
                process.process.kill()
                process.process.wait()
