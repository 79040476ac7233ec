"""Callers who hold on: silent connections, half heads and half bodies cost little and keep nobody out."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.api.served import served as serve_app
from tests.app.client import Client
from tests.app.receipts.hooks import DOOR, SECRET, served, settings_of, signed
from tests.app.world import build
from tests.certificates import self_signed, server_context

LIMIT = 12
HOLDERS = 40
SMALL = {"connection_limit": LIMIT, "request_seconds": 0.4}
HMAC = {"hmac_secret": SECRET}
PATIENCE_S = 20.0  # far longer than request_seconds; a connection that is held for good outlasts it


def head(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: loa", *fields, "", ""]).encode()


def forgery() -> dict[str, str]:
    """The signature of another body, made now: minutes later its time alone would refuse it."""
    return signed(b"not this body")


def forged(length: int) -> bytes:
    fields = [f"{name}: {value}" for name, value in forgery().items()]
    return head("POST", DOOR, f"Content-Length: {length}", *fields)


FORM = "Content-Type: application/x-www-form-urlencoded"
HOLDS: dict[str, Callable[[], bytes]] = {
    "nothing at all": lambda: b"",
    "half a head": lambda: b"GET /healthz HTTP/1.1\r\nHost: l",
    "half a body to the sign-in": lambda: head("POST", "/v1/session", "Content-Length: 1000") + b'{"name": "',
    "half a form": lambda: head("POST", "/sign-in", "Content-Length: 1000", FORM) + b"name=",
    "half a chunk": lambda: head("POST", "/v1/verify", "Transfer-Encoding: chunked") + b"400\r\n{",
    "half a body with a forged signature": lambda: forged(4_194_304) + b"{" * 1000,
    "a body to nobody": lambda: (
        head("POST", "/webhooks/viettel/nosuch", "Content-Length: 4194304") + b"x" * 1000
    ),
}


def call(address: str) -> socket.socket:
    parts = urlsplit(address)
    line = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE_S)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def is_open(line: socket.socket) -> bool:
    """Whether the other side still holds it."""
    line.setblocking(False)
    try:
        while line.recv(65_536):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def fewest_open(lines: list[socket.socket], enough: int) -> int:
    """How many the other side still holds, once those are no more than `enough` or patience is at its end.

    What was sent last may still lie in the kernel: it is counted when the other side reads it.
    """
    until = time.monotonic() + PATIENCE_S
    while (count := sum(map(is_open, lines))) > enough and time.monotonic() < until:
        time.sleep(0.01)
    return count


@contextmanager
def held(address: str, count: int, said: Callable[[int], bytes]) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        lines = [stack.enter_context(call(address)) for _ in range(count)]
        for nth, line in enumerate(lines):
            line.sendall(said(nth))
        yield lines


def receipt(address: str) -> int:
    body = b'{"message_id": "m2", "status": "DELIVRD"}'
    return httpx.post(address + DOOR, content=body, headers=signed(body), timeout=PATIENCE_S).status_code


@pytest.mark.parametrize("hold", HOLDS)
def test_who_holds_a_connection_is_cut_off(db: Database, hold: str) -> None:
    with served(db, build(db, 1), settings_of(HMAC, **SMALL)) as address, call(address) as line:
        line.sendall(HOLDS[hold]())
        got = b""
        while more := line.recv(65_536):  # TimeoutError where it is never closed
            got += more
    assert (got.split()[1:2] or [b""])[0] in (b"", b"403", b"408")


def test_who_holds_on_keeps_nobody_out_and_is_bounded(db: Database) -> None:
    said = [say() for say in HOLDS.values()]
    slow = SMALL | {"request_seconds": 60.0}
    with (
        served(db, build(db, 1), settings_of(HMAC, **slow)) as address,
        held(address, HOLDERS, lambda nth: said[nth % len(said)]) as lines,
    ):
        assert [receipt(address) for _ in range(3)] == [200] * 3
        assert sum(map(is_open, lines)) <= LIMIT


def test_bodies_on_their_way_are_bounded_in_bytes(db: Database) -> None:
    """Each holds back one byte of 4 MiB, which is what the webhook takes; all of them would be 80 MiB."""
    roomy = {"connection_limit": 200, "request_seconds": 60.0}
    whole = forged(4_194_304) + b" " * 4_194_303
    with served(db, build(db, 1), settings_of(HMAC, **roomy)) as address, ExitStack() as stack:
        lines = [stack.enter_context(call(address)) for _ in range(20)]
        for line in lines:
            try:
                line.sendall(whole)
            except OSError:  # cut off on the way
                continue
        assert receipt(address) == 200
        assert 0 < fewest_open(lines, 4) <= 4


def test_bodies_that_come_faster_than_they_are_read_are_counted(db: Database) -> None:
    """More at one go than the server takes before it pauses, and then nothing: 24 MB, of 16 MiB."""
    roomy = {"connection_limit": 200, "request_seconds": 60.0}
    part = forged(4_194_304) + b" " * 240_000
    with (
        served(db, build(db, 1), settings_of(HMAC, **roomy)) as address,
        held(address, 100, lambda _: part) as lines,
    ):
        most = 16 * 1024**2 // len(part)
        assert 0 < fewest_open(lines, most) <= most


def test_a_stranger_is_refused_before_a_byte_of_its_body(db: Database) -> None:
    with served(db, build(db, 1), settings_of(HMAC, request_seconds=60.0)) as address:
        stamp, signature = forgery().values()
        for path, *fields in (
            ("/webhooks/viettel/nosuch",),
            (DOOR,),
            (DOOR, "X-Loa-Timestamp: today", f"X-Loa-Signature: {signature}"),
            (DOOR, f"X-Loa-Timestamp: {stamp}", "X-Loa-Signature: short"),
        ):
            with call(address) as line:
                line.sendall(head("POST", path, "Content-Length: 4194304", *fields))
                assert b" 403 " in line.recv(65_536).splitlines()[0]


def test_wrong_calls_are_counted_and_slowed_down_at_their_link_alone(db: Database) -> None:
    with served(db, build(db, 1), settings_of(HMAC, stranger_requests_per_minute=5)) as address:
        wrong = [httpx.post(address + DOOR, content=b"{}", headers=forgery()) for _ in range(7)]
        assert [answer.status_code for answer in wrong] == [403] * 5 + [429] * 2
        assert int(wrong[-1].headers["Retry-After"]) > 0
        assert httpx.post(f"{address}/webhooks/viettel/nosuch").status_code == 403


def test_an_upload_may_take_as_long_as_it_keeps_coming_with_pauses_and_no_longer(
    db: Database, settings: Settings
) -> None:
    app = create_app(settings.model_copy(update={"request_seconds": 0.4}), db)
    key = db.write(create_key, "tester")
    rows = b"phone\n" + b"0912345678\n" * 60
    before = b'--b\r\nContent-Disposition: form-data; name="carrier"\r\n\r\nvnpt\r\n--b\r\n'
    before += b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = before + rows + b"\r\n--b--\r\n"
    fields = (f"Authorization: Bearer {key}", "Content-Type: multipart/form-data; boundary=b")
    asked = head("POST", "/v1/batches", *fields, f"Content-Length: {len(body)}")
    with serve_app(app) as address:
        with call(address) as line:
            line.sendall(asked + body[:200])
            for place in range(200, len(body), 20):
                time.sleep(0.8 if place == 300 else 0.05)  # each limit of time passes several times over
                line.sendall(body[place : place + 20])
            assert b" 202 " in line.recv(65_536).splitlines()[0]
        with call(address) as line:
            line.sendall(asked + body[:200])
            while line.recv(65_536):  # TimeoutError where it is held for good
                pass


def test_tls_that_is_never_agreed_on_is_cut_off(
    application: FastAPI, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    application.state.settings = settings.model_copy(update=SMALL)
    tls = server_context(self_signed(tmp_path_factory.mktemp("tls")))
    with serve_app(application, tls) as address:
        with held(address, HOLDERS, lambda _: b"\x16\x03\x01") as lines:
            for line in lines:
                while line.recv(100):  # TimeoutError where it is held for good
                    pass
        assert httpx.get(f"{address}/healthz", verify=False).status_code == 200


_SERVER = """
import asyncio
from fastapi import FastAPI
from app.runtime.http_server import Bounds
from app.runtime.http_server import listen, server_of
app = FastAPI()
app.get("/healthz")(lambda: {"status": "alive"})
door = listen("127.0.0.1", 0)
print(door.getsockname()[1], flush=True)
asyncio.run(server_of(app, bounds=Bounds()).serve([door]))
"""


@pytest.mark.prove
def test_a_shortage_of_descriptors_is_one_line_of_log_and_passes(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        command = [sys.executable, "-c", _SERVER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server:
            try:
                said = iter(server.stdout or ())
                port = int(next(line for line in said if line.strip().isdecimal()))
                address = f"http://127.0.0.1:{port}"
                assert httpx.get(f"{address}/healthz", timeout=PATIENCE_S).status_code == 200
                soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
                open_ = max(int(each.name) for each in Path(f"/proc/{server.pid}/fd").iterdir())
                resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_ + 1, hard))
                with held(address, HOLDERS, lambda _: b""):
                    time.sleep(1.5)
                resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
                assert httpx.get(f"{address}/healthz", timeout=PATIENCE_S).status_code == 200
            finally:
                server.kill()
            told = "".join(said)
        log.seek(0)
        told += log.read().decode()
    assert told.count("connections cannot be accepted") == 1
    assert len(told) < 10_000


def test_an_upload_that_the_disk_has_no_room_for_is_refused_before_it_comes(
    application: FastAPI, db: Database
) -> None:
    fields = (
        f"Authorization: Bearer {db.write(create_key, 'tester')}",
        "Content-Type: multipart/form-data; boundary=b",
    )
    with serve_app(application) as address, call(address) as line:
        line.sendall(head("POST", "/v1/batches", *fields, f"Content-Length: {10**17}"))
        assert b" 507 " in line.recv(65_536).splitlines()[0]


def test_an_account_stores_no_more_than_its_share(db: Database, settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"account_limit_mb": 1}), db)
    rows = "phone\n" + "".join(f"09{number:08d}\n" for number in range(30_000))
    with Client(app, db.write(create_key, "tester")) as client:

        def send(name: str) -> int:
            file = {"file": ("a.csv", f"{rows}{name}\n".encode())}
            return int(client.post("/v1/batches", files=file, data={"carrier": "vnpt"}).status_code)

        assert send("a") == 202
        while client.get("/v1/batches/1").json()["state"] == "importing":
            time.sleep(0.05)
        assert send("b") == 507  # 30,000 lines are more in the ledger than in the file
    with Client(app, db.write(create_key, "another")) as other:
        file = {"file": ("a.csv", f"{rows}b\n".encode())}
        assert other.post("/v1/batches", files=file, data={"carrier": "vnpt"}).status_code == 202
