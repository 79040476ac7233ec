"""What people did stays as it was written: a changed, missing or added row is found."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update
from typer.testing import CliRunner

from app.cli import app as commands
from app.database.connection import Database
from app.database.models import audit as table
from app.security import audit, audit_chain
from tests.app.client import Client
from tests.engines import each_engine, other_by_hand

database_url = each_engine

COLUMNS = ("id", "at", "who", "origin", "action", "subject", "detail", "hash")


def written(db: Database, count: int = 5) -> None:
    for number in range(count):
        detail = {"before": {"rate": number}, "after": {"rate": number + 1}, "lý do": "khẩn"}
        db.write(audit.note, "Lan", "run.rate", f"run/{number}", **detail)


def fault(db: Database) -> str:
    return db.read(audit.verify).fault or ""


def test_an_untouched_chain_is_whole(db: Database) -> None:
    assert db.read(audit.verify) == audit.Chain(0, audit.START)
    written(db)
    found = db.read(audit.verify)
    assert (found.rows, found.fault) == (5, None)
    assert len(found.head) == 64


def test_a_number_in_what_people_wrote_is_kept_and_shown_masked(db: Database) -> None:
    told = {"name": "Goi 0912 345 678", "before": {"why": ["+84912345678", 7]}, "n": 84912345678}
    db.write(audit.note, "Lan", "campaign.create", "campaign/1", **told)
    kept = db.read(lambda c: str(c.execute(text("SELECT CAST(detail AS text) FROM audit")).scalar()))
    assert "345" not in kept.replace("84912345678}", "")
    older = ("Lan", "campaign.create", "campaign/2")  # as acts were written before
    db.write(audit._add, older, {"name": "Goi 0912345678"})
    first, second = db.read(audit.listed, 0, 10).items
    assert first.detail == {
        "name": "Goi 8491*****78",
        "before": {"why": ["8491*****78", 7]},
        "n": 84912345678,
    }
    assert second.detail == {"name": "Goi 8491*****78"}
    assert db.read(audit.verify).fault is None


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize("column", COLUMNS)
def test_any_single_changed_byte_of_any_column_is_found(db: Database, column: str) -> None:
    written(db)
    every_byte_counts(db, column)


def every_byte_counts(db: Database, column: str) -> None:
    """Of the third row."""
    place = random.Random(column)
    raw = str(
        db.read(lambda c: c.execute(text(f"SELECT CAST({column} AS text) FROM audit WHERE id = 3")).scalar())
    )
    seen = 0
    for position in range(len(raw)):
        changed = raw[:position] + other(raw[position], place) + raw[position + 1 :]
        if tampered(db, column, raw, changed):
            seen += 1
    assert seen >= min(len(raw), 1)
    assert fault(db) == ""  # each was put back


def other(char: str, place: random.Random) -> str:
    """Another character of the same kind, so that numbers stay numbers."""
    kind = "0123456789" if char.isdigit() else "abcdefghijklmnop "
    return place.choice([each for each in kind if each != char])


def tampered(db: Database, column: str, old: str, new: str) -> bool:
    """Change the third row behind everybody's back, see that it is found, and put it back."""
    cast = (
        {"id": "integer", "at": "bigint", "detail": "json"}.get(column, "text") if not db.sqlite else "text"
    )
    if column == "detail":
        try:
            json.loads(new)
        except ValueError:
            return False  # PostgreSQL does not store it, and nobody can read it on SQLite
    if column in ("id", "at") and (len(new) != len(str(int(new))) or int(new) in (1, 2, 4, 5)):
        return False
    set_ = text(f"UPDATE audit SET {column} = CAST(:value AS {cast}) WHERE hash = :hash OR id = :id")
    row = db.read(lambda c: c.execute(select(table).where(table.c.id == 3)).one())
    if db.sqlite and column in ("id", "at"):
        set_ = text(f"UPDATE audit SET {column} = CAST(:value AS integer) WHERE hash = :hash OR id = :id")
    db.write(lambda c: c.execute(set_, {"value": new, "hash": row.hash, "id": row.id}))
    found = fault(db)
    moved = int(new) if column == "id" else row.id
    back = {"value": old, "hash": row.hash, "id": moved}
    db.write(lambda c: c.execute(set_, back))
    assert found, f"{column}: {old!r} became {new!r}, and nobody noticed"
    return True


