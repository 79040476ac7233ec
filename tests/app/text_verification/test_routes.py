"""The page and the endpoint: open, quick, silent about what was pasted, and closed to floods."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from app.core.config import Settings
from app.core.states import ChunkState, DeliveryState, NotSent
from app.database import models as m
from app.database.connection import Database
from app.observability import logs
from app.runtime.api_app import create_app
from tests.app.client import Client
from tests.app.world import build

TEXT = "Canh giac lua dao: khong doc ma OTP cho nguoi la, bao cong an gan nhat"
FORGED = f"{TEXT} tai congan-baove.xyz"


def went_out(c: Connection, run: int = 1, state: DeliveryState = DeliveryState.SUBMITTED) -> None:
    """One message of the run."""
    tally = {"campaign_id": run, "run_id": run, "batch_id": 1, "state": int(state), "reason": 0}
    c.execute(m.tallies.insert().values(tally | {"n": 1, "segments": 1}))


NOT_OUT = [None, DeliveryState.QUEUED, DeliveryState.NOT_SENT, DeliveryState.EXCLUDED]


@pytest.fixture
def citizen(db: Database, settings: Settings) -> Iterator[Client]:
    """Nobody that Loa knows; one text was sent on 29-01-2024 and the days after it."""
    build(db, 1)
    db.write(lambda c: c.execute(update(m.campaigns).values(texts={"": TEXT, "hmn": "Ceev faj"})))
    span = {"started_at": 1_706_493_600_000, "ended_at": 1_707_400_000_000}
    db.write(lambda c: c.execute(update(m.runs).values(span)))
    db.write(went_out)
    with Client(create_app(settings, db)) as client:
        yield client


@pytest.mark.longer
def test_a_genuine_text_is_known_by_sender_and_days(citizen: Client) -> None:
    answer = citizen.post("/v1/verify", json={"text": f"(TB) {TEXT.upper()}"})
    assert answer.status_code == 200
    said = answer.json()
    assert said["verdict"] == "genuine"
    assert said["uses"] == [
        {"first_day": "2024-01-29", "sender": "CA SONLA", "last_day": "2024-02-08", "withdrawn": False}
    ]
    assert citizen.post("/v1/verify", json={"text": "Ceev faj"}).json()["verdict"] == "genuine"


ACCENTED = "Cảnh giác lừa đảo: không đọc mã OTP cho người lạ, báo công an gần nhất"


@pytest.mark.longer
@pytest.mark.parametrize(
    ("pasted", "verdict"),
    [
        (TEXT, "genuine"),
        (ACCENTED, "genuine"),
        (ACCENTED.replace("giác lừa", "giac lừa"), "genuine"),
        (ACCENTED.replace("lừa đảo", "lửa đảo"), "altered"),
        (ACCENTED.replace("báo công an", "bảo công an"), "altered"),
    ],
)
def test_diacritics_are_held_against_those_of_the_author(
    citizen: Client, db: Database, pasted: str, verdict: str
) -> None:
    """It went out without any, and its copy may have some or all of the author's, and no others."""
    db.write(lambda c: c.execute(update(m.campaigns).values(wording=ACCENTED)))
    assert citizen.post("/v1/verify", json={"text": pasted}).json()["verdict"] == verdict


@pytest.mark.longer
def test_an_author_s_text_that_is_another_one_counts_for_nothing(citizen: Client, db: Database) -> None:
    db.write(lambda c: c.execute(update(m.campaigns).values(wording=ACCENTED.replace("gần nhất", "gần nhà"))))
    assert citizen.post("/v1/verify", json={"text": TEXT}).json()["verdict"] == "genuine"


@pytest.mark.longer
def test_a_forged_text_is_marked_on_the_page(citizen: Client) -> None:
    page = citizen.post("/verify", data={"text": FORGED}).text
    assert "CẢNH BÁO" in page
    assert "<ins>tai congan-baove.xyz</ins>" in page
    assert "tên người gửi CA SONLA, từ 29/01/2024 đến 08/02/2024" in page


