"""A PostgreSQL server of a test's own, which it may stop in the middle."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.processes import free_port

_FOUND = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), shutil.which("pg_ctl")]
_NO_SERVER = (
    "PostgreSQL's own programs (initdb, pg_ctl) are not installed, so its server can't be stopped here"
)
_QUICK = "-c fsync=off -c shared_buffers=32MB -c max_connections=60"


@dataclass(frozen=True, slots=True)
class Server:
    """One cluster in `folder`; it runs as `user` where this process is root, whom PostgreSQL refuses."""

    programs: Path
    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://loa@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", self.user, "--"] if self.user else []
        command = [*as_user, str(self.programs / program), "-D", str(self.folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"{_QUICK} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {self.port}"
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """As when its machine loses power: no client is told."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")


@contextmanager
def own_server() -> Iterator[Server]:
    """A running cluster, stopped afterwards; skips where PostgreSQL's programs are not installed."""
    if _FOUND[-2:] == [None] or not any(_FOUND):
        pytest.skip(_NO_SERVER)
    programs = Path(str(next(found for found in reversed(_FOUND) if found))).parent
    user = "postgres" if os.geteuid() == 0 else None
    # Not in pytest's own folder: PostgreSQL's account can't walk there.
    server = Server(programs, Path(tempfile.mkdtemp(prefix="loa-cluster-")), free_port(), user)
    try:
        if user is not None:
            found = pwd.getpwnam(user)
            os.chown(server.folder, found.pw_uid, found.pw_gid)
        server.run("initdb", "-U", "loa", "-A", "trust", "-N")
        server.start()
        yield server
    finally:
        if _runs(server):
            server.run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(server.folder)


def _runs(server: Server) -> bool:
    return (server.folder / "postmaster.pid").exists()
