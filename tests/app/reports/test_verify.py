from app.db import Database
from app.ledger.choose import ledger_for
from app.reports.verify import examine
from tests.app.reports.scene import varied


def test_a_consistent_ledger_has_no_differences(db: Database) -> None:
    varied(db)
    verdict = examine(db, ledger_for(db))
    assert verdict.differences == ()
    print(verdict.counted)
