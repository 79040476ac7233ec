"""Lines of log go to a syslog server as well: framed, in order, by TLS, and nobody ever waits for it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.core.config import Settings
from app.core.errors import SetupError
from app.database.connection import Database
from app.observability import logs
from app.security import audit
from tests.certificates import self_signed, server_context
from tests.engines import sqlite_alone

database_url = sqlite_alone

HEAD = re.compile(
    r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) loa (\d+) - - \ufeff(.*)", re.DOTALL
)


class Server:
    """Takes frames (RFC 6587, octet counting) on one port, one connection after another."""

    def __init__(
        self, port: int = 0, tls: ssl.SSLContext | None = None, door: socket.socket | None = None
    ) -> None:
        self.door = door or socket.create_server(("127.0.0.1", port))
        self.port = self.door.getsockname()[1]
        self.messages: list[str] = []
        self.refused = threading.Event()  # a handshake that the sender broke off
        self._tls = tls
        self._line: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self._line = self.door.accept()[0]
                if self._tls is not None:
                    self._line = self._tls.wrap_socket(self._line, server_side=True)
                self._read(self._line.makefile("rb"))
            except ssl.SSLError:
                self.refused.set()
            except OSError:
                return

    def _read(self, stream: io.BufferedReader) -> None:
        while size := b"".join(iter(lambda: stream.read(1).strip(), b"")):
            self.messages.append(stream.read(int(size)).decode())

    def stop(self) -> None:
        for each in (self.door, self._line):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(5)

    def texts(self, many: int) -> list[str]:
        """The messages without their heads, as soon as there are so many."""
        end = time.monotonic() + 30
        while len(self.messages) < many and time.monotonic() < end:
            time.sleep(0.01)
        return [found[5] for each in self.messages if (found := HEAD.fullmatch(each))]


@pytest.fixture
def restored() -> Iterator[None]:
    """No thread of ours still sends."""
    yield
    for each in logging.getLogger().handlers:
        if isinstance(each, logs.Syslog):
            each.close()


@pytest.mark.usefixtures("restored")
def test_each_line_goes_by_tls_as_it_is_on_stderr_with_time_level_and_process(tmp_path: Path) -> None:
    self_signed(tmp_path)
    server, stderr = Server(tls=server_context(tmp_path)), io.StringIO()
    place = {"log_to": f"tls://127.0.0.1:{server.port}", "log_ca_file": tmp_path / "cert.pem"}
    logs.configure(Settings(**place), stderr)  # type: ignore[arg-type]
    log = structlog.get_logger("x")
    log.info("Đã gửi", phone="84912000001", password="secret")
    log.error("gone\nwrong")
    first, second = server.texts(2)
    assert [first, second] == stderr.getvalue().splitlines()
    assert json.loads(first)["event"] == "Đã gửi"
    assert "84912000001" not in first
    assert "secret" not in first
    heads = [HEAD.fullmatch(each) for each in server.messages]
    assert [head[1] for head in heads if head] == [str(16 * 8 + 6), str(16 * 8 + 3)]
    server.stop()


@pytest.mark.longer
@pytest.mark.usefixtures("restored")
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    self_signed(tmp_path)
    server = Server(tls=server_context(tmp_path))
    logs.configure(Settings(log_to=f"tls://127.0.0.1:{server.port}"), io.StringIO())
    structlog.get_logger("x").info("something")
    assert server.refused.wait(30)
    assert server.messages == []
    server.stop()


def handler(port: int) -> logs.Syslog:
    found = logs.Syslog(logs.place_of(f"tcp://127.0.0.1:{port}"))
    found.setFormatter(logging.Formatter("%(message)s"))
    return found


def say(to: logs.Syslog, text: str) -> None:
    to.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))


@pytest.mark.prove
@pytest.mark.longer
def test_while_the_server_is_away_lines_are_kept_and_nobody_waits() -> None:
    away = socket.socket()
    away.bind(("127.0.0.1", 0))  # nobody listens yet, and nobody else gets the port
    to = handler(away.getsockname()[1])
    began = time.monotonic()
    for number in range(logs._KEPT + 500):
        say(to, str(number))
    assert time.monotonic() - began < 10  # thousands of times less than waiting for a server would take
    away.listen()
    server = Server(door=away)
    kept = len(server.texts(logs._KEPT))
    say(to, "the end")
    while (texts := server.texts(kept))[-1] != "the end":
        kept += 1
    lost = json.loads(texts[0])
    assert lost["event"] == "lines of log were dropped"
    assert texts[1:-1] == [str(number) for number in range(len(texts) - 2)]
    assert lost["count"] + len(texts) - 2 == logs._KEPT + 500
    to.close()
    server.stop()


def test_a_connection_that_has_ended_is_made_anew() -> None:
    server = Server()
    to = handler(server.port)
    say(to, "before")
    assert server.texts(1) == ["before"]
    server.stop()
    time.sleep(0.1)
    again = Server(server.port)
    say(to, "after")
    assert again.texts(1) == ["after"]
    to.close()
    again.stop()


def test_what_is_left_goes_out_before_the_end() -> None:
    server = Server()
    to = handler(server.port)
    for number in range(200):
        say(to, str(number))
    to.close()
    assert server.texts(200) == [str(number) for number in range(200)]
    server.stop()


@pytest.mark.usefixtures("restored")
def test_an_authority_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="log_ca_file"):
        logs.configure(Settings(log_to="tls://127.0.0.1:1", log_ca_file=tmp_path / "none.pem"))


@pytest.mark.parametrize("tls", [False, True])
def test_a_name_that_is_none_is_a_server_that_is_away_and_ends_no_thread(tls: bool) -> None:
    to = logs.Syslog(logs.SyslogTarget("a..b", 601, tls))
    assert not to._sent(b"x")
    to.close()


@pytest.mark.longer
@pytest.mark.usefixtures("restored")
def test_the_head_of_the_audit_is_logged_whole_and_is_the_one_that_a_verification_finds(
    db: Database,
) -> None:
    assert db.read(audit.head).said == f"0:{audit.START}"
    stderr = io.StringIO()
    logs.configure(Settings(), stderr)
    for _ in range(60):  # so many that some hash holds digits like those of a number
        db.write(audit.note, "lan", "x", "y")
        structlog.get_logger("x").info("the head of the audit", head=db.read(audit.head).said)
    chain = db.read(audit.verify)
    said = [json.loads(line)["head"] for line in stderr.getvalue().splitlines()]
    assert said[-1] == f"{chain.rows}:{chain.head}"
    assert not any("*" in each for each in said)
