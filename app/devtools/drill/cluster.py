"""A PostgreSQL server of the drill's own, which it may stop in the middle as a power cut would."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import SetupError

_PROGRAMS = ("initdb", "pg_ctl")
_OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100"
# Of the log; small segments, so that a full disk is met soon.
_DISK_MB = 768
_OPTIONS += " -c min_wal_size=2MB -c max_wal_size=256MB"


def free_port() -> int:
    """A port that the system has just given out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster in `folder`; it runs as `user` where this process is root, whom PostgreSQL refuses.

    disk: the file system of its log (WAL), where one could be mounted for it.
    """

    programs: Path
    folder: Path
    port: int
    user: str | None
    disk: Path | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"postgresql+psycopg://loa@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Its first process; 0 while it is down."""
        try:
            return int((self.folder / "postmaster.pid").read_text("utf-8").split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def start(self) -> None:
        """Start it, or recover it after a stop, and wait until it answers."""
        options = f"{_OPTIONS} -p {self.port}"
        self.run("pg_ctl", "start", "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """As when its machine loses power: no client is told, and nothing is written any more."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")

    def down(self) -> bool:
        """Whether it has ended."""
        pid = self.pid
        if not pid:
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, on this cluster."""
        done = _program([str(self.programs / program), "-D", str(self.folder), *arguments], self.user)
        if done.returncode:
            raise SetupError(f"{program} failed: {done.stdout.strip()[-500:]}")


def programs() -> Path | None:
    """Where PostgreSQL's own programs are; None where they are not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("pg_ctl"):
        folders.append(Path(found).parent)
    return next((one for one in folders if all((one / name).is_file() for name in _PROGRAMS)), None)


@contextmanager
def own_cluster() -> Iterator[Cluster | None]:
    """A running cluster, gone afterwards; None where PostgreSQL's programs are not installed."""
    found = programs()
    if found is None:
        yield None
        return
    # Not in the drill's folder: PostgreSQL's account may not walk there.
    place = Path(tempfile.mkdtemp(prefix="loa-drill-"))
    user, folder = _account(place), place / "data"
    with _small_disk(place / "wal", user) as disk:
        try:
            cluster = Cluster(found, folder, free_port(), user, disk)
            apart = ["-X", str(disk)] if disk else []
            cluster.run("initdb", "-U", "loa", "-A", "trust", "-N", "--wal-segsize=1", *apart)
            cluster.start()
            yield cluster
        finally:
            _end(folder)
    shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _small_disk(place: Path, user: str | None) -> Iterator[Path | None]:
    """A file system of some memory, mounted there; None where this process may not."""
    place.mkdir(mode=0o700)
    owner = f",uid={pwd.getpwnam(user).pw_uid},gid={pwd.getpwnam(user).pw_gid}" if user else ""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m,mode=0700{owner}", "loa-drill", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None or _program(mount).returncode:
        place.rmdir()
        yield None
        return
    try:
        yield place
    finally:
        _program(["umount", "--lazy", str(place)])


def _program(command: list[str], user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end as this user, in a session of its own: Ctrl-C reaches the drill alone."""
    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.run(  # noqa: S603 - programs of the system and of PostgreSQL, and no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        timeout=120,
        check=False,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
    )


def _account(folder: Path) -> str | None:
    """Whose the cluster is, where this process is root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        found = pwd.getpwnam("postgres")
        os.chown(folder, found.pw_uid, found.pw_gid)
        return "postgres"
    raise SetupError("PostgreSQL refuses to run as root, and there is no account `postgres` for it here.")


def _end(folder: Path) -> None:
    """Stop what runs there at once; its folder goes with it."""
    with suppress(FileNotFoundError, IndexError, ProcessLookupError):
        pid = int((folder / "postmaster.pid").read_text("utf-8").split()[0])
        os.kill(pid, signal.SIGQUIT)
        for _ in range(200):  # until it is no more, ten seconds at the most
            os.kill(pid, 0)
            time.sleep(0.05)
