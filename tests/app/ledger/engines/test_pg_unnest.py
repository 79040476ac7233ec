"""Rows as parameters of one PostgreSQL statement come out as they went in."""

from __future__ import annotations

from typing import Any

import psycopg

from app.core.states import DeliveryState
from app.ledger.engines.postgresql import spread

SHAPE = (("n", "int"), ("word", "text"), ("phone", "bigint"), ("yes", "boolean"), ("small", "smallint"))
ODD = [
    '"',
    "\\",
    "{",
    "}",
    ",",
    "null",
    "NULL",
    "",
    " ",
    "\n",
    "\t\x01",
    "é",
    "ộ",
    "\x7f",
    None,
    "a\\nb",
    "{1,2}",
]
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "all different": [(n, word, n, n % 2 == 0, n) for n, word in enumerate(ODD)],
    "printable": [
        (n, word, None, True, 0) for n, word in enumerate(ODD) if word is None or word.isprintable()
    ],
    "all alike": [(7, "x", 84_912_000_000, False, DeliveryState.SUBMITTED)] * 3,
    "one": [(1, '\\"\n', None, True, None)],
    "none": [],
}


def test_rows_come_out_as_they_went_in(new_postgresql_url: str) -> None:
    with psycopg.connect(new_postgresql_url.replace("+psycopg", "")) as connection:
        for rows in ROWS.values():
            select, values = spread("v", SHAPE, rows)
            assert connection.execute(select, values).fetchall() == rows
