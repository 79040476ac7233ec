"""What a carrier refused for a cause that is mended is sent again by an order of two persons, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, update

from app.cli import rejected_commands
from app.core import clock
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, erasures, runs
from app.dispatch import rejected_orders
from app.dispatch.unknown_decisions import Progress
from app.ledger.contract import DeliveryToSend, SubmitOutcome
from app.reports.verification.verify import verify
from app.security import Caller, create_key
from carriers.contract import Accepted, Reason, Rejected, SubmitResult
from carriers.viettel.carrier import ViettelCarrier
from carriers.viettel.codes import DUPLICATE, CodeTable
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.app.receipts.result_files import scene
from tests.app.server_clock import apart as apart
from tests.app.world import FIRST_PHONE, World, build
from tests.engines import on_sqlite, other_by_hand
from tests.exact import exactly

Q, S, R = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.REJECTED)
CHIEF = Caller("chief", "approver")
WHY = "The sender was not registered; MobiFone has registered it today."


def refused(db: Database, count: int = 20) -> World:
    """A sent run: of each four messages one was taken, one has no such number, two had a wrong sender."""
    world = build(db, count)
    world.fan_out()
    send(world, (Reason.NO_SUCH_NUMBER, Reason.FILTERED, Reason.FILTERED))
    db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value)))
    return world


def send(world: World, reasons: tuple[Reason, ...]) -> None:
    def answer(nth: int, _: DeliveryToSend) -> SubmitResult:
        return Rejected("10", reasons[nth % 4 - 1]) if nth % 4 and reasons else Accepted((f"m{nth}",))

    answered(world, answer)


def answered(world: World, answer: Callable[[int, DeliveryToSend], SubmitResult]) -> list[SubmitResult]:
    """Hand over a chunk; return the carrier's answers, which are recorded."""
    lease = world.claim()
    assert lease is not None
    outcomes = [SubmitOutcome(item, answer(nth, item)) for nth, item in enumerate(lease.items)]
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)
    return [each.result for each in outcomes]


def asked(world: World, reason: Reason = Reason.FILTERED, **code: str) -> int:
    return rejected_orders.ask(world.db, world.run, reason, WHY, "lan", **code).number


def carried_out(world: World, number: int, caller: Caller = CHIEF, say: Progress = lambda *_: None) -> None:
    rejected_orders.approve(world.db, world.ledger, world.run, number, caller, say)


def order_of(world: World) -> tuple[str | None, int | None, int]:
    """Who approved the last order, what it has sent again, and what was asked for."""
    order = world.db.read(rejected_orders.orders, world.run)[-1]
    return order.approved_by, order.sent_again, order.messages


@pytest.mark.longer
def test_the_messages_of_one_reason_are_queued_again_and_counted(db: Database) -> None:
    world = refused(db)
    found = db.read(rejected_orders.rejected, world.run)
    assert [(each.reason, each.messages) for each in found] == [("no_such_number", 5), ("filtered", 10)]
    number = asked(world)
    assert world.states() == {S: 5, R: 15}  # asking moves nothing
    said = list[tuple[int, int]]()
    rejected_orders.approve(db, world.ledger, world.run, number, CHIEF, lambda *n: said.append(n))
    assert said == [(10, 10)]
    assert world.states() == {Q: 10, S: 5, R: 5} == world.tallied()
    assert db.read(lambda c: c.execute(runs.select()).one()).state == RunState.RUNNING
    [order] = db.read(rejected_orders.orders, world.run)
    assert (order.because, order.asked_by, order.approved_by, order.sent_again) == (WHY, "lan", "chief", 10)
    assert verify(db, world.ledger, world.campaign) == []
    send(world, ())
    assert world.states() == {S: 15, R: 5} == world.tallied()
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_an_order_is_carried_out_once_and_takes_no_later_refusal(db: Database) -> None:
    world = refused(db)
    number = asked(world)
    rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)
    send(world, (Reason.FILTERED, Reason.FILTERED, Reason.FILTERED))
    with pytest.raises(Conflict, match="10 messages were queued again"):
        rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)
    assert Q not in world.states()
    again = asked(world)
    rejected_orders.approve(db, world.ledger, world.run, again, CHIEF)
    assert [each.sent_again for each in db.read(rejected_orders.orders, world.run)] == [10, 7]


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (Caller("lan", "admin"), "Someone else must approve it"),
        (Caller("lan (command line)", "admin"), "Someone else must approve it"),
        (Caller("tam", "operator", "viettel"), "Only approvers can approve these orders"),
        (Caller("vi", "auditor"), "Only approvers can approve these orders"),
    ],
)
def test_who_asked_does_not_approve_nor_does_another_role(db: Database, caller: Caller, words: str) -> None:
    world = refused(db, 4)
    number = asked(world)
    with pytest.raises(Forbidden, match=words):
        rejected_orders.approve(db, world.ledger, world.run, number, caller)
    assert world.states() == {S: 1, R: 3}


