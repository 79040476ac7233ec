"""A temporary PostgreSQL server, which its owner may stop as a power cut would."""

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
# Size of the WAL's disk; small segments, so that it is full soon.
_DISK_MB = 768
_OPTIONS = "-c max_connections=100 -c min_wal_size=2MB -c max_wal_size=256MB"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster in `folder`; runs as `user` if this process is root, which PostgreSQL refuses.

    disk: a small file system for its WAL, if one could be mounted.
    """

    programs: Path
    folder: Path
    port: int
    user: str | None
    disk: Path | None = None
    host: str = "127.0.0.1"
    options: str = _OPTIONS

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://loa@{self.host}:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Pid of the postmaster; 0 while it is down."""
        try:
            return int((self.folder / "postmaster.pid").read_text("utf-8").split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def start(self) -> None:
        """Start or recover the server, and wait until it answers."""
        options = f"{self.options} -c listen_addresses={self.host} -c unix_socket_directories= -p {self.port}"
        self.run("pg_ctl", "start", "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop as in a power cut: no client is told, and nothing more is written."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")

    def down(self) -> bool:
        pid = self.pid
        if not pid:
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    def run(self, program: str, *arguments: str, place: Path | None = None) -> None:
        """Run one of PostgreSQL's programs on the cluster's folder, or on `place`."""
        where = str(place or self.folder)
        done = _program([str(self.programs / program), "-D", where, *arguments], self.user)
        if done.returncode:
            raise SetupError(f"{program} failed: {done.stdout.strip()[-500:]}")


def programs() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("pg_ctl"):
        folders.append(Path(found).parent)
    return next((one for one in folders if all((one / name).is_file() for name in _PROGRAMS)), None)


@contextmanager
def own_cluster() -> Iterator[Cluster | None]:
    """Run a temporary cluster; None if PostgreSQL's programs are not installed."""
    found = programs()
    if found is None:
        yield None
        return
    # Outside the drill's folder, which PostgreSQL's account may not be allowed to enter.
    with cluster_folder("loa-drill-") as (place, user), _small_disk(place / "wal", user) as disk:
        cluster = Cluster(found, place / "data", free_port(), user, disk)
        apart = ["-X", str(disk)] if disk else []
        cluster.run("initdb", "-U", "loa", "-A", "trust", "-N", "--wal-segsize=1", *apart)
        try:
            cluster.start()
            yield cluster
        finally:
            end(cluster.folder)


@contextmanager
def cluster_folder(prefix: str) -> Iterator[tuple[Path, str | None]]:
    """Make a folder for a cluster, and name the account that it must run as; both are gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield place, _account(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _small_disk(place: Path, user: str | None) -> Iterator[Path | None]:
    """Mount a small tmpfs there; None if this process may not mount."""
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
    """Run a program to its end as this user, in a session of its own: Ctrl-C reaches only the drill."""
    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.run(
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
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        found = pwd.getpwnam("postgres")
        os.chown(folder, found.pw_uid, found.pw_gid)
        return "postgres"
    raise SetupError("PostgreSQL refuses to run as root, and there is no account `postgres` for it here.")


def end(folder: Path) -> None:
    """Stop the server at once, without waiting for clients."""
    with suppress(FileNotFoundError, IndexError, ProcessLookupError):
        lock = folder / "postmaster.pid"
        pid = int(lock.read_text("utf-8").split()[0])
        os.kill(pid, signal.SIGQUIT)
        # Until the process is gone, ten seconds at most; where nobody reaps it, its lock file alone goes.
        for _ in range(200):
            os.kill(pid, 0)
            if not lock.exists():
                return
            time.sleep(0.05)
