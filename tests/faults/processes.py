"""Loa as real processes: a home with settings, and the programs that run in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.launcher import Forked, Launcher

PATIENCE_S = 60.0
_LOOK_S = 0.05
LAUNCHER = Launcher()


def free_port() -> int:
    """A port that the system has just given out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Program:
    """One running `loa` command; its log goes to a file."""

    process: subprocess.Popen[bytes] | Forked
    log: Path

    def alive(self) -> bool:
        return self.process.poll() is None

    async def kill(self) -> None:
        """kill -9: not a word is written or sent after it."""
        self.process.send_signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM, as an operator or a container does; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of its log."""
        for line in self.log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def words(self) -> str:
        """All that it said, for a failing test."""
        return self.log.read_text(encoding="utf-8")[-4000:]


@dataclass(slots=True)
class Home:
    """A data folder with its settings and database, and the programs that were started in it."""

    folder: Path
    url: str
    port: int = field(default_factory=free_port)
    programs: list[Program] = field(default_factory=list)
    measured: bool = True  # count what its programs cover, which makes them a quarter slower

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def base(self) -> str:
        """Where its API answers."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, links: dict[str, dict[str, object]], more: str = "", **settings: object) -> None:
        """Write the settings file; `more` is TOML that stands at its end.

        Runs do not pause themselves because of the faults that a test plans, nor at two million a day.
        """
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        percent = (f"{name}_percent = 0" for name in ("failed", "refused", "unknown"))
        lines += ["[suspend]", "daily_messages = 0", *percent]
        for name, link in links.items():
            lines += [f"\n[links.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in link.items())]
        (self.folder / "loa.toml").write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        left_out = "LOA_" if self.measured else ("LOA_", "COVERAGE_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        settings = self.folder / "loa.toml"
        settings.touch()  # a file that is named has to be there
        own |= {"LOA_CONFIG": str(settings), "LOA_DATA": str(self.folder)}
        own |= {"LOA_PORT": str(self.port)}
        return own if self.sqlite else own | {"LOA_DATABASE_URL": self.url}

    def start(self, *arguments: str, within: Sequence[str] = ()) -> Program:
        """Start `loa ARGUMENTS` and let it run; within: the command that it becomes the process of."""
        log = self.folder / f"{len(self.programs)}-{arguments[0]}.log"
        with log.open("wb") as out:
            process = self._launch(arguments, within, out)
        self.programs.append(Program(process, log))
        return self.programs[-1]

    def _launch(
        self, arguments: Sequence[str], within: Sequence[str], out: IO[bytes]
    ) -> subprocess.Popen[bytes] | Forked:
        """Fork the program, or execute it where another command becomes it or its lines are counted."""
        environment = self._environment()
        if not within and "LOA_TEST_EXECUTE" not in os.environ:
            return LAUNCHER.start(arguments, out.fileno(), environment, Path.cwd())
        command = [*within, sys.executable, "-m", "app.cli", *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)

    def sender(self) -> Program:
        """Start what sends: all in one process on SQLite, a worker on PostgreSQL."""
        return self.start("up" if self.sqlite else "worker")

    def all(self) -> list[Program]:
        """Start API and sender: one process on SQLite, two on PostgreSQL."""
        return [self.start("up")] if self.sqlite else [self.start("serve"), self.start("worker")]

    async def command(self, *arguments: str, status: int = 0) -> str:
        """Run `loa ARGUMENTS` to its end; what it said. Another exit status than `status` fails."""
        program = self.start(*arguments)
        assert await program.ended() == status, program.words()
        return program.log.read_text(encoding="utf-8").strip()

    async def until(self, true: Callable[[], object], what: str) -> None:
        """Look again and again; fails when it does not come true in time, or the newest program ends."""
        end, newest = time.monotonic() + PATIENCE_S, self.programs[-1]
        while not true():
            assert newest.alive(), f"ended while waiting for: {what}\n{newest.words()}"
            assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}\n{newest.words()}"
            await asyncio.sleep(_LOOK_S)

    def end(self) -> None:
        """Kill what a failing test has left running."""
        for program in self.programs:
            if program.alive():
                program.process.kill()
                program.process.wait(PATIENCE_S)


def smpp_link(carrier: str, port: int, **more: object) -> dict[str, object]:
    """A link to a simulator on this machine."""
    own: dict[str, object] = {"carrier": carrier, "kind": "smpp", "host": "127.0.0.1", "port": port}
    own |= {"system_id": "loa", "password": "loa", "segments_per_second": 4000, "window": 100}
    own |= {"receipt_level": "handset"}
    return own | {"reconnect_min_s": 0.1, "reconnect_max_s": 1.0} | more
