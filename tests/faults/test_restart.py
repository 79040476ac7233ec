"""PostgreSQL was started again: no request is refused for a connection that was kept from before."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, make_url

from app.database.connection import Database
from tests.faults.server import Server, own_server

KEPT = 4  # connections of each kind
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing answers what comes with a reset


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as found:
        yield found


def one(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


def _keep_connections(call: Callable[..., object]) -> None:
    """Use KEPT connections at once, so that the pool keeps them."""
    together = threading.Barrier(KEPT)

    def work(connection: Connection) -> None:
        one(connection)
        together.wait(30)

    threads = [threading.Thread(target=call, args=(work,)) for _ in range(KEPT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.prove
@pytest.mark.parametrize("how", [pytest.param("fast", marks=pytest.mark.prove), "immediate"])
def test_what_was_kept_from_before_a_restart_refuses_nobody(server: Server, how: str) -> None:
    """The server said something before it hung up, which is not yet its end."""
    db = Database(server.url)
    for call in (db.read, db.write):
        _keep_connections(call)
    server.run("pg_ctl", "stop", "-w", "-m", how)
    server.start()
    for _ in range(KEPT):
        assert (db.read(one), db.write(one)) == (1, 1)
    db.close()


# ---- a server that came back without a word ----------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """A way to the server that forgets: what comes later on an old connection is answered by a reset."""

    to: tuple[str, int]
    door: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _life: int = 0

    @property
    def port(self) -> int:
        return int(self.door.getsockname()[1])

    def forget(self) -> None:
        """As after a power cut of the server's machine."""
        self._life += 1

    def run(self) -> None:
        """Serve until the door is closed."""
        while True:
            try:
                caller, _ = self.door.accept()
            except OSError:
                return
            server = socket.create_connection(self.to)
            life = self._life
            threading.Thread(target=self._pass_on, args=(caller, server, life), daemon=True).start()
            threading.Thread(target=_pass_back, args=(server, caller), daemon=True).start()

    def _pass_on(self, caller: socket.socket, server: socket.socket, life: int) -> None:
        while said := caller.recv(65536):
            if life != self._life:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                caller.close()
                break
            server.sendall(said)
        server.close()


def _pass_back(server: socket.socket, caller: socket.socket) -> None:
    try:
        while said := server.recv(65536):
            caller.sendall(said)
    except OSError:
        return


@contextmanager
def _line(server: Server) -> Iterator[Line]:
    line = Line(("127.0.0.1", server.port))
    threading.Thread(target=line.run, daemon=True).start()
    yield line
    line.door.close()


@pytest.mark.prove
def test_a_server_that_came_back_without_a_word_refuses_nobody(server: Server) -> None:
    """After a power cut nobody has told the connections: a read is done again, a write asks beforehand."""
    with _line(server) as line:
        db = Database(make_url(server.url).set(port=line.port).render_as_string(hide_password=False))
        for call in (db.read, db.write):
            _keep_connections(call)
        line.forget()
        assert db.read(one) == 1
        time.sleep(1.5)  # longer than a connection of a link at work rests
        for _ in range(KEPT):
            assert (db.read(one), db.write(one)) == (1, 1)
        db.close()