def went_over(db: Database) -> None:
    """As `loa audit algorithm sha3-256` left the chain after its second row, until December 2026."""

    def work(c: Connection) -> None:
        rows = [*audit_chain.rows(c, 0)]
        before = rows[1].hash
        for row in rows[2:]:
            before = audit.link(before, [*row[: len(audit.SAID)], row.stored], like="sha3-256:")
            c.execute(update(table).where(table.c.id == row.id).values(hash=before))

    db.write(work)


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize("column", COLUMNS)
def test_a_chain_that_once_went_over_to_sha3_verifies_and_goes_on(db: Database, column: str) -> None:
    written(db, 4)
    went_over(db)
    written(db, 2)
    found = db.read(audit.verify)
    assert (found.rows, found.fault) == (6, None)
    hashes = [act.hash for act in db.read(audit.listed, 0, 10).items]
    assert [each.startswith("sha3-256:") for each in hashes] == [False] * 2 + [True] * 2 + [False] * 2
    every_byte_counts(db, column)


def test_a_row_taken_out_put_in_or_exchanged_is_named(db: Database) -> None:
    written(db)
    row = dict(db.read(lambda c: c.execute(select(table).where(table.c.id == 3)).one())._mapping)
    db.write(lambda c: c.execute(delete(table).where(table.c.id == 3)))
    assert fault(db) == "Row 3 is missing; the next row is 4."
    db.write(lambda c: c.execute(insert(table).values(row | {"who": "Mallory"})))
    assert fault(db).startswith("Row 3 (run.rate by Mallory) or the row before it was changed")
    db.write(lambda c: c.execute(update(table).where(table.c.id == 3).values(who="Lan")))
    assert fault(db) == ""
    db.write(lambda c: c.execute(insert(table).values(row | {"id": 6})))
    assert "Row 6" in fault(db)


@pytest.mark.longer
def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(db)
    whole = db.read(audit.verify)
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    monkeypatch.setenv("LOA_DATABASE_URL" if not db.sqlite else "LOA_DATA", where(db))
    head = f"{whole.rows}:{whole.head}"
    db.close()
    assert said("verify", "--head", head) == (0, f"5 acts, all unaltered. Head: {head}")
    again = Database(url(db))
    again.write(lambda c: c.execute(delete(table).where(table.c.id == 5)))
    again.close()
    assert said("verify")[0] == 0  # nothing shows it from inside
    code, words = said("verify", "--head", head)
    assert code == 1
    assert "Row 5 differs from the row that was there at that time" in words


@pytest.mark.parametrize("head", ["nonsense", "5", "5:", "5:" + "0" * 63, "x:" + "0" * 64])
def test_a_head_that_is_no_head_is_a_typing_error_and_no_alarm(head: str) -> None:
    code, words = said("verify", "--head", head)
    assert (code, words) == (1, "--head must be ROWS:HASH, as printed by an earlier verification.")


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["audit", *arguments])
    return result.exit_code, (result.output or str(getattr(result.exception, "detail", ""))).strip()


def url(db: Database) -> str:
    return db.url.render_as_string(hide_password=False)


def where(db: Database) -> str:
    return str(db.url.database).removesuffix("/loa.sqlite3") if db.sqlite else url(db)


@pytest.mark.longer
def test_it_is_exported_act_by_act(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    written(db, 3)
    monkeypatch.setenv("LOA_DATABASE_URL" if not db.sqlite else "LOA_DATA", where(db))
    db.close()
    lines = [json.loads(line) for line in said("export")[1].splitlines()]
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert lines[0]["detail"]["after"] == {"rate": 1}
    assert len(said("export", "--after", "2")[1].splitlines()) == 1


@pytest.mark.longer
def test_acts_at_the_same_time_stand_one_behind_the_other(db: Database) -> None:
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda n: db.write(audit.note, f"person {n}", "x", "y"), range(60)))
    found = db.read(audit.verify)
    assert (found.rows, found.fault) == (60, None)


def test_an_act_says_where_it_came_from(db: Database) -> None:
    token = audit.origin.set("10.1.2.3")
    try:
        written(db, 1)
    finally:
        audit.origin.reset(token)
    assert db.read(audit.listed, 0, 1).items[0].origin == "10.1.2.3"


@pytest.mark.longer
def test_the_api_shows_the_acts_and_their_verification(client: Client, db: Database) -> None:
    db.write(audit.note, "Lan", "run.start", "run/1")
    page = client.get("/v1/audit?limit=1").json()
    assert page["items"][0]["id"] == 1
    assert page["next"] == 1
    found = client.get("/v1/audit/verification").json()
    assert found["fault"] is None
    assert found["rows"] >= 1