def test_an_order_that_would_move_nothing_or_says_no_cause_is_refused(db: Database) -> None:
    world = refused(db, 4)
    with pytest.raises(Conflict, match=r"no_such_number 10 \(1\), filtered 10 \(2\)"):
        asked(world, Reason.SYSTEM)
    with pytest.raises(
        Invalid, match=exactly("Describe what was wrong and how it was fixed. The approver will see it.")
    ):
        rejected_orders.ask(db, world.run, Reason.FILTERED, " ", "lan")
    with pytest.raises(Invalid, match="has no order 99"):
        rejected_orders.approve(db, world.ledger, world.run, 99, CHIEF)


def by_viettel(*words: str) -> Callable[[int, DeliveryToSend], SubmitResult]:
    """Answers of that carrier, message for message, as its own table reads them."""
    return lambda nth, item: CodeTable({}, ()).verdict("0", words[nth], item.resends > 0)


@pytest.mark.longer
def test_what_the_carrier_calls_a_duplicate_is_in_no_order(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    answered(world, by_viettel("DUPLICATE MESSAGE", "CONTENT_NOT_MATCH_TEMPLATE"))
    number = asked(world)
    carried_out(world, number)
    assert order_of(world) == ("chief", 1, 1)
    # Nobody had it sent again while it was unknown, so a duplicate is not read as the first copy's proof.
    assert answered(world, by_viettel("DUPLICATE MESSAGE")) == [DUPLICATE]
    assert world.states() == {R: 2}
    for code in ({}, {"code": DUPLICATE.code}):
        with pytest.raises(
            Conflict,
            match=exactly(
                "DUPLICATE_MESSAGE may mean that the carrier already accepted the message, so it is "
                "not sent again."
            ),
        ):
            asked(world, **code)
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.parametrize(
    "code", [*ViettelCarrier.of_one_number, "409 Tin nhắn bị trùng", "already sent", "Trung lap"]
)
def test_words_for_a_duplicate_are_known(code: str) -> None:
    assert rejected_orders.says_duplicate(code)


@pytest.mark.parametrize("code", ["10", "", "ALIAS_INVALID:TELCO=VN", "CONTENT_NOT_MATCH_TEMPLATE", "0x0A"])
def test_other_codes_are_no_duplicates(code: str) -> None:
    assert not rejected_orders.says_duplicate(code)


@pytest.mark.longer
def test_an_order_takes_one_code_of_a_reason(db: Database) -> None:
    world = build(db, 5)
    world.fan_out()
    answered(world, lambda nth, _: Rejected("27" if nth else "11", Reason.FILTERED))
    with pytest.raises(
        Invalid,
        match=exactly(
            "The carrier gave several codes. Choose the one whose cause has been fixed: 11 (1), 27 (4)."
        ),
    ):
        asked(world)
    with pytest.raises(
        Conflict,
        match=exactly(
            "Run 1 has no messages rejected for the reason filtered 12. Its reasons: filtered 11 "
            "(1), filtered 27 (4)."
        ),
    ):
        asked(world, code="12")
    carried_out(world, asked(world, code="27"))
    assert world.states() == {Q: 4, R: 1} == world.tallied()


def all_refused(db: Database, count: int) -> World:
    world = build(db, count)
    world.fan_out()
    while Q in world.states():
        answered(world, lambda *_: Rejected("10", Reason.FILTERED))
    return world


@pytest.mark.longer
def test_what_was_interrupted_goes_on_and_is_counted_whole(db: Database) -> None:
    world = all_refused(db, 250)  # two slices
    number = asked(world)

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    for done in (200, 250):
        with pytest.raises(KeyboardInterrupt):
            carried_out(world, number, CHIEF, interrupted)
        assert order_of(world) == ("chief", done, 250)
    carried_out(world, number, Caller("other", "approver"))
    assert order_of(world) == ("chief", 250, 250)
    with pytest.raises(Conflict, match="250 messages were queued again"):
        carried_out(world, number)


@pytest.mark.longer
@pytest.mark.longer
def test_what_was_refused_by_a_clock_that_was_ahead_is_in_the_order(db: Database) -> None:
    world = all_refused(db, 6)
    ahead = deliveries.c.submitted_at + 480_000
    db.write(lambda c: c.execute(update(deliveries).where(deliveries.c.seq < 5).values(submitted_at=ahead)))
    number = asked(world)
    carried_out(world, number)
    assert order_of(world) == ("chief", 6, 6)
    assert world.states() == {Q: 6}
    world.check()


def test_of_several_who_approve_at_once_the_order_counts_each_message_once(db: Database) -> None:
    world = refused(db)
    number = asked(world)
    with ThreadPoolExecutor(3) as many:
        pressed = [many.submit(carried_out, world, number, Caller(f"chief{n}", "approver")) for n in range(3)]
        assert all(isinstance(each.exception(), Conflict | None) for each in pressed)
    assert order_of(world)[1:] == (10, 10)
    assert world.states() == {Q: 10, S: 5, R: 5}


@other_by_hand
@pytest.mark.longer
@pytest.mark.parametrize(
    "change", ["the window ends", "the numbers are being erased", "the run is cancelled"]
)
def test_each_slice_looks_again_whether_it_may(db: Database, change: str) -> None:
    world = all_refused(db, 250)
    number = asked(world)

    def changed(*_: int) -> None:
        if change == "the window ends":
            world.rewrite(window_end=1)
        elif change == "the run is cancelled":
            db.write(lambda c: c.execute(update(runs).values(state=RunState.CANCELLED.value)))
        else:
            begin = {"kind": "campaign", "subject_id": world.campaign, "name": "x", "rule": "x", "days": 1}
            begin |= {"due_at": 1, "counts": {}, "totals": [], "by": "loa", "started_at": 1}
            db.write(lambda c: c.execute(insert(erasures).values(begin)))

    with pytest.raises(Conflict, match="200 messages were decided before an error occurred: "):
        carried_out(world, number, CHIEF, changed)
    assert world.states() == {Q: 200, R: 50}
    assert order_of(world) == ("chief", 200, 250)


@pytest.mark.longer
def test_a_run_that_is_cancelled_has_no_order_and_none_of_its_is_approved(db: Database) -> None:
    world = refused(db, 4)
    number = asked(world)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.CANCELLED.value)))
    for attempt in (lambda: carried_out(world, number), lambda: asked(world)):
        with pytest.raises(Conflict, match="The run is cancelled"):
            attempt()
    assert order_of(world) == (None, 0, 2)


