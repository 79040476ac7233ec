"""The result report of a carrier without receipts, before and after its result file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from app.core import clock
from app.database.connection import Database
from app.database.models import links
from app.receipts.result_files.register import FileClaim
from app.reports.counting import carrier_report
from app.reports.figures.figures import CarrierReport
from app.reports.verification.verify import verify
from carriers.contract import ReceiptLevel
from tests.app.receipts.result_files import scene
from tests.app.receipts.result_files.scene import TAKEN, another, at, csv_file, load, phone, sent
from tests.app.world import World
from tests.engines import sqlite_alone

database_url = sqlite_alone


@pytest.fixture
def world(db: Database) -> World:
    """Five messages handed to a carrier that brings no receipts, as MobiFone does."""
    world = sent(db, [TAKEN] * 5)
    db.write(lambda c: c.execute(update(links).values(receipt_level=int(ReceiptLevel.NONE))))
    return world


def reported(world: World) -> CarrierReport:
    return world.db.read(carrier_report.build, world.run, clock.now_ms())


def level(world: World) -> int | None:
    """What the report says that its figures can prove."""
    return reported(world).header.receipt_level


def result_file(folder: Path, numbers: int = 4) -> Path:
    words = ["DELIVRD", "DELIVRD", "DELIVRD", "UNDELIV"]
    return csv_file(folder / "f.csv", [(phone(n), words[n], at(), "") for n in range(numbers)])


@pytest.mark.parametrize(
    ("said", "proved", "counts"),
    [
        (ReceiptLevel.HANDSET, ReceiptLevel.HANDSET, (3, 0)),
        (ReceiptLevel.OPERATOR, ReceiptLevel.OPERATOR, (0, 3)),
        (None, ReceiptLevel.OPERATOR, (0, 3)),
    ],
)
def test_figures_that_a_file_proves_are_printed_at_its_level(
    world: World, tmp_path: Path, said: ReceiptLevel | None, proved: ReceiptLevel, counts: tuple[int, int]
) -> None:
    assert level(world) == ReceiptLevel.NONE
    load(world, result_file(tmp_path), FileClaim("viettel", level=said))
    general = reported(world).general
    assert level(world) == proved
    assert (general.delivered, general.relayed, general.failed, general.no_receipt) == (*counts, 1, 1)


def test_a_file_of_another_campaign_proves_nothing_of_this_one(world: World, tmp_path: Path) -> None:
    other = another(world, [TAKEN] * 4)
    load(world, result_file(tmp_path), FileClaim("viettel", other.campaign, ReceiptLevel.HANDSET))
    assert level(world) == ReceiptLevel.NONE
    assert level(other) == ReceiptLevel.HANDSET


def test_a_file_that_failed_proves_nothing_and_one_at_work_may(world: World, tmp_path: Path) -> None:
    path = result_file(tmp_path)
    scene.registered(world.db, path, FileClaim("viettel", level=ReceiptLevel.HANDSET))
    assert level(world) == ReceiptLevel.HANDSET
    world.db.write(lambda c: c.exec_driver_sql("UPDATE receipt_files SET state = 'failed'"))
    assert level(world) == ReceiptLevel.NONE


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (
            "UPDATE receipt_files SET settled = settled + 1",
            "its counter of settled lines is 5, its rows give 4",
        ),
        ("UPDATE receipt_lines SET verdict = 'agreed' WHERE line = 2", "agreed lines is 0, its rows give 1"),
        ("DELETE FROM receipt_lines WHERE line = 2", "its counter of lines is 4, its rows give 3"),
    ],
)
def test_a_file_whose_table_was_spoilt_is_found_by_the_recount(
    world: World, tmp_path: Path, spoilt: str, words: str
) -> None:
    load(world, result_file(tmp_path))
    assert verify(world.db, world.ledger) == []
    world.db.write(lambda c: c.exec_driver_sql(spoilt))
    assert any(words in each.sentence for each in verify(world.db, world.ledger))
