"""What a caller sends is read as meant or refused: nothing of it is dropped in silence."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from app.database.connection import Database
from app.database.models import directives, runs
from tests.app.campaigns.rows import new_run
from tests.app.client import Client

LETTER = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "PA05", "subject": "Tin nhắn"}
CSV = b"phone\n0912000001\n"
JSON = {"Content-Type": "application/json"}


def said(client: Client, method: str, url: str, content: str) -> tuple[int, str]:
    answer = client.request(method, url, content=content, headers=JSON)
    return answer.status_code, answer.json().get("detail", "")


def test_a_name_given_twice_in_json_is_refused(client: Client, db: Database) -> None:
    assert client.post("/v1/directives", json=LETTER).status_code == 201
    twice = json.dumps({"report_deadline": None, "reason": "late"}).replace("{", '{"reason": "first", ', 1)
    refused = said(client, "PUT", "/v1/directives/1/deadline", twice)
    assert refused == (422, "body.reason was given twice. Give it only once.")
    assert db.read(lambda c: c.execute(select(directives.c.report_deadline)).scalar_one()) is None
    odd = {"Content-Type": "APPLICATION/JSON"}
    again = client.put("/v1/directives/1/deadline", content=twice, headers=odd)
    assert (again.status_code, again.json()["detail"]) == (
        422,
        "body.reason was given twice. Give it only once.",
    )
    within = json.dumps(LETTER | {"addressees": ["x"]}).replace('["x"]', '[{"name": "x", "name": "y"}]')
    assert said(client, "POST", "/v1/directives", within) == (
        422,
        "body.name was given twice. Give it only once.",
    )


@pytest.mark.parametrize("content", ['{"reason": "x"}', '"now"', "[]", "7", "pause it", "a=1"])
def test_a_body_is_refused_where_none_is_read(client: Client, db: Database, content: str) -> None:
    run, _ = db.write(new_run)
    db.write(lambda c: c.execute(update(runs).values(state="running")))
    url = f"/v1/runs/{run}/pause"
    assert said(client, "POST", url, content) == (
        422,
        ("This operation does not accept a request body. Remove the body."),
    )
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "running"
    for nothing in ("", "{}", " { }\n", "null"):
        assert said(client, "POST", url, nothing)[0] in (200, 409)


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"carrier": "vnpt", "carier": "vnpt"}, ("Unknown form field body.carier. Did you mean carrier?")),
        ({"carrier": "vnpt", "zzz": "1"}, ("Unknown form field body.zzz. See /docs for the parameters")),
        ({"carrier": ["vnpt", "vnpt"]}, "body.carrier was given twice. Give it only once."),
        ({"carrier": ["vnpt", ""]}, "body.carrier was given twice. Give it only once."),
    ],
)
def test_a_field_of_an_upload_is_known_and_given_once(client: Client, fields: object, hint: str) -> None:
    refused = client.post("/v1/batches", files={"file": ("a.csv", CSV)}, data=fields)
    assert (refused.status_code, hint in refused.json()["detail"]) == (422, True), refused.text
    assert client.get("/v1/batches").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("limit=-1", "query.limit must be at least 1."),
        ("limit=0", "query.limit must be at least 1."),
        ("limit=1001", "query.limit must be at most 1000."),
        ("limit=99999999999", "query.limit must be at most 1000."),
        ("after=-1", "query.after must be at least 0."),
        ("after=9223372036854775807", "query.after must be at most 2147483647."),
        ("after=99999999999", "query.after must be at most 2147483647."),
        ("after=" + "9" * 5000, "query.after is outside the range of valid numbers."),
        ("after=1.5", "query.after must be a whole number."),
        ("after=%2B1", "query.after must be a whole number."),
        ("after=-0", "query.after must be a whole number."),
        ("after=007", "query.after must be a whole number."),
    ],
)
def test_a_number_out_of_range_is_told_its_range(client: Client, query: str, why: str) -> None:
    refused = client.get(f"/v1/runs?{query}")
    assert (refused.status_code, refused.json()["detail"]) == (422, why)


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "IDEMPOTENCY-KEY", "Content-Type"])
def test_a_header_that_decides_is_given_once(client: Client, db: Database, name: str) -> None:
    given = {"Authorization": client.headers["Authorization"], "Content-Type": "application/json"}
    value = given.get(name, "a-key")
    headers = [
        *((key, said) for key, said in given.items() if key != name),
        (name, value),
        (name.lower(), "b"),
    ]
    refused = client.request("POST", "/v1/directives", content=json.dumps(LETTER), headers=headers)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"] == f"header.{name.lower()} was given twice. Give it only once."
    assert db.read(lambda c: c.execute(select(directives.c.id)).all()) == []
    once = client.post("/v1/directives", json=LETTER, headers={"Idempotency-Key": "a-key"})
    assert once.status_code == 201, once.text


def test_a_number_is_no_true_and_no_false(client: Client, db: Database) -> None:
    run, _ = db.write(new_run)
    url, whole = f"/v1/runs/{run}/priority", "body.priority must be a whole number."
    for value in ("true", "false"):
        assert said(client, "PUT", url, f'{{"priority": {value}}}') == (422, whole)
    assert said(client, "PUT", url, '{"priority": 1}')[0] == 200
    lines = said(client, "POST", f"/v1/runs/{run}/unknown/write-off", '{"lines": [[2, true]]}')
    assert lines[0] == 422
    assert "must be a whole number" in lines[1]
    client.post("/v1/keys", json={"name": "desk", "role": "operator", "carrier": "vnpt"})
    hours = said(client, "POST", "/v1/keys/desk/rotate", '{"overlap_hours": true}')
    assert hours == (422, "body.overlap_hours must be a number.")
    letter = json.dumps(LETTER).replace('"2024-01-29"', "true")
    assert said(client, "POST", "/v1/directives", letter)[0] == 422  # as before: a date is no truth either