@pytest.mark.longer
def test_an_order_goes_by_the_clock_of_the_database(apart: tuple[Database, int]) -> None:
    db, hours = apart
    world = build(db, 20, chunk=10)
    world.fan_out()
    send(world, (Reason.FILTERED, Reason.FILTERED, Reason.FILTERED))
    number = asked(world)
    send(world, (Reason.FILTERED, Reason.FILTERED, Reason.FILTERED))  # after it was asked for
    carried_out(world, number)
    assert order_of(world) == ("chief", 7, 7)
    world.rewrite(window_end=clock.now_ms() + hours * 1_800_000)  # between the two clocks
    if hours > 0:
        with pytest.raises(
            Conflict, match=exactly("The sending window has ended, so no messages can be sent again.")
        ):
            asked(world)
    else:
        carried_out(world, asked(world))


@pytest.mark.longer
def test_an_order_of_which_nothing_is_left_is_neither_approved_nor_closed(db: Database) -> None:
    world = refused(db)
    first, second = asked(world), asked(world)
    carried_out(world, second)
    with pytest.raises(Conflict, match=f"No messages of order {first} can be sent again"):
        carried_out(world, first)
    found = {each.number: each for each in db.read(rejected_orders.orders, world.run)}
    assert (found[first].approved_by, found[first].carried_out, found[second].carried_out) == (
        None,
        False,
        True,
    )


