"""Orders are signed as approved, replaced, withdrawn; results are taken once, in turn, from the right key."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import Connection, select, update

from app.api.bodies import filled
from app.campaigns import carrier_orders, directives, lifecycle
from app.campaigns.directives import DirectiveFields
from app.campaigns.runs import Verb, order
from app.core import areas, clock
from app.core.config import MailSettings
from app.core.errors import AppError, Conflict, Invalid, NotFound
from app.database.connection import Database, Joined
from app.database.models import audit, campaigns, signed_orders, statements
from app.notifications import outbox, sender
from app.notifications.outbox import Notice, Sent
from app.operations import OPERATIONS, Work
from app.reports.figures import carrier_statement
from app.reports.figures.addressees import Addressee, AddresseeKind
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake import external_activity
from app.security import kept_rows
from app.security.principal import Caller
from app.signed_orders import formats, keys, loa_carrier, orders, results
from app.signed_orders.loa_carrier import ORDER
from tests.app.at_once import while_open
from tests.app.campaigns.test_held_runs import approved
from tests.app.notifications.servers import smtp_server
from tests.app.signed_orders.documents import CARRIER, POLICE, STRANGER, row
from tests.app.signed_orders.documents import keys as public
from tests.app.signed_orders.scene import DESK, act, answer, at, fetched, issue, ordered, settings, take
from tests.app.signed_orders.test_keys import in_force, kid, pem
from tests.engines import each_engine

database_url = each_engine


def test_the_carrier_fetches_the_order_as_it_was_approved(db: Database) -> None:
    run_id = ordered(db)
    signed = formats.read(fetched(db, run_id), ORDER)
    formats.check(signed, clock.now())
    assert loa_carrier.verify(signed, public(POLICE)) == [kid(POLICE)]
    said, plain = signed.content, db.read(carrier_orders.order, run_id)
    assert (said["number"], said["kind"], said["carrier"]) == (f"{run_id}-1", "order", "vnpt")
    content = said["content"]
    assert content["approval"]["sha256"] == plain.digest
    assert [each["text"] for each in content["texts"]] == [each.text for each in plain.texts]
    assert [each["code"] for each in content["areas"]] == ["116", "125"]
    assert (content["sender"], content["estimated"]) == (plain.sender, 350_000)
    with pytest.raises(NotFound):
        act(db, "get_signed_order", Caller("x", "operator", "viettel"), run_id=run_id)


def mailed(db: Database, server: MailSettings) -> list[Notice]:
    """What the outbox sends now, and has sent then."""
    found = []
    while due := db.write(outbox.next_due):
        assert sender.send(server, due.notice) == Sent()
        db.write(outbox.record_outcome, due, Sent())
        found.append(due.notice)
    return found


@pytest.mark.longer
def test_the_order_and_its_withdrawal_are_mailed_to_the_carrier_as_they_are_signed(db: Database) -> None:
    """To the carrier's own addresses under the directive, each once; none without a mail server."""
    fields = DirectiveFields(
        "303/CAT-PA05", date(2024, 2, 1), "CA SON LA", "V/v canh bao", addressees=("VNPT",)
    )
    letter = db.write(directives.create, fields, "author")
    for name, carrier, email in (
        ("VNPT", "vnpt", "vnpt@x.example"),
        ("VNPT Son La", "vnpt", "vnpt@x.example"),
        ("Viettel", "viettel", "viettel@x.example"),
    ):
        addressee = Addressee(None, letter, name, AddresseeKind.CARRIER, carrier, email)
        db.write(external_activity.register, addressee, "author")
    in_force(db, POLICE, None)
    run_id = approved(db, directive_id=letter)
    with smtp_server() as (post, port):
        server = MailSettings(host="127.0.0.1", port=port, security="none", sender="loa@x.example")
        own = settings().model_copy(update={"mail": server})
        issued = orders.OrderIssueBody(reason="")
        act(db, "issue_order", own=own, run_id=run_id, body=issued)
        act(db, "issue_order", own=own, run_id=run_id, body=issued)
        assert [each.target for each in mailed(db, server)] == ["vnpt@x.example"]
        signed = [db.read(orders.rows, run_id)[-1].content]
        act(db, "withdraw_order", own=own, run_id=run_id, body=orders.WithdrawBody(reason="Stop it."))
        assert [each.target for each in mailed(db, server)] == ["vnpt@x.example"]
        signed.append(db.read(orders.rows, run_id)[-1].content)
    letters = [message_from_bytes(each.content, policy=policy.default) for each in post.messages]
    files = [next(each.iter_attachments()) for each in letters]
    assert [each.get_filename() for each in files] == [f"loa-order-{run_id}-{n}.json" for n in (1, 2)]
    assert [each.get_content() for each in files] == signed
    assert [loa_carrier.read(each).content["kind"] for each in signed] == ["order", "withdrawal"]
    assert [each["Subject"] for each in letters] == [
        f"Loa: lệnh gửi tin số {run_id}-1",
        f"Loa: văn bản thu hồi lệnh gửi tin số {run_id}-2",
    ]
    assert "Lý do: Stop it." in letters[1].get_body().get_content()


