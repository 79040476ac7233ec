"""Keys are made and rotated once for each Idempotency-Key, and no secret or password is kept for it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.api.idempotency_store import sweep
from app.database.connection import Database
from app.database.models import api_keys, idempotency_keys
from tests.app.client import Client

KEY = {"Idempotency-Key": "9d01"}
ROOM = {"name": "phone room", "role": "operator", "carrier": "vnpt"}


@pytest.mark.longer
def test_a_key_is_made_once_and_asked_again_its_name_is_said(client: Client, db: Database) -> None:
    made = client.post("/v1/keys", json=ROOM, headers=KEY)
    assert made.status_code == 201
    again = client.post("/v1/keys", json=ROOM, headers=KEY)
    assert (again.status_code, again.json()["type"]) == (409, "/docs/errors#done-before")
    assert "The key “phone room” was made under this Idempotency-Key." in again.json()["detail"]
    other = client.post("/v1/keys", json=ROOM | {"name": "x"}, headers=KEY)
    assert (other.status_code, other.json()["type"]) == (422, "/docs/errors#key-reused")
    assert [each["name"] for each in client.get("/v1/keys").json()] == ["tester", "phone room"]
    secret = made.json()["key"].split("_", 2)[2].encode()  # it may have such a sign itself
    kept = db.read(lambda c: c.execute(select(idempotency_keys)).all())
    assert len(kept) == 1
    assert secret not in repr(kept).encode()
    assert secret not in kept[0].body


@pytest.mark.longer
def test_a_key_is_rotated_once(client: Client, db: Database) -> None:
    client.post("/v1/keys", json=ROOM)
    place = "/v1/keys/phone room/rotate"
    assert client.post(place, headers=KEY).status_code == 200
    prefix = select(api_keys.c.prefix).where(api_keys.c.name == "phone room")
    then = db.read(lambda c: c.execute(prefix).scalar())
    again = client.post(place, headers=KEY)
    assert "The key “phone room” was rotated" in again.json()["detail"]
    assert db.read(lambda c: c.execute(prefix).scalar()) == then
    assert db.write(sweep, -60_000) == 1  # after its time the key is new
    assert client.post(place, headers=KEY).status_code == 200


@pytest.mark.longer
def test_a_password_leaves_no_hash_of_its_request(client: Client, db: Database) -> None:
    person = {"name": "lan", "role": "approver", "password": "bốn từ chẳng liên quan"}
    assert client.post("/v1/users", json=person, headers=KEY).status_code == 201
    assert db.read(lambda c: c.execute(select(idempotency_keys)).all()) == []
    assert client.post("/v1/users", json=person, headers=KEY).status_code == 409


@pytest.mark.longer
@pytest.mark.parametrize(
    ("listed", "edit", "then"),
    [
        ("/v1/users", ("POST", "/v1/users/lan/disable", None), 200),
        ("/v1/keys", ("POST", "/v1/keys/phone room/rotate", {"overlap_hours": 0}), 200),
        ("/v1/keys", ("DELETE", "/v1/keys/phone room", None), 204),
    ],
)
def test_people_and_keys_are_changed_only_as_they_were_read(
    client: Client, listed: str, edit: tuple[str, str, object], then: int
) -> None:
    person = {"name": "lan", "role": "approver", "password": "bốn từ chẳng liên quan"}
    before = client.get(listed).headers["ETag"]
    client.post("/v1/users", json=person)
    client.post("/v1/keys", json=ROOM)
    method, place, body = edit
    refused = client.request(method, place, json=body, headers={"If-Match": before})
    assert (refused.status_code, refused.json()["type"]) == (412, "/docs/errors#version-changed")
    now = client.get(listed).headers["ETag"]
    client.get("/v1/runs")  # that a key is used changes no version
    assert client.request(method, place, json=body, headers={"If-Match": now}).status_code == then
