"""Result files against real ledgers: every line a verdict, every delivery moved once, counts that add up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import audit, deliveries, links
from app.receipts.result_files.register import FileClaim
from app.receipts.result_files.result_import_job import ResultFileImport
from app.receipts.result_files.status_words import StatusWords
from carriers.contract import ReceiptLevel, ReceiptStatus
from tests.app.receipts.result_files import scene
from tests.app.receipts.result_files.scene import LOST, REFUSED, TAKEN, at, csv_file, load, look, phone, sent
from tests.app.world import FIRST_PHONE, World, receipt

HANDSET = FileClaim("viettel", level=ReceiptLevel.HANDSET)
WRITERS = pytest.mark.parametrize("write", [csv_file, scene.xlsx_file], ids=["csv", "xlsx"])


def level(world: World, value: ReceiptLevel) -> None:
    """The link's receipts prove as much."""
    world.db.write(lambda c: c.execute(update(links).values(receipt_level=int(value))))


def told(world: World, n: int, status: ReceiptStatus = ReceiptStatus.DELIVERED) -> None:
    """A receipt for one number comes, by webhook say."""
    world.db.write(world.ledger.apply, [receipt(world.link, None, status, phone=FIRST_PHONE + n)])


@pytest.mark.prove
@WRITERS
def test_every_kind_of_line_gets_its_verdict(
    db: Database, tmp_path: Path, write: Callable[..., Path]
) -> None:
    world = sent(db, [TAKEN, TAKEN, TAKEN, TAKEN, LOST, REFUSED, None, TAKEN])
    told(world, 1)
    told(world, 2)
    told(world, 3, ReceiptStatus.UNDELIVERED)
    rows = [
        (phone(0), "DELIVRD", at(), "000"),
        (phone(1), "Đã nhận", at(), ""),
        (phone(2), "UNDELIV", at(), "005"),
        (phone(3), "thành công", at(), ""),
        (phone(4), "Thất bại", at(), "17"),
        (phone(5), "DELIVRD", at(), ""),
        (phone(6), "DELIVRD", at(), ""),
        (phone(99), "DELIVRD", at(), ""),
        (phone(0), "SENT", at(-5), ""),
        ("x", "DELIVRD", at(), ""),
        (phone(7), "gửi ok?", at(), ""),
    ]
    found = load(world, write(tmp_path / "file", rows), HANDSET)
    assert found.verdicts == [
        *("settled", "agreed", "says_undelivered", "says_delivered", "settled"),
        *("unsent", "unsent", "unknown", "repeated", "bad", "bad"),
    ]
    assert found.row.runs == [
        {"run_id": world.run, "campaign_id": world.campaign, "sent": 7, "rejected": 1}
        | {"named": 5, "missing": 1, "later": 0}
    ]
    assert world.states() == {
        DeliveryState.DELIVERED: 4,
        DeliveryState.UNDELIVERED: 1,
        DeliveryState.REJECTED: 1,
        DeliveryState.QUEUED: 1,
        DeliveryState.SUBMITTED: 1,
    }


def test_a_workbook_with_numbers_and_dates_as_excel_keeps_them_is_read(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 2)
    today = clock.local(clock.now()).replace(tzinfo=None)
    rows = [(FIRST_PHONE, "DELIVRD", today, 0), (FIRST_PHONE + 1 - 84 * 10**9, "UNDELIV", today.date(), 17.0)]
    found = load(world, scene.xlsx_file(tmp_path / "f.xlsx", rows), HANDSET)
    assert found.verdicts == ["settled", "settled"]
    assert found.row.last_at == clock.to_ms(today.replace(tzinfo=clock.VIETNAM))


def test_the_same_bytes_again_change_nothing_and_other_bytes_agree(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 4)
    rows = [(phone(n), word, at(), "") for n, word in enumerate(["DELIVRD", "UNDELIV", "EXPIRED", "SENT"])]
    first = load(world, csv_file(tmp_path / "one.csv", rows), HANDSET)
    assert first.verdicts == ["settled", "settled", "settled", "agreed"]
    written = scene.journal(db)
    again = load(world, tmp_path / "one.csv", HANDSET)
    assert (again.row.id, again.verdicts, scene.journal(db)) == (first.row.id, first.verdicts, written)
    other = load(world, csv_file(tmp_path / "two.csv", [*rows, ("", "", "", "")]), HANDSET)
    assert other.row.id != first.row.id
    assert other.verdicts == ["agreed"] * 4
    assert [changed for _, _, changed in scene.journal(db)].count(True) == 3


