"""Pages say who said that receipts prove the telephone, or that nobody is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.models import links
from carriers.contract import ReceiptLevel
from tests.long.app.reports.scene import varied
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
PAGES = ("/links", "/runs/1", "/reports/runs/1")


@pytest.mark.parametrize("page", PAGES)
def test_the_source_stands_where_figures_of_telephones_do(
    pages_db: Database, signed_in: In, page: str
) -> None:
    varied(pages_db)
    paper = signed_in("admin")
    said = {"receipt_level": int(ReceiptLevel.HANDSET), "level_source": None}
    pages_db.write(lambda c: c.execute(update(links).values(said)))
    assert "chưa ghi ai xác nhận" in text(paper.get(page).text)
    named = {"level_source": "Công văn 12/VT", "level_source_on": "2026-11-02"}
    pages_db.write(lambda c: c.execute(update(links).values(named)))
    assert "theo Công văn 12/VT, ngày 02/11/2026" in text(paper.get(page).text)