@pytest.mark.longer
def test_a_text_of_a_campaign_that_has_not_begun_is_not_known(citizen: Client, db: Database) -> None:
    db.write(lambda c: c.execute(update(m.runs).values(started_at=None, state="planned")))
    assert citizen.post("/v1/verify", json={"text": TEXT}).json()["verdict"] == "unknown"


def asked(citizen: Client, text: str) -> dict[str, Any]:
    found: dict[str, Any] = citizen.post("/v1/verify", json={"text": text}).json()
    return found


@pytest.mark.longer
@pytest.mark.parametrize(
    "state", [None, DeliveryState.QUEUED, DeliveryState.NOT_SENT, DeliveryState.EXCLUDED]
)
def test_a_text_that_was_ordered_to_go_out_and_has_not_is_not_known(
    citizen: Client, db: Database, state: DeliveryState | None
) -> None:
    """Finding 5: a window that opens tomorrow, and a stranger who guesses six words today."""
    db.write(lambda c: c.execute(m.tallies.delete()))
    if state is not None:
        db.write(went_out, 1, state)
    for text in (TEXT, "Canh giac lua dao: khong doc ma OTP"):
        assert asked(citizen, text) == asked(citizen, "x y z a b c") | {"parts": [], "uses": []}


@pytest.mark.parametrize(
    ("state", "verdict"), [(ChunkState.LEASED, "genuine"), (ChunkState.READY, "unknown")]
)
def test_a_text_is_known_while_the_carrier_has_yet_to_answer(
    citizen: Client, db: Database, state: ChunkState, verdict: str
) -> None:
    """What a worker has may be on telephones before its answer is written; what waits is on none."""
    db.write(lambda c: c.execute(m.tallies.delete()))
    chunk = {"campaign_id": 1, "batch_id": 1, "run_id": 1, "first_seq": 2, "last_seq": 2, "state": state}
    db.write(lambda c: c.execute(m.chunks.insert().values(chunk | {"watermark": 1})))
    assert asked(citizen, TEXT)["verdict"] == verdict


@pytest.mark.longer
@pytest.mark.parametrize("sent", [True, False])
def test_a_text_that_was_called_off_is_not_called_genuine(citizen: Client, db: Database, sent: bool) -> None:
    values = {"state": "cancelled", "closing": int(NotSent.CANCELLED)}
    db.write(lambda c: c.execute(update(m.runs).values(values)))
    if not sent:
        db.write(lambda c: c.execute(m.tallies.delete()))
    assert asked(citizen, TEXT)["verdict"] == ("withdrawn" if sent else "unknown")
    page = citizen.post("/verify", data={"text": TEXT}).text
    assert ("việc gửi đã bị dừng" in page) == sent
    assert "được gửi qua hệ thống" not in page


@pytest.mark.longer
def test_a_text_that_has_just_begun_is_no_forgery_of_an_earlier_one(citizen: Client, db: Database) -> None:
    """Whichever texts were read before the question: "altered" is never said from an old list."""
    later = f"Lan 57: {TEXT}"
    assert asked(citizen, later)["verdict"] == "altered"
    begin(db, later)
    assert asked(citizen, later)["verdict"] == "genuine"
    assert asked(citizen, f"Lan 12: {TEXT}")["verdict"] == "altered"


@pytest.mark.longer
def test_a_text_that_has_just_begun_is_known(citizen: Client, db: Database) -> None:
    assert asked(citizen, "Hop to dan pho toi nay")["verdict"] == "unknown"
    begin(db, "Hop to dan pho toi nay")
    assert asked(citizen, "Hop to dan pho toi nay")["verdict"] == "genuine"


def begin(db: Database, text: str) -> None:
    """Another campaign sends this text."""
    row = db.read(lambda c: dict(c.execute(select(m.campaigns)).one()._mapping))
    run = db.read(lambda c: dict(c.execute(select(m.runs)).one()._mapping))
    db.write(lambda c: c.execute(m.campaigns.insert().values(row | {"id": 7, "texts": {"": text}})))
    db.write(lambda c: c.execute(m.runs.insert().values(run | {"id": 7, "campaign_id": 7})))
    db.write(lambda c: went_out(c, 7))