def test_receipts_between_two_files_are_weighed_as_they_came(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 3)
    load(world, csv_file(tmp_path / "one.csv", [(phone(0), "UNDELIV", at(), "")]), HANDSET)
    told(world, 0)
    told(world, 1)
    told(world, 2, ReceiptStatus.EXPIRED)
    rows = [(phone(0), "UNDELIV", at(), ""), (phone(1), "DELIVRD", at(), ""), (phone(2), "UNDELIV", at(), "")]
    found = load(world, csv_file(tmp_path / "two.csv", rows), HANDSET)
    assert found.verdicts == ["says_undelivered", "agreed", "agreed"]
    assert world.states() == {DeliveryState.DELIVERED: 2, DeliveryState.EXPIRED: 1}


@pytest.mark.parametrize(
    ("lines", "verdicts", "state"),
    [
        (
            [("SENT", -9), ("UNDELIV", -1), ("DELIVRD", -5)],
            ["repeated", "settled", "repeated"],
            "UNDELIVERED",
        ),
        ([("DELIVRD", -1), ("SENT", -9)], ["settled", "repeated"], "DELIVERED"),
        ([("UNDELIV", -5), ("DELIVRD", -5)], ["repeated", "settled"], "DELIVERED"),
        ([("DELIVRD", None), ("EXPIRED", -5)], ["repeated", "settled"], "EXPIRED"),
        ([("DELIVRD", -5)] * 3, ["repeated", "repeated", "settled"], "DELIVERED"),
    ],
)
def test_of_several_lines_for_one_message_the_last_by_its_time_counts(
    db: Database,
    tmp_path: Path,
    lines: list[tuple[str, float | None]],
    verdicts: list[str],
    state: str,
) -> None:
    world = sent(db, [TAKEN])
    rows = [(phone(0), word, "" if minutes is None else at(minutes), "") for word, minutes in lines]
    found = load(world, csv_file(tmp_path / "f.csv", rows), HANDSET)
    assert (found.verdicts, world.states()) == (verdicts, {DeliveryState[state]: 1})
    assert len(scene.journal(db)) == 1


def test_a_line_of_weeks_ago_settles_no_unknown_message_of_today(db: Database, tmp_path: Path) -> None:
    world = sent(db, [LOST, LOST])
    rows = [(phone(0), "DELIVRD", at(-40 * 1440), ""), (phone(1), "DELIVRD", at(), "")]
    assert load(world, csv_file(tmp_path / "f.csv", rows), HANDSET).verdicts == ["unknown", "settled"]
    assert world.states() == {DeliveryState.UNKNOWN: 1, DeliveryState.DELIVERED: 1}


def test_a_line_that_says_sent_of_an_unknown_message_settles_it(db: Database, tmp_path: Path) -> None:
    """Each part is on its way then, of which only the journal knows: the file itself must not wait for it."""
    world = sent(db, [LOST, LOST, TAKEN])
    told(world, 1, ReceiptStatus.IN_TRANSIT)
    found = load(world, csv_file(tmp_path / "file.csv", [(phone(n), "SENT", "", "") for n in range(3)]))
    assert found.verdicts == ["settled", "agreed", "agreed"]
    assert world.states() == {DeliveryState.SUBMITTED: 3}


@pytest.mark.parametrize(
    ("own", "said", "state"),
    [
        (ReceiptLevel.NONE, None, DeliveryState.RELAYED),
        (ReceiptLevel.OPERATOR, None, DeliveryState.RELAYED),
        (ReceiptLevel.HANDSET, None, DeliveryState.DELIVERED),
        (ReceiptLevel.NONE, ReceiptLevel.HANDSET, DeliveryState.DELIVERED),
        (ReceiptLevel.HANDSET, ReceiptLevel.OPERATOR, DeliveryState.RELAYED),
    ],
)
def test_a_file_proves_what_was_said_or_else_as_much_as_its_link(
    db: Database, tmp_path: Path, own: ReceiptLevel, said: ReceiptLevel | None, state: DeliveryState
) -> None:
    world = sent(db, [TAKEN])
    level(world, own)
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    load(world, path, FileClaim("viettel", level=said))
    assert world.states() == {state: 1}


