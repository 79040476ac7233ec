"""A PostgreSQL server of a test's own, which it may stop in the middle."""

from __future__ import annotations

import pwd
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from tests.drill.cluster import Cluster, cluster_folder, end, free_port, programs

_QUICK = "-c fsync=off -c shared_buffers=32MB -c max_connections=60"


@dataclass(frozen=True, slots=True)
class Server(Cluster):
    """A cluster whose log may be archived, and which may be put back from a backup."""

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
        self.run("pg_basebackup", "-d", self.url.replace("+psycopg", ""), "-c", "fast", place=copy)
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

    def standby(self, name: str, instead_of: Server | None = None) -> Server:
        """A second cluster that follows this one as `name`, started; at the place of one that is down."""
        if instead_of:
            shutil.rmtree(instead_of.folder)
        copy = self.base_backup()
        other = instead_of or replace(self, folder=copy, port=free_port())
        copy = copy.rename(other.folder)
        follows = f"host={self.host} port={self.port} user=loa application_name={name}"
        other._write(f"primary_conninfo = '{follows}'\n")
        (copy / "standby.signal").touch()
        other.start()
        return other

    def promote(self) -> None:
        """Let a standby take writes, from here on by itself."""
        self.run("pg_ctl", "promote", "-w")

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server, as its admin does."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as asked:
            asked.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            asked.execute("SELECT pg_reload_conf()")

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


@contextmanager
def own_server(host: str = "127.0.0.1", *, archived: bool = False) -> Iterator[Server]:
    """A running cluster, stopped afterwards; skips where PostgreSQL's programs are not installed."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's own programs are not installed, so its server can't be stopped here")
    # Not in pytest's own folder: PostgreSQL's account can't walk there.
    with cluster_folder("loa-cluster-") as (place, user):
        server = Server(found, place / "data", free_port(), user, host=host, options=_QUICK)
        server.run("initdb", "-U", "loa", "-A", "trust", "-N")
        server.admit(f"{host}/24")
        if archived:
            server.keep_log()
        try:
            server.start()
            yield server
        finally:
            end(server.folder)
