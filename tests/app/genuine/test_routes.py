"""The page and the endpoint: open, quick, silent about what was pasted, and closed to floods."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select, update

from app import logs
from app import models as m
from app.config import Settings
from app.db import Database
from app.main import create_app
from tests.app.client import Client
from tests.app.world import build

TEXT = "Canh giac lua dao: khong doc ma OTP cho nguoi la, bao cong an gan nhat"
FORGED = f"{TEXT} tai congan-baove.xyz"


@pytest.fixture
def citizen(db: Database, settings: Settings) -> Iterator[Client]:
    """Nobody that Loa knows; one text was sent on 29-01-2024 and the days after it."""
    build(db, 1)
    db.write(lambda c: c.execute(update(m.campaigns).values(texts={"": TEXT, "hmn": "Ceev faj"})))
    span = {"started_at": 1_706_493_600_000, "ended_at": 1_707_400_000_000}
    db.write(lambda c: c.execute(update(m.runs).values(span)))
    with Client(create_app(settings, db)) as client:
        yield client


def test_a_genuine_text_is_known_by_sender_and_days(citizen: Client) -> None:
    answer = citizen.post("/v1/verify", json={"text": f"(TB) {TEXT.upper()}"})
    assert answer.status_code == 200
    said = answer.json()
    assert said["verdict"] == "genuine"
    assert said["uses"] == [{"first_day": "2024-01-29", "sender": "CA SONLA", "last_day": "2024-02-08"}]
    assert citizen.post("/v1/verify", json={"text": "Ceev faj"}).json()["verdict"] == "genuine"


def test_a_forged_text_is_marked_on_the_page(citizen: Client) -> None:
    page = citizen.post("/verify", data={"text": FORGED}).text
    assert "CẢNH BÁO" in page
    assert "<ins>tai congan-baove.xyz</ins>" in page
    assert "tên người gửi CA SONLA, từ 29/01/2024 đến 08/02/2024" in page


def test_a_text_of_a_campaign_that_has_not_begun_is_not_known(citizen: Client, db: Database) -> None:
    db.write(lambda c: c.execute(update(m.runs).values(started_at=None, state="planned")))
    assert citizen.post("/v1/verify", json={"text": TEXT}).json()["verdict"] == "unknown"


def test_the_page_needs_no_script_and_nothing_from_elsewhere(citizen: Client) -> None:
    page = citizen.get("/verify")
    assert page.status_code == 200
    assert 'lang="vi"' in page.text
    assert 'name="viewport"' in page.text
    assert "<script" not in page.text
    assert "http" not in page.text
    loaded = re.findall(r'(?:href|src)="([^"]*)"', page.text)
    assert [each for each in loaded if each.startswith("/static/")]
    assert [each for each in loaded if not each.startswith(("/static/", "#", "/verify"))] == []
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "style=" not in page.text


def test_what_is_pasted_comes_back_escaped(citizen: Client) -> None:
    page = citizen.post("/verify", data={"text": f'{TEXT} <script>alert(1)</script> "&'}).text
    assert "<script" not in page
    assert "alert" in page


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b""}, 422),
        ({"content": b"\xff\xfe"}, 422),
        ({"json": {"text": ""}}, 422),
        ({"json": {"text": "x" * 2001}}, 422),
        ({"json": {"text": "x", "phone": "0912345678"}}, 422),
        ({"json": {"text": "x" * 40_000}}, 413),
        ({"content": b'{"text": "\\udc00x"}'}, 422),
        ({"json": {"text": " "}}, 422),
    ],
)
def test_what_is_no_text_is_refused_and_not_repeated(
    citizen: Client, sent: dict[str, object], status: int
) -> None:
    answer = citizen.post("/v1/verify", **sent)
    assert answer.status_code == status, answer.text
    assert "0912345678" not in answer.text
    assert "xxx" not in answer.text


@pytest.mark.parametrize(
    ("sent", "status"), [({}, 422), ({"content": b"x" * 40_000}, 413), ({"data": {"text": ""}}, 422)]
)
def test_a_refusal_is_a_page_too(citizen: Client, sent: dict[str, object], status: int) -> None:
    page = citizen.post("/verify", **sent)
    assert page.status_code == status
    assert "Hãy dán nội dung của một tin nhắn" in page.text


def test_an_address_that_asks_too_often_has_to_wait(db: Database, settings: Settings) -> None:
    with Client(create_app(settings.model_copy(update={"verify_per_minute": 3}), db)) as citizen:
        answers = [citizen.post("/v1/verify", json={"text": "x"}).status_code for _ in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        refused = citizen.post("/v1/verify", json={"text": "x"})
        assert int(refused.headers["retry-after"]) >= 1
        page = citizen.post("/verify", data={"text": "x"})
        assert page.status_code == 429
        assert "đợi một phút" in page.text
        assert citizen.get("/verify").status_code == 200


def test_nothing_of_it_is_stored_or_logged(citizen: Client, db: Database, settings: Settings) -> None:
    stream = io.StringIO()
    logs.configure(settings, stream)
    before = _rows(db)
    secret = "congan-baove.xyz 0912345678"
    citizen.post("/v1/verify", json={"text": f"{TEXT} {secret}"})
    citizen.post("/verify", data={"text": f"{TEXT} {secret}"})
    citizen.post("/v1/verify", json={"text": 7, "more": secret})
    assert _rows(db) == before
    assert "/v1/verify" in stream.getvalue()
    for word in secret.split():
        assert word not in stream.getvalue()


def _rows(db: Database) -> dict[str, int]:
    counts = {}
    for table in m.metadata.sorted_tables:
        query = select(func.count()).select_from(table)
        counts[table.name] = db.read(lambda c, q=query: c.execute(q).scalar_one())
    return counts


def test_a_question_costs_little_among_many_texts(citizen: Client, db: Database) -> None:
    row = db.read(lambda c: dict(c.execute(select(m.campaigns)).one()._mapping))
    wordings = [" ".join(f"chu{(n * 7 + k) % 400}" for k in range(60)) for n in range(300)]
    rows = [row | {"id": 100 + n, "texts": {"": text}} for n, text in enumerate(wordings)]
    run = db.read(lambda c: dict(c.execute(select(m.runs)).one()._mapping))
    begun = [run | {"id": 100 + n, "campaign_id": 100 + n} for n in range(300)]
    db.write(lambda c: (c.execute(m.campaigns.insert(), rows), c.execute(m.runs.insert(), begun)))
    citizen.post("/v1/verify", json={"text": "x"})  # the texts are read
    started = time.process_time()  # what else the machine does says nothing
    for _ in range(10):
        assert citizen.post("/v1/verify", json={"text": FORGED}).json()["verdict"] == "altered"
    assert (time.process_time() - started) / 10 < 0.25