def test_an_order_needs_its_approval_and_a_key_and_is_signed_once(db: Database) -> None:
    run_id = approved(db)
    with pytest.raises(Conflict, match="not an approved key of the agency"):
        issue(db, run_id)
    in_force(db, POLICE, None)
    first = issue(db, run_id)
    assert issue(db, run_id) == first
    assert [each.number for each in db.read(orders.issued, run_id)] == [f"{run_id}-1"]
    acts = db.read(
        lambda c: c.execute(select(audit.c.detail).where(audit.c.action == "order.issue")).scalars().all()
    )
    assert [each["sha256"] for each in acts] == [first.sha256]


def test_what_is_no_longer_approved_is_not_handed_out_and_is_replaced_or_withdrawn(db: Database) -> None:
    run_id = ordered(db)
    first = loa_carrier.read(fetched(db, run_id))
    db.write(lambda c: c.execute(update(campaigns).values(sender="LOA")))
    with pytest.raises(Conflict, match="no longer matches what was approved"):
        fetched(db, run_id)
    withdrawn = act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Sai tên định danh"))
    said = loa_carrier.read(fetched(db, run_id))
    formats.check_order(said.content, clock.now())
    assert (withdrawn.number, said.content["kind"]) == (f"{run_id}-2", "withdrawal")
    assert said.content["replaces"] == {"number": f"{run_id}-1", "sha256": first.sha256}
    with pytest.raises(Conflict, match="no signed order that could be withdrawn"):
        act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="x"))


def test_a_new_order_after_a_withdrawal_says_why_and_what_it_replaces(db: Database) -> None:
    run_id = ordered(db)
    act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Tạm dừng"))
    with pytest.raises(Invalid, match="replaces the earlier one"):
        issue(db, run_id)
    again = issue(db, run_id, "Tiếp tục")
    assert (again.number, again.replaces) == (f"{run_id}-3", f"{run_id}-2")


def test_before_the_start_an_order_is_signed_anew_for_another_deadline_or_once_it_is_over(
    db: Database,
) -> None:
    today = clock.local(clock.now()).date()
    letter = directives.DirectiveFields("7/CV", today, "CAT", "Tin", clock.now() + timedelta(days=9))
    directive = db.write(directives.create, letter, "chief")
    in_force(db, POLICE, None)
    run_id = approved(db, directive_id=directive)
    first = issue(db, run_id)
    later = clock.now().replace(microsecond=0) + timedelta(days=20)
    db.write(directives.put_off, directive, later, "Tết", "chief")
    with pytest.raises(Invalid, match="replaces the earlier one"):
        issue(db, run_id)
    again = issue(db, run_id, "Lùi hạn báo cáo")
    assert (again.number, again.replaces) == (f"{run_id}-2", first.number)
    said = loa_carrier.read(fetched(db, run_id)).content["content"]
    assert loa_carrier.moment(said["report_by"]) == loa_carrier.moment(said["valid_until"]) == later
    assert issue(db, run_id) == again
    db.write(directives.put_off, directive, None, "Bỏ hạn", "chief")
    third = issue(db, run_id, "Bỏ hạn báo cáo")
    over = loa_carrier.read(fetched(db, run_id)).content
    over["content"]["valid_until"] = at(-1)
    ended = loa_carrier.sign(over, POLICE)
    values = {"content": ended, "sha256": loa_carrier.read(ended).sha256}
    db.write(lambda c: c.execute(update(signed_orders).where(signed_orders.c.serial == 3).values(values)))
    fourth = issue(db, run_id, "Hết hiệu lực")
    assert fourth.replaces == third.number
    order(db, Verb.START, run_id, "operator")
    db.write(directives.put_off, directive, later, "Đặt lại hạn", "chief")
    assert issue(db, run_id, "Đặt lại hạn") == fourth  # who has begun by it goes on


