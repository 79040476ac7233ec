"""What a carrier has stated, changed outside Loa so that it still adds up, is named and not frozen."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from app.database.connection import Database
from app.database.models import statements
from app.ledger.ledger import ledger_for
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.verification.verify import verify
from tests.engines import each_engine
from tests.long.app.reports.intake.scene import body, held

database_url = each_engine


def stated(db: Database, **changes: Any) -> None:
    claim = StatementBody.model_validate(body(**changes)).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "desk")


def _another_number(c: Connection) -> None:
    c.execute(update(statements).where(statements.c.version == 1).values(number="999/BC-X"))


def _other_figures(c: Connection) -> None:
    figures = dict(c.execute(select(statements.c.figures).where(statements.c.version == 1)).scalar_one())
    figures["general"] = figures["general"] | {"received": 910, "failed": 40}
    c.execute(update(statements).where(statements.c.version == 1).values(figures=figures, level=1))


def _one_more(c: Connection) -> None:
    row = c.execute(select(statements)).one()._asdict()
    row = {name: value for name, value in row.items() if name != "id"}
    c.execute(insert(statements).values(row | {"version": 2, "reason": "a slip of the pen"}))


def _none(c: Connection) -> None:
    c.execute(delete(statements))


@pytest.mark.parametrize(
    ("way", "version"), [(_another_number, 1), (_other_figures, 1), (_one_more, 2), (_none, 1)]
)
def test_what_was_changed_outside_loa_is_named(db: Database, way: Any, version: int) -> None:
    held(db)
    stated(db)
    assert verify(db, ledger_for(db)) == []
    db.write(way)
    said = f"Run 2, statement {version} was changed outside Loa and differs from what was stated."
    assert said in [each.sentence for each in verify(db, ledger_for(db))]
