"""Parts of a list: each row once whatever the order, words found without marks, counted up to a bound."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import Connection, event, insert, select

from app.database import listing
from app.database.connection import Database
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import directives
from tests.engines import each_engine

database_url = each_engine
D = directives.c
ORDERS = {"name": without_marks(D.subject), "when": D.created_at}
COLUMNS = ListColumns(D.id, D.created_at, names=[D.number, D.subject], orders=ORDERS)
SUBJECTS = ["Đề án 06", "đề án 07", "an ninh mạng", "Ẩn danh", "100% 'x' _~", "de an 06", "Giả danh Công an"]


def fill(c: Connection, rows: int = 60, before: str = "") -> None:
    """Many rows of the same name and of the same time."""
    same = {"issued_on": "2024-01-01", "issuer": "CAT", "addressees": [], "created_by": "x"}
    several = ({"subject": SUBJECTS[n % 7], "created_at": 1000 * (n // 9)} for n in range(rows))
    c.execute(
        insert(directives),
        [same | each | {"number": f"{before}{n}/CV"} for n, each in enumerate(several)],
    )


@pytest.fixture
def letters(db: Database) -> Database:
    db.write(fill)
    return db


def read(db: Database, asked: ListRequest, limit: int = 7) -> ListPart[int]:
    return db.read(part, select(directives), COLUMNS, asked, limit).of(lambda row: int(row.id))


def through(db: Database, asked: ListRequest, limit: int = 7) -> list[int]:
    """All parts, one after the other."""
    found, after = [], ""
    for _ in range(100):
        here = read(db, ListRequest(asked.words, asked.since_ms, asked.until_ms, asked.order, after), limit)
        found += here.items
        if not (after := here.next):
            return found
        assert len(here.items) == limit
    raise AssertionError("the list has no end")


@pytest.mark.longer
@pytest.mark.parametrize("order", ["", "name", "-name", "when", "-when"])
def test_each_row_comes_once_in_every_order_and_in_parts_of_any_size(letters: Database, order: str) -> None:
    rows = letters.read(lambda c: c.execute(select(D.id, without_marks(D.subject), D.created_at)).all())
    keys = {row[0]: {"": row[0], "name": row[1], "when": row[2]}[order.removeprefix("-")] for row in rows}
    down = not order or order.startswith("-")
    wanted = sorted(keys, key=lambda each: (keys[each], each), reverse=down)
    for limit, dated in product((1, 7, 20, 60), (0, 1)):  # 1: a filter of days that leaves none out
        found = through(letters, ListRequest(order=order, until_ms=10**9 * dated), limit)
        assert len(found) == len(set(found)) == 60
        if order != "name" and order != "-name":  # each database has its own order of letters
            assert found == (wanted if order or not dated else sorted(wanted, reverse=True))


@pytest.mark.longer
def test_rows_that_come_and_go_meanwhile_move_no_others(letters: Database) -> None:
    first = read(letters, ListRequest())
    letters.write(fill, 5, "later ")
    letters.write(lambda c: c.execute(directives.delete().where(D.id == first.items[-1])))
    assert read(letters, ListRequest(after=first.next)).items == list(
        range(first.items[-1] - 1, first.items[-1] - 8, -1)
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("de an", {0, 1, 5}),
        ("ĐỀ ÁN 06", {0, 5}),
        ("  án   đề ", {0, 1, 5}),
        ("e\u0302\u0300 an", {0, 1, 5}),  # as a Mac writes it
        ("%", {4}),
        ("_", {4}),
        ("'x'", {4}),
        ("nothing of the kind", set()),
        ("", set(range(7))),
    ],
)  # fmt: skip
def test_words_are_found_whatever_their_marks_and_capitals(
    letters: Database, words: str, found: set[int]
) -> None:
    assert {(each - 1) % 7 for each in through(letters, ListRequest(words=words))} == found


def test_days_are_from_their_first_to_their_last_moment(letters: Database) -> None:
    found = through(letters, ListRequest(since_ms=1000, until_ms=2000))
    assert found == list(range(18, 9, -1))
    assert read(letters, ListRequest(since_ms=1000, until_ms=2000)).total == 9
    assert through(letters, ListRequest(since_ms=2000, until_ms=1000)) == []


@pytest.mark.parametrize(
    "after",
    ["x", "~", "-1", "1~2~3", "1~x", "9" * 30, "1~" + "9" * 30, "١", "0", "5~", "' OR 1=1", "9" * 19 + "~1"],
)
@pytest.mark.parametrize("order", ["", "name", "-when", "nothing"])
def test_a_place_that_nobody_has_written_is_no_error(letters: Database, after: str, order: str) -> None:
    assert read(letters, ListRequest(order=order, after=after)).total == 60


def test_rows_are_counted_up_to_a_bound(letters: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(letters, ListRequest(words="án 06")).total == 17
    assert read(letters, ListRequest()).total == 60
    monkeypatch.setattr(listing, "COUNTED", 20)
    assert read(letters, ListRequest()).total == 21


@pytest.mark.longer
def test_a_far_part_is_read_by_its_key(letters: Database) -> None:
    """No row before the place is read: the plan begins at it, in the order of the list."""
    asked: list[tuple[str, object]] = []

    def work(c: Connection) -> str:
        for n in range(50):
            fill(c, 60, f"{n}-")
        if c.dialect.name == "postgresql":
            c.exec_driver_sql("ANALYZE directives")
        event.listen(c.engine, "before_cursor_execute", heard)
        part(c, select(directives), COLUMNS, ListRequest(after="2000"), 30)
        event.remove(c.engine, "before_cursor_execute", heard)
        sql, values = asked[0]
        explain = "EXPLAIN QUERY PLAN " if c.dialect.name == "sqlite" else "EXPLAIN "
        return " ".join(str(row[-1]) for row in c.exec_driver_sql(explain + sql, values)).lower()

    def heard(_c: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        asked.append((sql, values))

    told = letters.write(work)
    for scanned in ("temp b-tree", "sort", "seq scan", "scan directives"):
        assert scanned not in told, told