@other_by_hand
@pytest.mark.longer
@pytest.mark.parametrize(
    ("word", "skipped"), [("DELIVRD", 1), ("ENROUTE", 1), ("REJECTD", 0), ("EXPIRED", 0)]
)
def test_whom_a_result_file_claims_gets_nothing_again(
    db: Database, tmp_path: Path, word: str, skipped: int
) -> None:
    world = all_refused(db, 3)
    number = asked(world)
    claim = scene.csv_file(tmp_path / "result.csv", [(scene.phone(0), word, scene.at(0), "")])
    assert scene.load(world, claim).counts == {"unsent": 1}
    carried_out(world, number)
    [order] = db.read(rejected_orders.orders, world.run)
    assert (order.sent_again, order.messages) == (3 - skipped, 3)
    assert order.left_out == skipped
    lease = world.claim()
    assert lease is not None
    assert len(lease.items) == 3 - skipped
    assert all(item.phone != FIRST_PHONE for item in lease.items) is bool(skipped)


@pytest.mark.longer
def test_if_a_result_file_claims_all_nothing_can_be_asked_for(db: Database, tmp_path: Path) -> None:
    world = all_refused(db, 1)
    claim = scene.csv_file(tmp_path / "result.csv", [(scene.phone(0), "DELIVRD", scene.at(0), "0")])
    scene.load(world, claim)
    with pytest.raises(
        Conflict,
        match=exactly(
            "None of these messages can be sent again. A result file says that the carrier has "
            "them, another campaign in this follow-up chain has sent or is about to send to the "
            "numbers, or they were rejected before the database was restored and may have been "
            "sent since."
        ),
    ):
        asked(world)


@pytest.mark.parametrize("change", [{"state": "draft"}, {"window_end": 1}], ids=str)
def test_nothing_goes_out_again_past_the_approval(db: Database, change: dict[str, object]) -> None:
    world = refused(db, 4)
    number = asked(world)
    db.write(lambda c: c.execute(update(campaigns).values(change)))
    with pytest.raises(
        Conflict,
        match=exactly("The campaign's current version is not approved, so no messages can be sent again."),
    ):
        rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)


def test_nothing_goes_out_again_after_the_window(db: Database) -> None:
    world = refused(db, 4)
    world.rewrite(window_end=1)
    with pytest.raises(
        Conflict, match=exactly("The sending window has ended, so no messages can be sent again.")
    ):
        asked(world)


@pytest.mark.longer
def test_it_is_asked_for_and_approved_over_http(application: FastAPI, db: Database) -> None:
    world = refused(db)
    path = f"/v1/runs/{world.run}/rejected"
    with Client(application, db.write(create_key, "tam", "operator", "viettel")) as operator:
        assert operator.get(path).json()["rejected"][1] == {
            "reason": "filtered",
            "code": "10",
            "messages": 10,
            "sendable": 10,
        }
        assert operator.post(path, json={"reason": "unlucky", "because": WHY}).status_code == 422
        order = operator.post(path, json={"reason": "filtered", "because": WHY}).json()
        assert operator.post(f"{path}/{order['number']}/approve").status_code == 403
    with Client(application, db.write(create_key, "chief", "approver")) as approver:
        done = approver.post(f"{path}/{order['number']}/approve").json()
        assert (done["sent_again"], done["carried_out"]) == (10, True)
        assert approver.post(f"{path}/{order['number']}/approve").status_code == 409
    with Client(application, db.write(create_key, "other", "operator", "vnpt")) as other:
        assert other.get(path).status_code == 404


@pytest.mark.longer
@on_sqlite
def test_it_is_asked_for_and_approved_at_the_keyboard(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    world = refused(db)
    rejected_orders.ask(db, world.run, Reason.FILTERED, WHY, "lan")
    db.close()
    shell = Shell(database_url, tmp_path)
    assert "filtered        10    10        10" in shell(rejected_commands.app, "list", "1")
    with pytest.raises(
        Invalid,
        match=exactly(
            "reason must be 'other', 'system', 'expired', 'handset', 'barred', 'other_network', "
            "'no_such_number', 'filtered' or 'wrong_request'."
        ),
    ):
        shell(rejected_commands.app, "ask", "1", "--reason", "filterd", "--because", WHY)
    asked_here = shell(rejected_commands.app, "ask", "1", "--reason", "no_such_number", "--because", WHY)
    assert asked_here.startswith("Order ")
    with pytest.raises(
        Forbidden,
        match=exactly("You requested this or supplied the account that did. Someone else must approve it."),
    ):
        shell(rejected_commands.app, "approve", "1", asked_here.split()[1])
    first = json.loads(shell(rejected_commands.app, "list", "1", "--json"))["orders"][0]["number"]
    said = shell(rejected_commands.app, "approve", "1", str(first))
    assert said.startswith("Messages of run 1 queued again: 10. Left out, because a result file")
