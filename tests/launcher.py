"""Starts `loa` as a process of its own by a fork of one that has imported the program: 0.05 s, not 1.5 s.

A launcher is a child of the test run. For each request it forks twice and lets the one between end, so that
the new program becomes a child of the test run, which is made the "subreaper" of its descendants (prctl(2)),
and can be waited for like any other. What a program finds is what a new interpreter would give it: its own
arguments, environment, folder and standard files. Imports alone are shared, so nothing that is told by an
import (an environment variable, a number drawn) may differ between programs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_LIMIT = 1 << 20
_LOOK_S = 0.01
ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Forked:
    """A program that was started by a fork, with as much of subprocess.Popen as tests use."""

    pid: int
    args: tuple[str, ...]
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, below zero for a signal; None while it runs."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; TimeoutExpired when that takes longer."""
        end = time.monotonic() + (timeout if timeout is not None else 3600.0)
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(_LOOK_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has been waited for."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


@dataclass(slots=True)
class Launcher:
    """The process that forks; started when it is first asked for a program."""

    _own: subprocess.Popen[bytes] | None = None
    _line: socket.socket | None = field(default=None)

    def start(
        self, arguments: Sequence[str], out: int, environment: Mapping[str, str], folder: Path
    ) -> Forked:
        """Start `loa ARGUMENTS` in that folder; what it says goes to the file descriptor `out`."""
        line = self._ready()
        request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(folder)}
        socket.send_fds(line, [json.dumps(request).encode()], [out])
        return Forked(int(line.recv(64)), tuple(arguments))

    def _ready(self) -> socket.socket:
        if self._line is None or self._own is None or self._own.poll() is not None:
            ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
            self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-m", "tests.launcher", str(theirs.fileno())]
                own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
                self._own = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=own)
        return self._line

    def close(self) -> None:
        """End the launcher; programs that it has started go on."""
        if self._line is not None and self._own is not None:
            self._line.close()
            self._own.wait(10)
            self._line = self._own = None


def _serve(line: socket.socket) -> list[str] | None:
    """Fork a program for each request; in the program itself its arguments are returned, None at the end."""
    while True:
        words, files, _, _ = socket.recv_fds(line, _LIMIT, 1)
        if not words:
            return None
        ours, theirs = os.pipe()
        between = os.fork()
        if between:
            os.close(theirs)
            os.close(files[0])
            os.waitpid(between, 0)  # only then is the program the test run's child
            line.send(os.read(ours, 64))
            os.close(ours)
            continue
        os.close(ours)
        if program := os.fork():
            os.write(theirs, str(program).encode())
            os._exit(0)
        os.close(theirs)
        line.close()
        return _become(json.loads(words), files[0])


def _become(request: dict[str, object], out: int) -> list[str]:
    """Take on what the request says, as a new process would have it."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(request["folder"]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    return [str(word) for word in arguments]


def import_all() -> None:
    """What programs of the tests need, so that no fork has to; and no collection looks at it again."""
    import gc
    from importlib import import_module

    for module in (
        "app.runtime.api_app",
        "app.cli.serve_command",
        "app.cli.verify_command",
        "app.cli.web",
        "app.cli.simulate_commands",
        "app.database.schema",
        "alembic.command",
    ):
        import_module(module)
    for noun in ("batch", "campaign", "run", "unknown", "receipts", "report", "database"):
        import_module(f"app.cli.{noun}_commands")
    for engine in ("sqlite", "postgresql"):
        import_module(f"app.ledger.engines.{engine}")
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test run, which closes the line
    import_all()
    told = _serve(socket.socket(fileno=int(sys.argv[1])))
    if told is not None:
        sys.argv = ["loa", *told]
        from app.cli import main

        main()
