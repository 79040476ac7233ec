"""Two Loas: an order becomes a carrier's campaign, its ledger a signed result, and no number leaves it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import insert, select, update

from app.api.bodies import filled
from app.campaigns import approval, optimistic_lock, queries
from app.campaigns import directives as directives_
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import approvals, campaigns, directives, links, runs, subscribers
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.operations import OPERATIONS
from app.reports.figures import carrier_statement
from app.security import Caller
from app.signed_orders import loa_carrier, orders, received, results
from carriers.contract import ReceiptStatus
from tests.app import world
from tests.app.campaigns.rows import new_batch, new_link
from tests.app.campaigns.test_held_runs import approved
from tests.app.signed_orders import documents
from tests.app.signed_orders.documents import CARRIER, POLICE, STRANGER
from tests.app.signed_orders.scene import act, at, fetched, issue, ordered, take
from tests.app.signed_orders.test_keys import in_force, pem
from tests.app.world import World, accepted
from tests.engines import by_default

database_url = by_default
PEOPLE, ARRIVED = 60, 40
NOTE = "Danh sách có 60 thuê bao, ít hơn ước tính."
TEXT = "Công an tỉnh Sơn La: cảnh giác với cuộc gọi giả danh."


@pytest.fixture
def carrier(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """The carrier's own Loa, which knows the police's key and its own."""
    shutil.copy(sqlite_template, tmp_path / "carrier.sqlite3")
    there = Database(f"sqlite:///{tmp_path / 'carrier.sqlite3'}")
    in_force(there, POLICE, None)
    in_force(there, CARRIER, "vnpt")
    yield there
    there.close()


def at_carrier(db: Database, name: str, **arguments: Any) -> Any:
    settings = Settings().model_copy(update={"order_key": SecretStr(pem(CARRIER))})
    return OPERATIONS[name].run(db, settings, Caller("vnpt desk", "admin", person=True), **arguments)


def own_list(db: Database) -> int:
    batch_id = db.write(lambda c: new_batch(c, lines=PEOPLE, accepted=PEOPLE))
    areas = ("116", "116", "125")
    people = [
        {"batch_id": batch_id, "seq": n + 2, "phone": 84_912_345_600 + n, "area": areas[n % 3]}
        for n in range(PEOPLE)
    ]
    db.write(lambda c: c.execute(insert(subscribers), people))
    return int(batch_id)


def receive(db: Database, file: bytes, *batch_ids: int) -> received.ReceivedOrder:
    said = results.read_file(file) | {"batch_ids": list(batch_ids)}
    found: received.ReceivedOrder = at_carrier(db, "receive_order", body=filled(received.OrderBody, said))
    return found


def export(db: Database, run_id: int, **said: str) -> bytes:
    body = received.ExportBody(**said)
    return to_json(to_jsonable_python(at_carrier(db, "export_result", run_id=run_id, body=body)))


def begin(db: Database, run_id: int, batch_id: int) -> World:
    """The run is approved, started and queued."""
    campaign_id = db.read(queries.run, run_id).campaign_id
    db.write(approval.approve, campaign_id, Caller("chief of vnpt", "approver"))
    order(db, Verb.START, run_id, "vnpt desk")
    if db.read(lambda c: c.execute(select(links.c.id)).first()) is None:
        db.write(new_link)
    link_id = db.read(lambda c: c.execute(select(links.c.id)).scalar_one())
    sends = World(db, ledger_for(db, 100), campaign_id, run_id, batch_id, Link(link_id, "vnpt-1", "vnpt", 1))
    sends.fan_out()
    return sends


def ended(db: Database, run_id: int) -> None:
    moved = {"state": "sent", "ended_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(moved)))


def send(db: Database, run_id: int, batch_id: int) -> World:
    """What the send loop does with the run, and the receipts of most of it."""
    sends = begin(db, run_id, batch_id)
    lease = sends.claim()
    assert lease is not None
    db.write(sends.ledger.record, sends.link, lease, accepted(list(lease.items)), None, 30.0)
    db.write(sends.ledger.release, lease, 0.0)
    arrived = [
        world.receipt(sends.link, f"m{item.seq}", ReceiptStatus.DELIVERED, phone=item.phone)
        for item in lease.items[:ARRIVED]
    ]
    db.write(sends.ledger.apply, arrived)
    ended(db, run_id)
    return sends


@pytest.mark.longer
def test_an_order_goes_to_a_carriers_loa_and_its_ledger_comes_back_signed(
    db: Database, carrier: Database
) -> None:
    run_id = ordered(db, text=TEXT, form="accented", window_end=clock.now() + timedelta(days=3))
    there = receive(carrier, fetched(db, run_id), own_list(carrier))
    assert there.kind == "order"
    campaign = carrier.read(optimistic_lock.campaign, there.campaign_id)
    plain = db.read(optimistic_lock.campaign, db.read(queries.run, run_id).campaign_id)
    assert (campaign.texts, campaign.sender, campaign.window_end // 1000) == (
        plain.texts,
        plain.sender,
        plain.window_end // 1000,
    )
    assert campaign.state == "submitted"  # another person approves it
    send(carrier, there.run_id, 1)
    back = export(carrier, there.run_id, remarks=NOTE)
    assert b"91234" not in loa_carrier.read(back).payload + back
    taken = take(db, run_id, back)
    said = db.read(carrier_statement.latest, run_id)
    assert said is not None
    general = said.figures.general
    assert (general.eligible, general.sent, general.received, general.no_receipt) == (60, 60, 40, 20)
    assert (said.level.name, taken.final, said.paper.note) == ("HANDSET", False, NOTE)
    assert {each.code: each.counts.sent for each in said.figures.areas} == {"116": 40, "125": 20}
    with pytest.raises(Invalid, match="from version 2 on"):
        export(carrier, there.run_id)
    later = export(carrier, there.run_id, changes="Biên nhận đến muộn", remarks=NOTE)
    assert take(db, run_id, later).version == 2


def test_a_withdrawal_cancels_the_run_and_a_replacement_takes_its_place(
    db: Database, carrier: Database
) -> None:
    run_id, batch = ordered(db), own_list(carrier)
    there = receive(carrier, fetched(db, run_id), batch)
    act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Dừng"))
    withdrawal = fetched(db, run_id)
    assert receive(carrier, withdrawal).run_id == there.run_id
    assert carrier.read(queries.run, there.run_id).state in ("cancelling", "cancelled")
    assert receive(carrier, withdrawal).run_id == there.run_id
    issue(db, run_id, "Tiếp tục")
    again = receive(carrier, fetched(db, run_id), batch)
    assert (again.number, again.run_id != there.run_id) == (f"{run_id}-3", True)


def test_what_is_no_order_of_the_police_makes_nothing(db: Database, carrier: Database) -> None:
    run_id, batch = ordered(db), own_list(carrier)
    good = fetched(db, run_id)
    forged = loa_carrier.sign(loa_carrier.read(good).content, STRANGER)
    for file, batches, sentence in (
        (forged, [batch], "not trusted here"),
        (good[:-40], [batch], "damaged"),
    ):
        with pytest.raises(Invalid, match=sentence):
            receive(carrier, file, *batches)
    assert receive(carrier, good).problem == "Choose the batches to which the order is to be sent."
    assert carrier.read(lambda c: c.execute(select(campaigns)).all()) == []
    assert carrier.read(lambda c: c.execute(select(directives)).all()) == []


def test_no_result_is_signed_of_another_text_or_another_run(db: Database, carrier: Database) -> None:
    there = receive(carrier, fetched(db, ordered(db)), own_list(carrier))
    carrier.write(lambda c: c.execute(update(campaigns).values(texts={"": "Khác"})))
    with pytest.raises(Conflict, match="no longer has the text"):
        export(carrier, there.run_id)
    assert carrier.read(lambda c: c.execute(select(approvals)).all()) == []
    with pytest.raises(Conflict, match="not created from a signed order"):
        export(db, 1)


def test_versions_of_results_continue_over_a_replacement_and_count_the_order_as_a_whole(
    db: Database, carrier: Database
) -> None:
    """The first order reached 40 of 60 people; the new one leaves all out, and its result counts them."""
    run_id = ordered(db, text=TEXT, form="accented", window_end=clock.now() + timedelta(days=3))
    batch = own_list(carrier)
    one = receive(carrier, fetched(db, run_id), batch)
    send(carrier, one.run_id, batch)
    assert take(db, run_id, export(carrier, one.run_id, remarks=NOTE)).version == 1
    act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Dừng"))
    receive(carrier, fetched(db, run_id))
    issue(db, run_id, "Tiếp tục")
    three = receive(carrier, fetched(db, run_id), batch)
    assert three.run_id != one.run_id
    sends = begin(carrier, three.run_id, batch)
    assert sends.claim() is None  # everybody was written to
    ended(carrier, three.run_id)
    with pytest.raises(Conflict, match=f"Order {run_id}-1 was replaced by {run_id}-3"):
        export(carrier, one.run_id, remarks=NOTE)
    back = export(carrier, three.run_id, changes="Lệnh mới, không gửi lại", remarks=NOTE)
    assert loa_carrier.read(back).content["version"] == 2
    assert take(db, run_id, back).version == 2
    said = db.read(carrier_statement.latest, run_id)
    assert said is not None
    general = said.figures.general
    assert (general.eligible, general.sent, general.received, general.no_receipt) == (60, 60, 40, 20)
    assert {each.code: each.counts.sent for each in said.figures.areas} == {"116": 40, "125": 20}


def test_another_deadline_makes_no_second_sending(db: Database, carrier: Database) -> None:
    """The carrier has sent everything before the police record its start, and the deadline moves."""
    letter = directives_.DirectiveFields(
        "303/CAT", clock.local(clock.now()).date(), "CA", "x", clock.now() + timedelta(days=3)
    )
    letter_id = db.write(directives_.create, letter, "author")
    in_force(db, POLICE, None)
    in_force(db, CARRIER, "vnpt")
    run_id, batch = approved(db, directive_id=letter_id), own_list(carrier)
    issue(db, run_id)
    one = receive(carrier, fetched(db, run_id), batch)
    send(carrier, one.run_id, batch)
    later = (clock.now() + timedelta(days=9)).replace(microsecond=0)
    db.write(directives_.put_off, letter_id, later, "Gia hạn", "chief")
    assert issue(db, run_id, "Gia hạn báo cáo").kind == "change"
    two = receive(carrier, fetched(db, run_id), batch)
    assert (two.number, two.run_id, two.run_state) == (f"{run_id}-2", one.run_id, "sent")
    deadline = carrier.read(lambda c: c.execute(select(directives.c.report_deadline)).scalar_one())
    assert deadline == clock.to_ms(later)


def fresh_order() -> dict[str, Any]:
    content = documents.order(issued_at=at(0))
    content["content"]["valid_until"] = at(86_400)
    return content


@pytest.mark.longer
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("order import order.json --batch 1", "not trusted here"),
        ("order list 7", "There is no run 7"),
        ("order get 7", "There is no run 7"),
        ("result export 7 --out x.json", "There is no run 7"),
        ("result add 7 result.json", "There is no run 7"),
        ("result list 7", "There is no run 7"),
    ],
)
def test_each_command_finds_its_operation_in_a_process_of_its_own(
    sqlite_url: str, tmp_path: Path, command: str, said: str
) -> None:
    good = loa_carrier.sign(fresh_order(), POLICE)
    (tmp_path / "order.json").write_bytes(good)
    (tmp_path / "result.json").write_bytes(documents.signed_result())
    words = [sys.executable, "-m", "app.cli", *command.split()]
    home = Path(__file__).parents[3]
    environment = os.environ | {"LOA_DATA": str(tmp_path), "PYTHONPATH": str(home)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
