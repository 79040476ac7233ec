"""A share that is shown never contradicts what is said of it."""

from __future__ import annotations

from app.reports.export.xlsx_file import _format
from app.reports.figures.numbers import in_percent, percent
from app.reports.figures.table_model import CellKind
from app.web import rendering
from app.web.view_models.norm import NormVerdict, judge
from carriers.contract import ReceiptLevel

SENT = 9_973  # a prime number: few of its shares are round


def test_a_share_reaches_a_whole_percent_only_where_its_messages_do() -> None:
    for received in range(SENT + 1):
        for digits in (1, 2):
            shown = in_percent(received / SENT, digits)
            assert int(shown) == received * 100 // SENT, (received, digits, shown)


def test_the_shown_share_and_the_verdict_on_it_agree() -> None:
    for received in range(9_100, 9_300):
        shown = float(rendering.percent(received / SENT, "en").rstrip("%"))
        verdict = judge(ReceiptLevel.HANDSET, SENT, received, 0)
        assert (shown >= 92) == (verdict is NormVerdict.MET), (received, shown)


def test_pages_and_papers_round_alike() -> None:
    assert percent(0.9196) == "91,9\u00a0%"
    assert rendering.percent(0.9196, "vi") == "91,9%"
    assert rendering.percent(0.9196, "en") == "91.9%"


def test_a_workbook_shows_as_many_digits_as_a_share_below_a_whole_percent_needs() -> None:
    shares = (0.925, 0.92, 0.9196, 0.91996, 1.0, None)
    formats = [_format(CellKind.RATIO, share) for share in shares]
    assert formats == ["0.0%", "0.0%", "0.00%", "0.000%", "0.0%", "0.0%"]
