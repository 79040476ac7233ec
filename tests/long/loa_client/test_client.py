"""The clients against a real server: what they read and order, and what they do when it is away."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

import loa_client
from app.core.config import Settings
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns, runs
from app.runtime.api_app import create_app
from app.security import create_key
from loa_client import AsyncLoaClient, LoaClient, LoaError, Unreachable
from tests.app.api.served import served
from tests.app.campaigns.rows import new_batch, new_run
from tests.engines import sqlite_alone
from tests.long.app.accounts.conftest import PASSWORD
from tests.ports import refusing

database_url = sqlite_alone
DRAFT: dict[str, Any] = {
    "name": "Tet",
    "purpose": "tuyen_truyen",
    "sender": "CA SON LA",
    "text": "Canh giac.",
}


@pytest.fixture
def address(application: FastAPI) -> Iterator[str]:
    with served(application) as address:
        yield address


@pytest.fixture
def key(db: Database) -> str:
    return db.write(create_key, "program")


@pytest.fixture
def loa(address: str, key: str) -> Iterator[LoaClient]:
    with LoaClient(address, key) as loa:
        yield loa


def test_a_file_becomes_a_batch(loa: LoaClient, tmp_path: Path) -> None:
    file = tmp_path / "vnpt.csv"
    file.write_text("phone\n0912345678\n0912345679\nnonsense\n", encoding="utf-8")
    batch = loa.upload_batch(file=file, carrier="vnpt", name="Sơn La")
    while batch.state == "importing":
        batch = loa.get_batch(batch.id)
    assert (batch.state, batch.accepted, batch.rejected, batch.name) == ("ready", 2, 1, "Sơn La")
    assert loa.upload_batch(file=("again.csv", file.read_bytes()), carrier="vnpt").id == batch.id
    assert [each.id for each in loa.list_batches(carrier="vnpt")] == [batch.id]
    assert list(loa.list_batches(carrier="viettel")) == []
    assert [each.line for each in loa.list_bad_lines(batch.id)] == [4]
    assert "nonsense" in loa.download_bad_lines(batch.id)


async def test_all_pages_are_read_by_both_clients(
    loa: LoaClient, address: str, key: str, db: Database
) -> None:
    db.write(lambda c: [new_batch(c, sha256=str(n)) for n in range(7)])
    asked: list[str] = []
    loa._http.event_hooks["request"] = [lambda request: asked.append(request.url.query.decode())]
    assert [each.id for each in loa.list_batches(limit=3)] == list(range(1, 8))
    assert asked == ["limit=3", "limit=3&after=3", "limit=3&after=6"]
    async with AsyncLoaClient(address, key) as other:
        assert [each.id async for each in other.list_batches(limit=3)] == list(range(1, 8))
        assert (await other.get_batch(7)).sha256 == "6"


def test_an_answer_has_python_s_types_and_an_edit_repeats_its_version(loa: LoaClient) -> None:
    ends = datetime(2031, 2, 9, 11, tzinfo=UTC)
    made = loa.create_campaign(**DRAFT, window_end=ends)
    assert (made.window_end, made.state, made.directive_id) == (ends, "draft", None)
    _, version = loa.get_campaign.with_etag(made.id)
    assert loa.edit_campaign(made.id, **DRAFT | {"name": "New"}, if_match=version).campaign.name == "New"
    with pytest.raises(loa_client.VersionChanged):
        loa.edit_campaign(made.id, **DRAFT, if_match=version)
    directive = loa.create_directive(number="303", issued_on=ends.date(), issuer="CA", subject="Tet")
    assert directive.issued_on == ends.date()
    assert loa.get_directive(directive.id) == directive
    assert loa.resume_link.with_etag.__doc__


def _wrong_key(loa: LoaClient) -> object:
    loa._http.headers["Authorization"] = "Bearer loa_0000_x"
    return loa.get_me()


REFUSALS: dict[str, tuple[type[loa_client.Problem], int, str, Callable[[LoaClient], object]]] = {
    "wrong key": (loa_client.Unauthorised, 401, "unauthorised", _wrong_key),
    "nothing there": (loa_client.NotFound, 404, "not-found", lambda loa: loa.get_run(99)),
    "too early": (loa_client.Conflict, 409, "conflict", lambda loa: loa.start_run(1)),
    "no digest": (loa_client.Invalid, 422, "invalid", lambda loa: loa.approve_campaign(1, digest="")),
    "no version": (loa_client.Problem, 428, "version-wanted", lambda loa: loa.edit_campaign(1, **DRAFT)),
}

FIELDS = {422: ["body.digest"], 428: ["If-Match"]}


@pytest.mark.parametrize("of", REFUSALS)
def test_a_refusal_is_an_error_with_what_the_server_says(loa: LoaClient, db: Database, of: str) -> None:
    kind, status, slug, ask = REFUSALS[of]
    db.write(new_run)
    with pytest.raises(kind) as refused:
        ask(loa)
    problem = refused.value
    assert (type(problem), problem.status, problem.slug) == (kind, status, slug)
    assert problem.detail == str(problem) != ""
    assert len(problem.request_id) == 32
    assert [field for field, _ in problem.errors] == FIELDS.get(status, [])


def test_a_value_that_has_no_form_in_json_is_an_error_of_the_client(loa: LoaClient) -> None:
    at: Any = datetime(2031, 2, 9, 7, tzinfo=UTC).time()
    with pytest.raises(LoaError, match=r"A time cannot be sent. Use text, for example 07:00"):
        loa.create_campaign(**DRAFT, day_starts=at)


def test_a_role_s_limits_are_errors_of_their_own(address: str, db: Database, settings: Settings) -> None:
    refused = pytest.raises(loa_client.Forbidden, match="role auditor")
    with LoaClient(address, db.write(create_key, "reader", "auditor")) as reader, refused:
        reader.create_campaign(**DRAFT)
    few = create_app(settings.model_copy(update={"requests_per_minute": 1}), db)
    with (
        served(few) as there,
        LoaClient(there, db.write(create_key, "p"), patience_s=0) as loa,
        pytest.raises(loa_client.TooOften) as slowed,
    ):
        [loa.get_me() for _ in range(100)]
    assert slowed.value.retry_after_s > 0


async def test_a_run_is_followed_by_both_clients(
    loa: LoaClient, address: str, key: str, db: Database
) -> None:
    _, run_id = db.write(new_run)
    states = []
    for each in loa.watch_run(run_id):
        if each.event == "progress":
            states.append(each.data["state"])
        if len(states) == 1:
            db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED.value)))
    assert states == [RunState.PLANNED, RunState.FINISHED]
    async with AsyncLoaClient(address, key) as other:
        assert [each.event async for each in other.watch_run(run_id)][-1] == "end"
        with pytest.raises(loa_client.NotFound):
            async for _ in other.watch_run(99):
                pass


def test_a_stream_that_is_cut_is_taken_up_again_behind_its_last_event(
    address: str, key: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_client.client._BETWEEN_STREAMS_S", 0.01)
    _, run_id = db.write(new_run)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED.value)))

    def cut(n: int, answer: bytes) -> bytes:
        return answer if n else answer[: answer.index(b"event: end")]

    with _relay(address, cut) as (there, asked), LoaClient(there, key) as loa:
        events = [each.event for each in loa.watch_run(run_id)]
    assert events.count("progress") == 1
    assert b"last-event-id" not in asked[0].lower()
    assert b"last-event-id" in asked[1].lower()


def test_a_person_signs_in_and_changes_things(settings: Settings, key: str, db: Database) -> None:
    own = settings.model_copy(update={"environment": "development"})  # elsewhere the cookie needs TLS
    with served(create_app(own, db)) as address, LoaClient(address) as loa:
        with LoaClient(address, key) as admin:
            admin.add_user(name="lan", role="admin", password=PASSWORD)
        assert loa.log_in(name="lan", password=PASSWORD).name == "lan"
        assert loa.create_campaign(**DRAFT).created_by == "lan"
        loa.log_out()


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_server_that_was_never_there_is_named_at_once(host: str) -> None:
    with refusing() as port:
        away = pytest.raises(Unreachable, match=f"{host}:{port} cannot be reached .*Check the address")
        begun = time.monotonic()
        with LoaClient(f"http://{host}:{port}", "k", patience_s=60) as loa, away:
            loa.get_run(1)
        assert time.monotonic() - begun < 30


async def test_a_server_that_goes_away_is_waited_for_and_then_named(application: FastAPI, key: str) -> None:
    with served(application) as address, LoaClient(address, key, patience_s=0.3) as loa, refusing() as port:
        assert list(loa.list_runs()) == []
        loa._http.base_url = f"http://127.0.0.1:{port}"
        with pytest.raises(Unreachable, match="cannot be reached") as away:
            loa.get_run(1)
        assert away.value.passes
        async with AsyncLoaClient(address, key, patience_s=0.3) as other:
            await other.get_me()
            other._http.base_url = f"http://127.0.0.1:{port}"
            with pytest.raises(Unreachable, match="cannot be reached"):
                await other.get_run(1)


@contextmanager
def _answering(*answers: str) -> Iterator[str]:
    """A server that gives these answers (status and head, a blank line, the body), one after the other."""

    def serve() -> None:
        for answer in answers:
            line, _ = door.accept()
            line.recv(65536)
            head, _, content = answer.partition("\n\n")
            parts = [f"HTTP/1.1 {head}", "Content-Type: application/json", f"Content-Length: {len(content)}"]
            line.sendall("\r\n".join([*parts, "Connection: close", "", content]).encode())
            line.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        thread.join()


def test_an_answer_that_is_not_loa_s_is_named() -> None:
    asks: dict[str, Callable[[LoaClient], object]] = {
        '200 OK\n\n{"id": 1}': lambda loa: loa.get_run(1),
        '200 OK\n\n{"items": 1}': lambda loa: list(loa.list_runs()),
        "200 OK\n\n[]": lambda loa: loa.get_batch(1),
        "502 Bad\n\n<html>": lambda loa: loa.get_batch(1),
    }
    with _answering(*asks) as address, LoaClient(address, "k") as loa:
        for ask in asks.values():
            with pytest.raises(Unreachable, match="does not answer like Loa"):
                ask(loa)


def test_a_server_that_can_t_now_is_asked_again_when_it_says_so() -> None:
    away = '503 Away\r\nRetry-After: 1\n\n{"type": "/docs/errors#database-away", "detail": "It is away."}'
    me = '{"name":"p","role":"admin","carrier":null,"csrf_token":null,"ends_at":null,"must_enrol":false}'
    begun = time.monotonic()
    with _answering(away, f"200 OK\n\n{me}") as address, LoaClient(address, "k") as loa:
        assert loa.get_me().name == "p"
    assert time.monotonic() - begun >= 1
    with (
        _answering(away) as address,
        LoaClient(address, "k", patience_s=0.5) as loa,
        pytest.raises(loa_client.Unavailable, match="It is away") as refused,
    ):
        loa.get_me()
    assert (refused.value.slug, refused.value.retry_after_s) == ("database-away", 1)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_order_whose_answer_is_lost_is_repeated_under_its_key(
    db: Database, address: str, key: str, is_async: bool
) -> None:
    """A line that is cut after the request went out: the client asks again, and one campaign is made."""

    async def ask(there: str) -> loa_client.api.campaigns.Campaign:
        async with AsyncLoaClient(there, key) as loa:
            return await loa.create_campaign(**DRAFT)

    with _relay(address, lambda n, answer: b"" if n == 0 else answer) as (there, asked):
        if is_async:
            made = asyncio.run(ask(there))
        else:
            with LoaClient(there, key) as loa:
                made = loa.create_campaign(**DRAFT)
    assert len(asked) == 2
    assert made.id == 1
    assert db.read(lambda c: c.scalar(select(func.count()).select_from(campaigns))) == 1


def test_what_has_no_key_is_not_sent_twice_on_a_guess(address: str, key: str) -> None:
    cut = pytest.raises(Unreachable)
    with _relay(address, lambda n, answer: b"") as (there, asked), LoaClient(there, key) as loa, cut:
        loa.find_person(phone="0912345678")
    assert len(asked) == 1


class _relay:  # noqa: N801 - used as a function
    """Between a client and a server: `cut` says what of the n-th answer comes through, and the line ends."""

    def __init__(self, address: str, cut: Callable[[int, bytes], bytes]) -> None:
        host, port = address.removeprefix("http://").split(":")
        self.server, self.cut, self.asked = (host, int(port)), cut, list[bytes]()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> tuple[str, list[bytes]]:
        self.thread.start()
        return f"http://127.0.0.1:{self.door.getsockname()[1]}", self.asked

    def __exit__(self, *_: object) -> None:
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.thread.join()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self.door.accept()
            except OSError:
                return
            request = line.recv(65536)
            while b"content-length" in request.lower() and not request.rstrip().endswith(b"}"):
                request += line.recv(65536)
            self.asked.append(request)
            with socket.create_connection(self.server) as there:
                there.sendall(request.replace(b"keep-alive", b"close"))
                answer = b"".join(iter(lambda: there.recv(65536), b""))
            line.sendall(self.cut(len(self.asked) - 1, answer))
            line.close()
