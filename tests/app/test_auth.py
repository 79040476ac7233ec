"""Keys: shown once, kept as hashes, ended at once."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.core.errors import Conflict, Invalid, NotFound, Unauthorised
from app.database.connection import Database
from app.database.models import api_keys, people, sessions
from app.security import Caller, create_key, find_caller, list_keys, revoke_key
from tests.app.client import Client
from tests.exact import exactly


def test_a_key_names_its_holder(db: Database) -> None:
    key = db.write(create_key, "phone room", "operator", "vnpt")
    assert db.read(find_caller, key) == Caller("phone room", "operator", "vnpt")


def test_the_secret_is_not_in_the_database(db: Database) -> None:
    key = db.write(create_key, "phone room")
    row = db.read(lambda c: c.execute(select(api_keys)).one())
    assert key.split("_", 2)[2] not in str(row)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "loa_",
        "loa_x",
        "loa__",
        "nothing",
        "loa_{prefix}_",
        "loa_{prefix}_wrong",
        "loa_{prefix}_{secret}x",
        "loa_{prefix}_ế",
        "loa_00000000_{secret}",
        "loa_\x00_x",
        "loa_é_x",
    ],
)
def test_every_wrong_key_gets_the_same_answer(db: Database, wrong: str) -> None:
    _, prefix, secret = db.write(create_key, "phone room").split("_", 2)
    with pytest.raises(
        Unauthorised,
        match=exactly("This API key is unknown. Send a valid one as `Authorization: Bearer loa_...`."),
    ):
        db.read(find_caller, wrong.format(prefix=prefix, secret=secret))


def test_a_name_is_taken_once(db: Database) -> None:
    db.write(create_key, "phone room")
    with pytest.raises(
        Conflict, match=exactly("A key named phone room already exists. Choose another name for this key.")
    ):
        db.write(create_key, "phone room")


@pytest.mark.longer
def test_a_revoked_key_is_over_at_once(db: Database, client: Client) -> None:
    assert client.get("/v1/runs").status_code == 200
    db.write(revoke_key, "tester")
    assert client.get("/v1/runs").status_code == 401
    first = db.read(list_keys)[0].revoked_at
    db.write(revoke_key, "tester")
    assert db.read(list_keys)[0].revoked_at == first
    with pytest.raises(NotFound, match="no key named nobody"):
        db.write(revoke_key, "nobody")


def test_a_list_of_keys_shows_no_secret(db: Database) -> None:
    key = db.write(create_key, "phone room")
    found = db.read(list_keys)
    assert [(each.name, each.prefix, each.revoked_at) for each in found] == [
        ("phone room", key.split("_")[1], None)
    ]
    assert key.split("_", 2)[2] not in str(found)


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer nothing", "loa_1_2"])
def test_other_credentials_are_refused(stranger: Client, header: str) -> None:
    assert stranger.get("/v1/runs", headers={"Authorization": header}).status_code == 401


@pytest.mark.longer
def test_a_new_database_lets_nobody_in(db: Database, application: FastAPI) -> None:
    for table in (api_keys, people, sessions):
        assert db.read(lambda c, table=table: c.execute(select(table)).all()) == []
    with Client(application) as client:
        for name, password in (("admin", "admin"), ("loa", "loa"), ("root", "root"), ("admin", "")):
            tried = client.post("/v1/session", json={"name": name, "password": password})
            assert tried.status_code == 401, (name, tried.text)


@pytest.mark.parametrize("other", ["Lân Hà", "LÂN hà", "lân  hà", "lan"])
def test_nobody_is_taken_for_another_by_capitals_or_blanks(db: Database, other: str) -> None:
    db.write(create_key, "lân hà")
    if other == "lan":  # another name
        db.write(create_key, other)
        return
    with pytest.raises(
        Conflict, match=exactly("A key named lân hà already exists. Choose another name for this key.")
    ):
        db.write(create_key, other)


@pytest.mark.parametrize(
    "other", ["l\u0430n", "\u217can", "l\u0251n\u03bf", "\uff4can", "la\u0301n", "l\u200ban"]
)
def test_nobody_is_taken_for_another_by_letters_that_look_alike(db: Database, other: str) -> None:
    with pytest.raises(Invalid, match="name"):
        db.write(create_key, other)
    assert db.read(list_keys) == []
