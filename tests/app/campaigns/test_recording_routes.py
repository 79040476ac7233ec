"""Recordings over HTTP: what is handed in, what is refused, and who gets the bytes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.campaigns import lifecycle, recordings
from app.campaigns.carrier_audience import Audience
from app.core.areas import Basis
from app.database.connection import Database
from app.database.models import campaigns
from app.security import create_key
from tests.app.campaigns.rows import new_campaign
from tests.app.campaigns.test_recordings import WORDS, approved, digest, recorded, spoken_run
from tests.app.client import Client
from tests.engines import sqlite_alone
from tests.sounds import wav

database_url = sqlite_alone


@pytest.fixture
def operator(application: FastAPI, db: Database) -> Iterator[Client]:
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as found:
        yield found


def sent(client: Client, campaign_id: int, content: bytes, **fields: str) -> Any:
    said = {"language": "vi", "wording": WORDS} | fields
    headers = {"Idempotency-Key": said.pop("key")} if "key" in said else {}
    files = {name: (None, value) for name, value in said.items()}
    place = f"/v1/campaigns/{campaign_id}/recordings"
    return client.post(place, files=files | {"file": ("voice.wav", content)}, headers=headers)


@pytest.mark.longer
def test_an_operator_gets_no_recording_for_areas_that_its_run_has_not(
    application: FastAPI, operator: Client, db: Database
) -> None:
    campaign_id, _ = spoken_run(
        db, recorded("hmn", "116", sound=wav(3)), recorded("vi", "125"), recorded("dao", "118", sound=wav(4))
    )
    other = Audience(("118",), Basis.REGISTERED, 10, spoken=True)
    db.write(lifecycle.add_held_run, campaign_id, "viettel", other, "author")
    approved(db, campaign_id)
    place = f"/v1/campaigns/{campaign_id}/recordings"
    ids = {each.language: each.id for each in db.read(recordings.of_campaign, campaign_id)}
    with Client(application, db.write(create_key, "viettel desk", "operator", "viettel")) as second:
        for client, played in ((operator, {"hmn", "vi"}), (second, {"dao"})):
            assert {each["language"] for each in client.get(place).json()} == played
            shown = client.get(f"/v1/campaigns/{campaign_id}").json()["recordings"]
            assert {each["language"] for each in shown} == played
            for language, number in ids.items():
                got = client.get(f"{place}/{number}/file").status_code
                assert got == (200 if language in played else 404), language


@pytest.mark.longer
def test_a_recording_over_http_from_upload_to_the_operators_exact_bytes(
    client: Client, chief: Client, operator: Client, application: FastAPI, db: Database
) -> None:
    campaign = db.write(new_campaign)
    content = wav(2, value=3)
    made = sent(client, campaign, content, key="once", areas="116, 125")
    assert made.status_code == 201, made.text
    said = made.json()
    assert (said["areas"], said["duration_ms"]) == (["116", "125"], 2000)
    assert sent(client, campaign, content, key="once", areas="116, 125").headers["Idempotency-Replayed"]
    file = made.headers["Location"]
    body = {"carrier": "vnpt", "areas": ["116"], "area_basis": "dia_chi_dang_ky", "estimated": 10}
    assert operator.get(file).status_code == 404
    run = client.post(f"/v1/campaigns/{campaign}/held-runs", json=body | {"spoken": True}).json()
    assert run["audience"]["spoken"] is True
    assert operator.get(file).status_code == 409  # nobody has approved it
    client.post(f"/v1/campaigns/{campaign}/submit")
    read = chief.get(f"/v1/campaigns/{campaign}").json()
    assert read["recordings"][0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert chief.get(file).content == content  # who decides hears it first
    chief.post(f"/v1/campaigns/{campaign}/approve", json={"digest": read["digest"]})
    got = operator.get(file)
    assert (got.status_code, got.content, got.headers["Content-Type"]) == (200, content, "audio/wav")
    assert said["sha256"] in got.headers["Content-Disposition"]
    told = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert got.headers["Repr-Digest"] == f"sha-256=:{told}:"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    ordered = operator.get(f"/v1/runs/{run['id']}/order").json()
    assert [each["sha256"] for each in ordered["recordings"]] == [said["sha256"]]


@pytest.mark.longer
def test_an_operator_gets_only_what_its_own_carrier_plays(
    application: FastAPI, operator: Client, db: Database
) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    sends = Audience((), Basis.REGISTERED, 10)
    db.write(lifecycle.add_held_run, campaign_id, "viettel", sends, "author")
    approved(db, campaign_id)
    place = f"/v1/campaigns/{campaign_id}/recordings"
    file = f"{place}/{db.read(recordings.of_campaign, campaign_id)[0].id}/file"
    assert (operator.get(file).status_code, len(operator.get(place).json())) == (200, 1)
    # Of this campaign Viettel sends the text, and MobiFone has nothing.
    for carrier, listed in (("viettel", 200), ("mobifone", 404)):
        with Client(application, db.write(create_key, f"{carrier} desk", "operator", carrier)) as other:
            assert other.get(file).status_code == 404
            assert other.get(place).status_code == listed
            if listed == 200:
                assert other.get(place).json() == []
                assert other.get(f"/v1/campaigns/{campaign_id}").json()["recordings"] == []
    assert sent(operator, campaign_id, wav(3), language="hmn").status_code == 403
    assert operator.delete(file.removesuffix("/file")).status_code == 403


@pytest.mark.longer
def test_what_is_no_recording_is_refused_over_http_and_nothing_is_kept(client: Client, db: Database) -> None:
    campaign = db.write(new_campaign)
    before = digest(db, campaign)
    for content, status, words in (
        (b"<html>" * 100, 422, "no recording"),
        (wav(2) + b"PK\x03\x04", 422, "another size"),
        (wav(200), 422, "lasts 200.0 s"),
        (bytes(10 * 1_048_576 + 1), 413, "larger than"),
    ):
        refused = sent(client, campaign, content)
        assert (refused.status_code, words in refused.text) == (status, True), refused.text
    assert sent(client, campaign, wav(2), wording="").status_code == 422
    assert sent(client, campaign, wav(2), language="not a code").status_code == 422
    assert sent(client, campaign, wav(2), areas="nowhere").status_code == 422
    assert sent(client, campaign, wav(2), wording="ă" * 20_000).status_code == 413
    assert sent(client, 99, wav(2)).status_code == 404
    assert db.read(recordings.of_campaign, campaign) == []
    assert digest(db, campaign) == before
    longest = sent(client, campaign, wav(2), wording="á" * recordings.LONGEST_WORDING)
    assert longest.status_code == 201


@pytest.mark.longer
def test_a_recording_is_removed_over_http(client: Client, db: Database) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    place = f"/v1/campaigns/{campaign_id}/recordings"
    known = client.get(place).json()[0]["id"]
    assert client.delete(f"{place}/{known}").status_code == 204
    assert client.delete(f"{place}/{known}").status_code == 404
    assert (client.get(place).json(), client.get("/v1/campaigns/99/recordings").status_code) == ([], 404)
    assert db.read(lambda c: c.scalar(select(func.count()).select_from(campaigns))) == 1