def test_a_run_with_a_signed_order_is_not_removed(db: Database) -> None:
    in_force(db, POLICE, None)
    run_id = approved(db)
    issue(db, run_id)
    with pytest.raises(Conflict, match="signed orders, so it cannot be removed"):
        db.write(lifecycle.remove_run, run_id, "author")


def test_a_result_becomes_a_statement_signed_by_the_carrier(db: Database) -> None:
    run_id = ordered(db)
    content = answer(fetched(db, run_id), remarks="Không có khiếu nại.")
    taken = take(db, run_id, content)
    said = db.read(carrier_statement.latest, run_id)
    assert said is not None
    assert (taken.version, taken.statement, taken.kid, taken.final) == (1, 1, kid(CARRIER), True)
    assert (said.kind, said.figures.general.sent, said.figures.segments) == (
        FigureSource.STATED,
        346_000,
        346_000,
    )
    assert [(each.code, each.counts.received) for each in said.figures.areas] == [
        ("116", 190_000),
        ("125", 128_000),
    ]
    assert said.paper.signature is not None
    assert said.paper.signature.sha256 == taken.sha256 == loa_carrier.read(content).sha256
    assert said.paper.note == "Không có khiếu nại."
    corrected = answer(fetched(db, run_id), version=2, changes="Biên nhận của máy thuê bao", proves="handset")
    assert take(db, run_id, corrected).statement == 2


def test_withheld_areas_stand_in_one_row_and_the_sums_stay(db: Database) -> None:
    run_id = ordered(db)
    shown, hidden = loa_carrier.withhold(
        [row("116", 345_000, 317_100, 19_900, 4_000), row("125", 600, 597, 3), row("126", 400, 303, 97)]
    )
    held = {"rule": "fewer-than-5", "areas": hidden}
    take(db, run_id, answer(fetched(db, run_id), areas=shown, withheld=held, remarks="126: giáp ranh"))
    said = db.read(carrier_statement.latest, run_id)
    assert said is not None
    merged = said.figures.areas[-1]
    assert (merged.code, merged.counts.sent, merged.counts.failed) == (None, 1_000, 100)
    assert "125, 126" in merged.note


def test_a_result_that_a_person_brings_is_still_the_carriers(db: Database) -> None:
    run_id = ordered(db)
    taken = take(db, run_id, answer(fetched(db, run_id)), Caller("văn thư", "approver", person=True))
    assert taken.taken_by == "văn thư"


def refused(db: Database, run_id: int, content: bytes, sentence: str) -> None:
    before = db.read(lambda c: c.execute(select(statements)).all())
    with pytest.raises(AppError, match=sentence):
        take(db, run_id, content)
    assert db.read(lambda c: c.execute(select(statements)).all()) == before