def test_a_file_of_handset_level_improves_what_an_operator_confirmed(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    row = (phone(0), "DELIVRD", at(), "")
    for level_, verdict in ((ReceiptLevel.OPERATOR, "settled"), (ReceiptLevel.HANDSET, "settled")):
        path = csv_file(tmp_path / f"{level_}.csv", [row, ("",) * level_])
        assert load(world, path, FileClaim("viettel", level=level_)).verdicts == [verdict]
    lower = csv_file(tmp_path / "lower.csv", [row, ("",) * 4])
    assert load(world, lower, FileClaim("viettel", level=ReceiptLevel.OPERATOR)).verdicts == ["agreed"]
    assert world.states() == {DeliveryState.DELIVERED: 1}


def test_a_line_speaks_of_all_parts_of_a_long_message(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 2)
    db.write(lambda c: c.execute(update(deliveries).values(parts=3)))
    rows = [(phone(0), "DELIVRD", at(), ""), (phone(1), "UNDELIV", at(), "")]
    assert load(world, csv_file(tmp_path / "f.csv", rows), HANDSET).verdicts == ["settled", "settled"]
    assert world.states() == {DeliveryState.DELIVERED: 1, DeliveryState.UNDELIVERED: 1}
    assert world.delivery(2)["delivered"] == 0b111


def test_messages_handed_over_after_the_times_of_the_file_are_not_missing_there(
    db: Database, tmp_path: Path
) -> None:
    world = sent(db, [TAKEN] * 3)
    found = load(world, csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(-60), "")]), HANDSET)
    assert (found.row.runs[0]["missing"], found.row.runs[0]["later"]) == (0, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Họ tên;Trạng thái\nLò A;DELIVRD\n", "The file has no column for phone numbers"),
        ("phone;status;time\n", "The file has a header but no lines"),
        (
            "phone;status;time\nx;DELIVRD;\n0912000001;zzz;\n",
            "None of the 2 lines can be read. The first: line 2",
        ),
        (
            "phone;status;time\n" + "0912000001;SENT;\n" * 501,
            r"The number 8491\*\*\*\*\*01 occurs on 501 lines, so this is not a result",
        ),
        ("phone;status;time\n0912000001;SENT;\n" + "09\0\n" * 11, "NUL"),  # more than a text has by mishap
    ],
)
def test_a_file_that_is_no_use_is_failed_and_empty_and_has_done_nothing(
    db: Database, tmp_path: Path, text: str, words: str
) -> None:
    world = sent(db, [TAKEN] * 2)
    path = tmp_path / "f.csv"
    path.write_text(text, encoding="utf-8")
    file_id = scene.registered(db, path).id
    with pytest.raises(Invalid, match=words):
        load(world, path)
    found = look(db, file_id)
    assert (found.row.state, found.row.lines, found.verdicts) == ("failed", 0, [])
    assert scene.journal(db) == []


def test_a_number_may_be_on_five_hundred_lines(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    path = tmp_path / "f.csv"
    path.write_text("phone;status;time\n" + "0912000001;SENT;\n" * 500, encoding="utf-8")
    load(world, path)
    assert look(db, scene.registered(db, path).id).row.lines == 500


def test_a_failed_file_may_be_tried_again_when_its_words_are_known(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    path = csv_file(tmp_path / "f.csv", [(phone(0), "mã 7", at(), "")])
    with pytest.raises(Invalid, match="status_word"):
        load(world, path)
    words = StatusWords({"ma7": ReceiptStatus.DELIVERED})
    assert load(world, path, HANDSET, words).verdicts == ["settled"]
    assert world.states() == {DeliveryState.DELIVERED: 1}


def test_a_file_in_living_hands_is_not_taken(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    ResultFileImport(db, scene.registered(db, path).id).claim()
    with pytest.raises(Conflict, match="Receipt file 1 is already being imported"):
        load(world, path)


def test_the_audit_tells_who_brought_the_file_and_what_came_of_it(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    load(world, csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")]), HANDSET)
    ours = select(audit).where(audit.c.action.startswith("receipts.")).order_by(audit.c.id)
    rows = db.read(lambda c: c.execute(ours).all())
    assert [(row.who, row.action) for row in rows] == [
        ("tester", "receipts.register"),
        ("tester", "receipts.import"),
    ]
    assert rows[1].detail["settled"] == 1
