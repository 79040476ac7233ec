"""Debian's pgbouncer in front of a server of a test's own."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.drill.cluster import free_port
from tests.faults.server import Server

# What a pooler does not know of Loa's settings has to be named, or it refuses the connection.
IGNORED = "jit, idle_in_transaction_session_timeout, enable_hashjoin, enable_mergejoin, enable_seqscan"
IGNORED += ", enable_material"


@contextmanager
def pooled(server: Server, mode: str, **settings: object) -> Iterator[str]:
    """The address of the server behind a pooler; skips where pgbouncer is not installed."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).is_file():
        pytest.skip("pgbouncer is not installed, so no pooler can be put in front of the server")
    folder, port = server.folder.with_name(f"pooler-{mode}"), free_port()
    folder.mkdir()
    (folder / "users").write_text('"loa" ""\n')
    more = {"listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "trust", "pool_mode": mode}
    more |= {"auth_file": folder / "users", "unix_socket_dir": "", "logfile": folder / "log"}
    more |= {"ignore_startup_parameters": IGNORED} | settings
    lines = ["[databases]", f"* = host={server.host} port={server.port}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in more.items()]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    if server.user:
        shutil.chown(folder, server.user, pwd.getpwnam(server.user).pw_gid)
    quiet = subprocess.DEVNULL
    command = [program, str(folder / "pgbouncer.ini")]
    process = subprocess.Popen(command, user=server.user, extra_groups=[], stdout=quiet, stderr=quiet)
    url = f"postgresql+psycopg://loa@127.0.0.1:{port}/postgres"
    try:
        _answers(url)
        yield url
    finally:
        process.kill()
        process.wait(10)


def _answers(url: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            with closing(psycopg.connect(url.replace("+psycopg", ""))) as connection:
                connection.execute("SELECT 1")
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end, "the pooler does not answer"
            time.sleep(0.05)
