"""Keys: roles and carriers, expiry, rotation with an overlap, and when they were last used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, update

from app.core import clock
from app.core.errors import Conflict, Invalid, NotFound, Unauthorised
from app.database.connection import Database
from app.database.models import api_keys
from app.security import audit, create_key, find_caller, keys, list_keys, revoke_key, rotate_key
from tests.app.at_once import while_open
from tests.app.client import Client

DAY = timedelta(hours=24)


def set_all(db: Database, **values: Any) -> None:
    db.write(lambda c: c.execute(update(api_keys).values(values)))


def good(db: Database, key: str) -> bool:
    try:
        db.read(find_caller, key)
    except Unauthorised:
        return False
    return True


def test_a_rotated_key_is_good_beside_its_new_secret_until_the_overlap_ends(db: Database) -> None:
    old = db.write(create_key, "phone room", "operator", "vnpt")
    new = db.write(rotate_key, "phone room", DAY)
    assert db.read(find_caller, new) == db.read(find_caller, old)
    set_all(db, previous_until=clock.now_ms() - 1)
    assert (good(db, old), good(db, new)) == (False, True)


def test_a_second_rotation_ends_the_oldest_secret_at_once(db: Database) -> None:
    first = db.write(create_key, "phone room")
    second = db.write(rotate_key, "phone room", DAY)
    third = db.write(rotate_key, "phone room", timedelta(0))
    assert [good(db, key) for key in (first, second, third)] == [False, False, True]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_of_two_rotations_at_once_both_new_secrets_are_good(db: Database) -> None:
    db.write(create_key, "phone room")
    told: list[str] = []

    def rotate(connection: Connection) -> None:
        told.append(rotate_key(connection, "phone room", DAY))

    while_open(db, rotate, lambda: db.write(rotate))
    assert [db.read(find_caller, secret).name for secret in told] == ["phone room"] * 2


def test_secrets_of_two_keys_don_t_mix(db: Database) -> None:
    one, two = db.write(create_key, "one"), db.write(create_key, "two")
    new = db.write(rotate_key, "one", DAY)
    mixed = f"loa_{one.split('_')[1]}_{new.split('_', 2)[2]}"
    assert [good(db, key) for key in (mixed, f"loa_{two.split('_')[1]}_{one.split('_', 2)[2]}")] == [
        False,
        False,
    ]


def test_a_revoked_key_ends_with_all_its_secrets(db: Database) -> None:
    old = db.write(create_key, "phone room")
    new = db.write(rotate_key, "phone room", DAY)
    db.write(revoke_key, "phone room")
    assert (good(db, old), good(db, new)) == (False, False)
    with pytest.raises(Conflict, match="phone room's API key has expired"):
        db.write(rotate_key, "phone room", DAY)
    with pytest.raises(NotFound, match="no key named nobody"):
        db.write(rotate_key, "nobody", DAY)


def test_a_key_expires_and_so_does_the_secret_before(db: Database) -> None:
    soon = clock.now() + timedelta(hours=1)
    old = db.write(create_key, "phone room", expires_at=soon)
    new = db.write(rotate_key, "phone room", DAY)
    [shown] = db.read(list_keys)
    assert shown.previous_until == shown.expires_at
    set_all(db, expires_at=clock.now_ms())
    assert (good(db, old), good(db, new)) == (False, False)
    with pytest.raises(Conflict, match="phone room's API key has expired"):
        db.write(rotate_key, "phone room", DAY)


@pytest.mark.parametrize(
    ("role", "carrier", "field"),
    [("boss", None, "role"), ("operator", None, "carrier"), ("auditor", "vnpt", "carrier")],
)
def test_an_operator_has_a_carrier_and_nobody_else_has(
    db: Database, role: str, carrier: str | None, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        db.write(create_key, "phone room", role, carrier)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["", " lan", "a/b", "lan (command line)", "a\nb", "x" * 81])
def test_a_name_is_one_line_and_nobody_s_at_the_keyboard(db: Database, name: str) -> None:
    with pytest.raises(Invalid):
        db.write(create_key, name)


def test_an_overlap_and_an_expiry_are_within_reason(db: Database) -> None:
    db.write(create_key, "phone room")
    for wrong in (timedelta(hours=-1), timedelta(days=31)):
        with pytest.raises(Invalid, match="overlap"):
            db.write(rotate_key, "phone room", wrong)
    with pytest.raises(Invalid, match="The expiry time is in the past"):
        db.write(keys.create_key, "late", expires_at=clock.now())


def test_the_last_use_is_kept_to_the_minute(client: Client, db: Database) -> None:
    client.get("/v1/runs")
    [first] = db.read(list_keys)
    assert first.last_used_at is not None
    client.get("/v1/runs")
    assert db.read(list_keys) == [first]
    set_all(db, last_used_at=1)
    client.get("/v1/runs")
    assert db.read(list_keys)[0].last_used_at > first.created_at


def test_a_key_and_a_person_never_have_one_name(db: Database, add: Callable[..., str]) -> None:
    db.write(create_key, "phone room")
    with pytest.raises(Conflict, match="A key named phone room already exists"):
        add("phone room")
    add("lan")
    with pytest.raises(Conflict, match="A person named lan already exists"):
        db.write(create_key, "lan")


def test_keys_over_http_from_the_first_secret_to_the_end(
    client: Client, application: FastAPI, db: Database
) -> None:
    wanted = {"name": "vnpt desk", "role": "operator", "carrier": "vnpt"}
    made = client.post("/v1/keys", json=wanted)
    assert made.status_code == 201
    with Client(application, made.json()["key"]) as old:
        me = old.get("/v1/me").json()
        assert (me["name"], me["role"], me["carrier"]) == ("vnpt desk", "operator", "vnpt")
        rotated = client.post("/v1/keys/vnpt desk/rotate", json={"overlap_hours": 0}).json()
        assert old.get("/v1/me").status_code == 401
    with Client(application, rotated["key"]) as new:
        assert new.get("/v1/me").status_code == 200
        assert client.delete("/v1/keys/vnpt desk").status_code == 204
        assert new.get("/v1/me").status_code == 401
    listed = client.get("/v1/keys").json()
    assert [(each["name"], each["made_by"]) for each in listed] == [("tester", ""), ("vnpt desk", "tester")]
    assert rotated["key"].split("_", 2)[2] not in str(listed)
    acts = db.read(audit.listed, 0, 100).items
    assert [(act.action, act.subject, act.detail) for act in acts] == [
        ("key.add", "key/vnpt desk", {"role": "operator", "carrier": "vnpt"}),
        ("key.rotate", "key/vnpt desk", {"overlap_hours": 0}),
        ("key.revoke", "key/vnpt desk", {}),
    ]
    assert client.post("/v1/keys", json=wanted).status_code == 409
    assert client.post("/v1/keys", json=wanted | {"role": "boss"}).status_code == 422
    strange = client.post("/v1/keys", json={"name": "desk", "role": "operator", "carrier": "viettle"})
    assert (strange.status_code, "Did you mean viettel?" in strange.text) == (422, True)
    assert client.post("/v1/keys/nobody/rotate").status_code == 404