def test_another_run_that_was_not_called_off_keeps_it_genuine(citizen: Client, db: Database) -> None:
    run = db.read(lambda c: dict(c.execute(select(m.runs)).one()._mapping))
    db.write(lambda c: c.execute(m.runs.insert().values(run | {"id": 2, "carrier": "vnpt"})))
    db.write(went_out, 2)
    db.write(
        lambda c: c.execute(update(m.runs).where(m.runs.c.id == 1).values(closing=int(NotSent.CANCELLED)))
    )
    assert asked(citizen, TEXT)["verdict"] == "genuine"


@pytest.mark.longer
@pytest.mark.parametrize(
    "typed",
    [
        "Canh giac lua dao: khong doc ma OTP",
        "khong doc ma OTP cho nguoi la",
        "Canh giac lua dao: khong doc ma OTP cho nguoi nha, bao cong an",
        f"{TEXT} tai congan-baove.xyz",
    ],
)
def test_what_a_stranger_typed_is_never_completed(citizen: Client, typed: str) -> None:
    found = asked(citizen, typed)
    assert found["verdict"] in ("incomplete", "altered")
    said = " ".join(part["text"] for part in found["parts"] if part["change"] != "missing").split()
    assert set(said) <= set(typed.replace(":", "").replace(",", "").split())
    assert {part["text"] for part in found["parts"] if part["change"] == "missing"} <= {"…"}
    page = citizen.post("/verify", data={"text": typed}).text
    for word in set(TEXT.split()) - set(typed.split()):
        assert f"<del>{word}" not in page


@pytest.mark.longer
def test_the_page_needs_no_script_and_nothing_from_elsewhere(citizen: Client) -> None:
    page = citizen.get("/verify")
    assert page.status_code == 200
    assert 'lang="vi"' in page.text
    assert 'name="viewport"' in page.text
    assert "<script" not in page.text
    assert "http" not in page.text
    loaded = re.findall(r'(?:href|src)="([^"]*)"', page.text)
    assert [each for each in loaded if each.startswith("/static/")]
    assert [each for each in loaded if not each.startswith(("/static/", "#", "/verify", "tel:"))] == []
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "style=" not in page.text


def test_what_is_pasted_comes_back_escaped(citizen: Client) -> None:
    page = citizen.post("/verify", data={"text": f'{TEXT} <script>alert(1)</script> "&'}).text
    assert "<script" not in page
    assert "alert" in page


@pytest.mark.longer
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


@pytest.mark.longer
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


@pytest.mark.longer
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


@pytest.mark.prove
@pytest.mark.longer
def test_a_question_costs_little_among_many_texts(citizen: Client, db: Database) -> None:
    row = db.read(lambda c: dict(c.execute(select(m.campaigns)).one()._mapping))
    wordings = [" ".join(f"chu{(n * 7 + k) % 400}" for k in range(60)) for n in range(300)]
    rows = [row | {"id": 100 + n, "texts": {"": text}} for n, text in enumerate(wordings)]
    run = db.read(lambda c: dict(c.execute(select(m.runs)).one()._mapping))
    begun = [run | {"id": 100 + n, "campaign_id": 100 + n} for n in range(300)]
    db.write(lambda c: (c.execute(m.campaigns.insert(), rows), c.execute(m.runs.insert(), begun)))
    db.write(lambda c: [went_out(c, 100 + n) for n in range(300)])
    citizen.post("/v1/verify", json={"text": "x"})  # the texts are read
    started = time.process_time()  # what else the machine does says nothing
    for _ in range(10):
        assert citizen.post("/v1/verify", json={"text": FORGED}).json()["verdict"] == "altered"
    assert (time.process_time() - started) / 10 < 0.5
