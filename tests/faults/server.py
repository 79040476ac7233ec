"""A PostgreSQL server of a test's own, which it may stop in the middle."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
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
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://loa@{self.host}:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        self._as_user(program, "-D", str(self.folder), *arguments)

    def _as_user(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        user = pwd.getpwnam(self.user) if self.user else None
        own = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60, **own)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"{_QUICK} -c listen_addresses={self.host} -c unix_socket_directories= -p {self.port}"
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    @property
    def archive(self) -> Path:
        """Where its log is archived, if it is."""
        return self.folder.with_name(self.folder.name + "-archive")

    def keep_log(self) -> None:
        """Archive its log from the next start on."""
        self._own(self.archive)
        self._write(f"archive_mode = on\narchive_command = 'cp %p {self.archive}/%f'\n")

    def base_backup(self) -> Path:
        """A copy of the running cluster, as an operator takes one."""
        copy = self.folder.with_name(self.folder.name + "-backup")
        self._own(copy)
        self._as_user("pg_basebackup", "-D", str(copy), "-d", self.url.replace("+psycopg", ""), "-c", "fast")
        return copy

    def put_back(self, backup: Path, moment: str) -> None:
        """Stop it for good, and let the backup take its place, recovered from the archive to that moment."""
        self.run("pg_ctl", "stop", "-w", "-m", "fast")
        shutil.rmtree(self.folder)
        backup.rename(self.folder)
        self._write(
            f"restore_command = 'cp {self.archive}/%f %p'\nrecovery_target_time = '{moment}'\n"
            "recovery_target_action = promote\n"
        )
        (self.folder / "recovery.signal").touch()
        self.start()
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as asked:
            while asked.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                time.sleep(0.1)

    def now(self) -> str:
        """What its clock says."""
        with psycopg.connect(self.url.replace("+psycopg", "")) as asked:
            return str(asked.execute("SELECT clock_timestamp()::text").fetchone()[0])

    def _write(self, settings: str) -> None:
        with (self.folder / "postgresql.auto.conf").open("a") as file:
            file.write(settings)

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self.user:
            shutil.chown(folder, self.user, pwd.getpwnam(self.user).pw_gid)

    def admit(self, network: str) -> None:
        """Let in whoever comes from there."""
        with (self.folder / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")

    def stop(self) -> None:
        """As when its machine loses power: no client is told."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")


@contextmanager
def own_server(host: str = "127.0.0.1", *, archived: bool = False) -> Iterator[Server]:
    """A running cluster, stopped afterwards; skips where PostgreSQL's programs are not installed."""
    if _FOUND[-2:] == [None] or not any(_FOUND):
        pytest.skip(_NO_SERVER)
    programs = Path(str(next(found for found in reversed(_FOUND) if found))).resolve().parent
    user = "postgres" if os.geteuid() == 0 else None
    # Not in pytest's own folder: PostgreSQL's account can't walk there.
    folder = Path(tempfile.mkdtemp(prefix="loa-cluster-"))
    server = Server(programs, folder, free_port(), user, host)
    try:
        if user is not None:
            found = pwd.getpwnam(user)
            os.chown(server.folder, found.pw_uid, found.pw_gid)
        server.run("initdb", "-U", "loa", "-A", "trust", "-N")
        server.admit(f"{host}/24")
        if archived:
            server.keep_log()
        server.start()
        yield server
    finally:
        if _runs(server):
            server.run("pg_ctl", "stop", "-m", "immediate")
        for folder in server.folder.parent.glob(f"{server.folder.name}*"):
            shutil.rmtree(folder)


def _runs(server: Server) -> bool:
    return (server.folder / "postmaster.pid").exists()
