"""Which campaign a line speaks of: the one that was named, the only one of those days, or none at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from app.core import clock
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import deliveries, runs
from app.receipts.result_files import missing
from app.receipts.result_files.register import FileClaim
from carriers.contract import Accepted
from tests.app.receipts.result_files import scene
from tests.app.receipts.result_files.scene import TAKEN, another, at, csv_file, load, phone, sent
from tests.app.world import FIRST_PHONE, World
from tests.engines import other_by_hand
from tests.exact import exactly

DAY = 1440
HEADER = (*scene.HEADER, "Mã tin")


def happened(world: World, days_ago: float) -> None:
    """The messages of this campaign were sent so many days ago."""
    ms = clock.now_ms() - round(days_ago * clock.DAY_MS)
    own = deliveries.c.campaign_id == world.campaign
    world.db.write(lambda c: c.execute(update(deliveries).where(own).values(submitted_at=ms)))


@pytest.mark.longer
def test_of_two_campaigns_the_only_one_of_those_days_is_meant(db: Database, tmp_path: Path) -> None:
    old = sent(db, [TAKEN] * 3)
    happened(old, 30)
    new = another(old, [TAKEN] * 2)
    rows = [
        (phone(0), "DELIVRD", at(), ""),
        (phone(1), "DELIVRD", at(-29 * DAY), ""),
        (phone(2), "SENT", at(), ""),
    ]
    found = load(old, csv_file(tmp_path / "f.csv", rows))
    assert found.verdicts == ["settled", "settled", "unknown"]
    assert [(run["campaign_id"], run["named"], run["missing"]) for run in found.row.runs] == [
        (old.campaign, 1, 2),
        (new.campaign, 1, 1),
    ]


@other_by_hand
@pytest.mark.longer
def test_of_two_campaigns_of_the_same_days_none_is_guessed(db: Database, tmp_path: Path) -> None:
    first = sent(db, [TAKEN] * 3)
    second = another(first, [TAKEN] * 2)
    rows = [(phone(0), "DELIVRD", at(), ""), (phone(1), "DELIVRD", "", ""), (phone(2), "DELIVRD", at(), "")]
    path = csv_file(tmp_path / "f.csv", rows)
    assert load(first, path).verdicts == ["ambiguous", "ambiguous", "settled"]
    named = csv_file(tmp_path / "named.csv", [*rows, ("",)])
    found = load(first, named, FileClaim("viettel", second.campaign))
    assert found.verdicts == ["settled", "settled", "unknown"]
    assert [(run["campaign_id"], run["sent"], run["named"]) for run in found.row.runs] == [
        (second.campaign, 2, 2)
    ]


@pytest.mark.longer
def test_a_message_that_was_sent_wins_over_one_that_was_not(db: Database, tmp_path: Path) -> None:
    first = sent(db, [TAKEN])
    another(first, [None] * 2)
    rows = [(phone(0), "DELIVRD", at(), ""), (phone(1), "DELIVRD", at(), "")]
    assert load(first, csv_file(tmp_path / "f.csv", rows)).verdicts == ["settled", "unsent"]


@pytest.mark.longer
def test_the_carriers_id_or_our_own_key_tells_two_campaigns_apart(db: Database, tmp_path: Path) -> None:
    first = sent(db, [Accepted(("a-1",)), Accepted(("a-2",)), TAKEN])
    second = another(first, [Accepted(("b-1",)), Accepted(("b-2",))])
    rows = [
        (phone(0), "DELIVRD", at(), "", "b-1"),
        (phone(1), "DELIVRD", at(), "", f"xyz-{first.batch}-3-1"),
        (phone(1), "UNDELIV", at(), "", "nobody's"),
    ]
    found = load(first, csv_file(tmp_path / "f.csv", rows, HEADER))
    assert found.verdicts == ["settled", "settled", "ambiguous"]
    assert {run["campaign_id"]: run["named"] for run in found.row.runs} == {
        first.campaign: 1,
        second.campaign: 1,
    }


@pytest.mark.longer
def test_a_time_before_the_message_can_not_be_its_own(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN])
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(-3 * DAY), "")])
    assert load(world, path, FileClaim("viettel", world.campaign)).verdicts == ["unknown"]


@pytest.mark.longer
def test_another_carriers_messages_are_never_touched(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 2)
    db.write(lambda c: c.execute(update(runs).values(carrier="vnpt")))
    another(world, [TAKEN])
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), ""), (phone(1), "DELIVRD", at(), "")])
    assert load(world, path).verdicts == ["settled", "unknown"]


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (FileClaim("mobifone"), "No campaign has a run at “mobifone”, so its result file cannot be read"),
        (FileClaim("viettel", 99), "Campaign 99 has no run at viettel"),
    ],
)
def test_a_file_of_no_carrier_or_campaign_is_refused(
    db: Database, tmp_path: Path, claim: FileClaim, words: str
) -> None:
    sent(db, [TAKEN])
    with pytest.raises(Invalid, match=words):
        scene.registered(db, csv_file(tmp_path / "f.csv", []), claim)


@pytest.mark.longer
def test_what_was_said_of_a_file_stays_and_nothing_said_is_no_contradiction(
    db: Database, tmp_path: Path
) -> None:
    world = sent(db, [TAKEN])
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    found = load(world, path, FileClaim("viettel", world.campaign))
    assert scene.registered(db, path).id == found.row.id
    another(world, [TAKEN] * 2)
    with pytest.raises(
        Conflict,
        match=exactly(
            "This file was already uploaded as receipt file 1, and its lines were applied to campaign 1, the "
            "level of its link. To apply some to another campaign, upload them as a separate file."
        ),
    ):
        scene.registered(db, path, FileClaim("viettel", world.campaign + 1))


@pytest.mark.longer
def test_the_same_file_from_many_at_once_is_one_file_and_refused_to_none(
    db: Database, tmp_path: Path
) -> None:
    sent(db, [TAKEN])
    with ThreadPoolExecutor(8) as many_at_once:
        for n in range(5):
            path = csv_file(tmp_path / f"{n}.csv", [(phone(n), "DELIVRD", at(), "")])
            asked = [many_at_once.submit(scene.registered, db, path) for _ in range(8)]
            found = [each.result() for each in asked]
            assert len({each.id for each in found}) == 1
            assert [each.created for each in found].count(True) == 1


def test_a_months_file_speaks_also_of_runs_that_ended_at_its_beginning_or_began_on_its_last_day(
    db: Database, tmp_path: Path
) -> None:
    old = sent(db, [TAKEN] * 2)
    happened(old, 19)
    ago = {"started_at": clock.now_ms() - 20 * clock.DAY_MS, "ended_at": clock.now_ms() - 18 * clock.DAY_MS}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == old.run).values(ago)))
    new, began = another(old, [TAKEN]), {"started_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == new.run).values(began)))
    day = at()[:10]  # without an hour, it is the midnight before
    rows = [(phone(1), "DELIVRD", at(-19 * DAY), ""), (phone(0), "DELIVRD", day, "")]
    assert load(old, csv_file(tmp_path / "f.csv", rows)).verdicts == ["settled", "settled"]


def test_what_was_sent_after_the_files_last_time_is_not_missing_in_it(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 3)
    happened(world, 3)
    late = deliveries.c.phone == FIRST_PHONE + 2
    db.write(lambda c: c.execute(update(deliveries).where(late).values(submitted_at=clock.now_ms())))
    row = load(world, csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(-2 * DAY), "")])).row
    (run,) = row.runs
    assert (run["missing"], run["later"]) == (1, 1)
    listed, _ = db.read(missing.page, row, run, 0, 100)
    assert [each.phone for each in listed] == [FIRST_PHONE + 1]


@pytest.mark.longer
def test_a_named_campaign_is_meant_however_late_the_carrier_tells_of_it(db: Database, tmp_path: Path) -> None:
    world = sent(db, [TAKEN] * 2)
    happened(world, 9)
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    assert load(world, path).verdicts == ["unknown"]  # no carrier tries for nine days
    named = csv_file(tmp_path / "named.csv", [(phone(1), "DELIVRD", at(), "")])
    assert load(world, named, FileClaim("viettel", world.campaign)).verdicts == ["settled"]
