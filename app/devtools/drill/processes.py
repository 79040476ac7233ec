"""Loa's processes as the drill runs them: started, killed and started again, with a fuse in each."""

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
from app.devtools.drill.cluster import free_port
from app.devtools.drill.fault_injection import FUSE, PlannedFailure

PATIENCE_S = 90.0
_LOOK_S = 0.005


class Stuck(SetupError):
    """Something that must come did not come in time."""


async def comes(true: Callable[[], object], patience_s: float) -> bool:
    """Look again and again; whether it comes true in time."""
    ends = clock.monotonic() + patience_s
    while not true():
        if clock.monotonic() > ends:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def until(true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Stuck when it does not come true in time."""
    if not await comes(true, patience_s):
        raise Stuck(f"Not within {patience_s:g} s: {what}.")


@dataclass(slots=True)
class DrillProcess:
    """One of Loa's processes, under the name of its command; started again under the same fuse."""

    name: str
    fuse: Path
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it says is added to its log."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, and no shell
                [sys.executable, "-m", "app.cli.fault_injected", self.name],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment | {FUSE: str(self.fuse)},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process; 0 before the first start."""
        return self.process.pid if self.process else 0

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def lay(self, charge: PlannedFailure) -> None:
        """Give it a charge."""
        charge.lay(self.fuse)

    def clear(self) -> None:
        """Take the charge away, if it is still there."""
        self.fuse.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.process:
            self.process.send_signal(number)

    async def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; the exit status."""
        await until(lambda: not self.alive(), f"the end of `loa {self.name}`", patience_s)
        return self.process.returncode if self.process else 0

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        await self.ended()

    def last_words(self) -> str:
        """The end of its log."""
        with suppress(FileNotFoundError):
            return self.log.read_text("utf-8", "replace")[-2000:]
        return ""


@dataclass(slots=True)
class ProcessGroup:
    """All of Loa's processes on one database: one on SQLite, API and worker on PostgreSQL."""

    folder: Path
    url: str
    port: int = field(default_factory=free_port)
    hands: list[DrillProcess] = field(default_factory=list)

    @property
    def sqlite(self) -> bool:
        """Whether all is one process."""
        return self.url.startswith("sqlite")

    @property
    def base(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> DrillProcess:
        """The process that serves the API."""
        return self.hands[0]

    @property
    def sender(self) -> DrillProcess:
        """The process that sends."""
        return self.hands[-1]

    def configure(self, link: dict[str, object], **settings: object) -> None:
        """Write the settings file, with one link."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines += ["", "[links.drill-1]", *(f"{name} = {json.dumps(value)}" for name, value in link.items())]
        (self.folder / "loa.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def recruit(self, name: str, number: int = 1) -> DrillProcess:
        """One more process of this command, not started yet."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("LOA_")}
        own |= {"LOA_CONFIG": str(self.folder / "loa.toml"), "LOA_DATA": str(self.folder)}
        own |= {"LOA_PORT": str(self.port)} | ({} if self.sqlite else {"LOA_DATABASE_URL": self.url})
        place = self.folder / f"{name}-{number}"
        return DrillProcess(name, place.with_suffix(".fuse"), own, place.with_suffix(".log"))

    def start(self) -> None:
        """Start all."""
        self.hands = [self.recruit(name) for name in (("up",) if self.sqlite else ("serve", "worker"))]
        for hand in self.hands:
            hand.start()

    async def stop(self) -> None:
        """SIGTERM to all that runs; Stuck where one does not end in order."""
        for hand in self.hands:
            hand.clear()
            hand.signal(signal.SIGTERM)
        for hand in self.hands:
            if status := await hand.ended():
                raise Stuck(f"`loa {hand.name}` ended with status {status}: {hand.last_words()}")

    def end(self) -> None:
        """Kill what is left."""
        for hand in self.hands:
            if hand.process and hand.alive():
                hand.process.kill()
                hand.process.wait()