def test_what_is_not_the_carriers_result_of_this_order_is_refused(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    in_force(db, STRANGER, "viettel")
    refused(db, run_id, answer(about, STRANGER), "is a key of viettel, not of vnpt")
    altered = json.loads(answer(about))
    altered["payload"] = json.loads(answer(about, remarks="khác"))["payload"]
    refused(db, run_id, json.dumps(altered).encode(), "was altered")
    wrong = loa_carrier.read(answer(about)).content | {"parts": 5}  # a figure, which could not be either
    altered["payload"] = loa_carrier.b64(loa_carrier.canonical(wrong))
    refused(db, run_id, json.dumps(altered).encode(), "was altered")
    refused(db, run_id, answer(about, order={"number": "9-1", "sha256": "0" * 64}), "was not issued here")
    refused(db, run_id, answer(about, carrier="viettel"), "not about this one")
    refused(db, run_id, answer(about, began_at=at(-7200)), "before the order was issued")
    refused(
        db,
        run_id,
        answer(about, totals=row(None, 346_001, 318_000, 20_000, 4_000), parts=None),
        "does not add up",
    )
    refused(
        db,
        run_id,
        answer(about, areas=[row("99999", 346_000, 318_000, 20_000, 4_000)]),
        "No area has the code",
    )
    whole = row("116", 346_000, 318_000, 20_000, 4_000)
    refused(db, run_id, answer(about, areas=[whole]), "no row for the ordered area 125")
    hidden = {"rule": "fewer-than-5", "areas": ["125"]}
    refused(db, run_id, answer(about, areas=[whole | {"area": "*"}], withheld=hidden), "the ordered area 116")
    refused(db, run_id, answer(about, parts=692_000), "^parts: The statement has 692000 SMS parts")
    other = approved(db, name="Đợt hai")
    issue(db, other)
    refused(db, run_id, answer(fetched(db, other)), f"order of run {other}")
    take(db, run_id, answer(about))


def test_a_result_is_taken_once_and_in_turn(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    second = answer(about, version=2, changes="Thêm biên nhận")
    take(db, run_id, second)
    refused(db, run_id, second, "already been accepted, as version 2")
    refused(db, run_id, answer(about), "version 1 is too old")
    refused(db, run_id, answer(about, version=2, changes="khác"), "version 2 is too old")


def test_a_result_of_a_replaced_order_is_refused_and_of_a_withdrawn_one_taken(db: Database) -> None:
    run_id = ordered(db)
    first = fetched(db, run_id)
    act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Tạm dừng"))
    refused(db, run_id, answer(fetched(db, run_id)), "withdrawal")
    take(db, run_id, answer(first))
    issue(db, run_id, "Tiếp tục")
    later = answer(first, version=2, changes="x")
    refused(db, run_id, later, f"replaced by {run_id}-3")


def test_a_key_that_ended_or_was_revoked_signs_nothing_more(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    carry = {"kid": kid(CARRIER), "body": keys.RevokeBody(reason="Lộ khóa")}
    act(db, "revoke_signing_key", **carry)
    refused(db, run_id, answer(about), "of vnpt was revoked")


def test_a_result_that_comes_half_a_year_late_is_refused(db: Database) -> None:
    run_id = ordered(db, window_end=clock.now() + timedelta(hours=1))
    about = fetched(db, run_id)
    old = loa_carrier.read(about).content
    past = clock.now() - timedelta(days=181)
    old["issued_at"] = (past - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old["content"] |= {"valid_until": past.strftime("%Y-%m-%dT%H:%M:%SZ"), "begins_at": None, "ends_at": None}
    then = loa_carrier.sign(old, POLICE)
    values = {"content": then, "sha256": loa_carrier.read(then).sha256}
    db.write(lambda c: c.execute(update(signed_orders).values(values)))
    db.write(kept_rows.adopt)  # as if Loa had written it
    refused(db, run_id, answer(then), "more than 180 days after")


def test_an_order_whose_row_was_altered_is_not_used(db: Database) -> None:
    run_id = ordered(db)
    other = loa_carrier.sign(loa_carrier.read(fetched(db, run_id)).content | {"reason": "x"}, STRANGER)
    db.write(lambda c: c.execute(update(signed_orders).values(content=other)))
    with pytest.raises(Conflict, match="differs from what was stored"):
        act(db, "list_orders", run_id=run_id)


def within(db: Database, name: str, who: Caller, **arguments: Any) -> Callable[[Connection], Any]:
    """Return what an operation does in a transaction that there is already."""

    def work(connection: Connection) -> Any:
        here = Work(db=Joined(db, connection), settings=settings(), who=who)
        return OPERATIONS[name].carry_out(here, **arguments)

    return work


def test_of_two_results_at_once_one_is_taken(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    bodies = [
        filled(results.ResultBody, results.read_file(answer(about, remarks=word))) for word in ("a", "b")
    ]
    first, second = (within(db, "take_result", DESK, run_id=run_id, body=body) for body in bodies)
    with pytest.raises(Conflict):  # also at a command, which has no server to put it into words
        while_open(db, first, lambda: db.write(second))
    assert len(db.read(results.taken, run_id)) == len(db.read(carrier_statement.versions, run_id)) == 1


def test_of_two_orders_at_once_one_is_signed(db: Database) -> None:
    in_force(db, POLICE, None)
    run_id = approved(db)
    body = orders.OrderIssueBody()
    first, second = (
        within(db, "issue_order", Caller(who, "admin"), run_id=run_id, body=body) for who in "xy"
    )
    with suppress(Conflict):  # on SQLite the second comes after the first, whose order it returns
        while_open(db, first, lambda: db.write(second))
    assert len(db.read(orders.issued, run_id)) == 1


def test_the_chain_has_all_documents_the_newest_first(db: Database) -> None:
    run_id = ordered(db)
    act(db, "withdraw_order", run_id=run_id, body=orders.WithdrawBody(reason="Dừng"))
    issue(db, run_id, "Tiếp tục")
    act(db, "issue_order", run_id=run_id, body=orders.OrderIssueBody(reason="Gửi lại", repeat=True))
    found = act(db, "get_order_chain", DESK, run_id=run_id)
    file = to_json(to_jsonable_python(found))
    said = [loa_carrier.read(each).content for each in loa_carrier.documents(file)]
    assert [(each["number"], each["kind"]) for each in said] == [
        (f"{run_id}-4", "repeat"),
        (f"{run_id}-3", "order"),
        (f"{run_id}-2", "withdrawal"),
        (f"{run_id}-1", "order"),
    ]
    turned = b"[" + b",".join(reversed(loa_carrier.documents(file))) + b"]"
    assert loa_carrier.read(loa_carrier.newest(turned)).content["number"] == f"{run_id}-4"
    with pytest.raises(NotFound):
        act(db, "get_order_chain", Caller("x", "operator", "viettel"), run_id=run_id)


def test_the_first_order_repeats_nothing(db: Database) -> None:
    in_force(db, POLICE, None)
    run_id = approved(db)
    with pytest.raises(Invalid, match="cannot repeat an earlier one"):
        act(db, "issue_order", run_id=run_id, body=orders.OrderIssueBody(repeat=True))


def test_a_result_of_an_order_whose_times_alone_changed_is_taken(db: Database) -> None:
    in_force(db, CARRIER, "vnpt")
    in_force(db, POLICE, None)
    run_id = approved(db)
    issue(db, run_id)
    first = fetched(db, run_id)
    in_force(db, STRANGER, None)  # another key of the agency signs the same order
    own = settings().model_copy(update={"order_key": SecretStr(pem(STRANGER))})
    changed = act(db, "issue_order", own=own, run_id=run_id, body=orders.OrderIssueBody(reason="Khóa mới"))
    assert changed.kind == "change"
    order(db, Verb.START, run_id, "operator")
    assert take(db, run_id, answer(first)).order == f"{run_id}-1"


def test_areas_of_a_result_exist_and_count_nobody_twice(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    commune = next(each.code for each in areas.every() if each.district == "116")
    whole = row("125", 146_000, 128_000, 15_000)
    half = row("116", 100_000, 95_000, 2_500, 2_000)
    twice = [half, half | {"area": commune}, whole]
    refused(db, run_id, answer(about, areas=twice), f"area {commune} is part of 116")
    shown = [row("125", 345_000, 317_100, 19_900, 4_000), row("*", 1_000, 900, 100)]
    held = {"rule": "fewer-than-5", "areas": ["116", "777"]}
    refused(db, run_id, answer(about, areas=shown, withheld=held, remarks="x"), "No area has the code 777")
    only = [whole | {"area": commune}, row("?", 200_000, 190_000, 5_000, 4_000)]
    refused(db, run_id, answer(about, areas=only), "no row for the ordered area 125")
