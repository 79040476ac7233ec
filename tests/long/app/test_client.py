"""The client against a real server: what it reads and orders, and what it does when the server is away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.campaigns.runs import Verb
from app.cli.client import ApiClient, RequestRefused
from app.cli.client.api_client import Unreachable
from app.core.states import BatchState, RunState
from app.database.connection import Database
from app.database.models import runs
from app.security import create_key
from tests.app.api.served import served
from tests.app.campaigns.rows import new_batch, new_run
from tests.engines import sqlite_alone
from tests.ports import refusing

database_url = sqlite_alone


@pytest.fixture
def address(application: FastAPI) -> Iterator[str]:
    with served(application) as address:
        yield address


@pytest.fixture
def api(address: str, db: Database) -> Iterator[ApiClient]:
    with ApiClient(address, db.write(create_key, "program")) as api:
        yield api


def test_a_file_becomes_a_batch(api: ApiClient, tmp_path: Path) -> None:
    file = tmp_path / "vnpt.csv"
    file.write_text("phone\n0912345678\n0912345679\nnonsense\n", encoding="utf-8")
    batch = api.imported(api.upload_batch(file, "vnpt", "Sơn La"), every_s=0.02)
    assert (batch.state, batch.accepted, batch.rejected) == (BatchState.READY, 2, 1)
    assert batch.name == "Sơn La"
    assert api.upload_batch(file, "vnpt").id == batch.id
    assert [each.id for each in api.batches(carrier="vnpt")] == [batch.id]
    assert list(api.batches(carrier="viettel")) == []


def test_all_pages_are_read(api: ApiClient, db: Database) -> None:
    db.write(lambda c: [new_batch(c, sha256=str(n)) for n in range(1203)])
    assert [each.id for each in api.batches()] == list(range(1, 1204))


def test_what_it_reads_is_what_the_service_has(api: ApiClient, db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    assert [each.name for each in api.campaigns(state="draft")] == ["Before Tet"]
    assert api.campaign(campaign_id).runs == [api.run(run_id)] == list(api.runs(campaign_id=campaign_id))


def test_an_order_is_carried_out_and_a_refusal_is_said_in_the_server_s_words(
    api: ApiClient, db: Database
) -> None:
    _, run_id = db.write(new_run)
    with pytest.raises(RequestRefused, match="approve") as refused:
        api.order(Verb.START, run_id)
    assert refused.value.status == 409
    assert api.order(Verb.CANCEL, run_id).state is RunState.CANCELLING
    with pytest.raises(RequestRefused, match="There is no run 9"):
        api.run(9)


def test_a_run_is_followed(api: ApiClient, db: Database) -> None:
    _, run_id = db.write(new_run)
    states = []
    for run in api.follow(run_id):
        states.append(run.state)
        if len(states) == 1:
            db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED.value)))
    assert states == [RunState.PLANNED, RunState.FINISHED]
    with pytest.raises(RequestRefused):
        next(api.follow(99))


def test_a_wrong_key_is_refused_at_once(address: str) -> None:
    with ApiClient(address, "loa_0000_x") as api, pytest.raises(RequestRefused) as refused:
        api.run(1)
    assert refused.value.status == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_server_that_was_never_there_is_named_at_once(host: str) -> None:
    with refusing() as port:
        away = pytest.raises(Unreachable, match=f"{host}:{port} can't be reached .*look at the address")
        begun = time.monotonic()
        with ApiClient(f"http://{host}:{port}", "k", patience_s=60) as api, away:
            api.run(1)
        assert time.monotonic() - begun < 30


def test_a_server_that_goes_away_is_waited_for_and_then_named(application: FastAPI, db: Database) -> None:
    key = db.write(create_key, "program")
    with served(application) as address, ApiClient(address, key, patience_s=0.3) as api:
        assert list(api.runs()) == []
        api._server = address  # the same client, once the server is gone
        with refusing() as port:
            api._http.base_url = f"http://127.0.0.1:{port}"
            with pytest.raises(Unreachable, match="can't be reached") as away:
                api.run(1)
    assert away.value.passes


def test_an_answer_that_is_not_loa_s_is_named(db: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def other() -> None:
            for _ in range(2):
                line, _ = door.accept()
                line.recv(65536)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                line.close()

        thread = threading.Thread(target=other)
        thread.start()
        with ApiClient(f"http://127.0.0.1:{door.getsockname()[1]}", "k", patience_s=0.1) as api:
            for ask in (api.run, api.batch):
                with pytest.raises(Unreachable, match="does not answer as Loa does"):
                    ask(1)
        thread.join()


def test_an_order_whose_answer_is_lost_is_repeated_under_its_key(
    application: FastAPI, db: Database, address: str
) -> None:
    """A line that is cut after the request went out: the client asks again, and the run is cancelled once."""
    _, run_id = db.write(new_run)
    key, lost = db.write(create_key, "program"), []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def between() -> None:
            for cut in (True, False):
                line, _ = door.accept()
                asked = line.recv(65536)
                host, port = address.removeprefix("http://").split(":")
                with socket.create_connection((host, int(port))) as there:
                    there.sendall(asked.replace(b"keep-alive", b"close"))
                    answer = b"".join(iter(lambda: there.recv(65536), b""))
                lost.append(answer.split(b"\r\n\r\n")[1])
                if not cut:
                    line.sendall(answer)
                line.close()

        thread = threading.Thread(target=between)
        thread.start()
        with ApiClient(f"http://127.0.0.1:{door.getsockname()[1]}", key) as api:
            assert api.order(Verb.CANCEL, run_id).state is RunState.CANCELLING
        thread.join()
    assert lost[0] == lost[1]
