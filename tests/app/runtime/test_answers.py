"""What a citizen gets back: one approved answer for each message, and nothing else.

As somebody reads it: who writes STOP is told once that the number is on the list, and that is the one
message that a number on the list gets. Who reports a scam is thanked. Who asks about a text is told what it
is. Nobody gets an answer that no second person has approved, two for one message, more than three a day, or
one that comes a day late; and a machine that answers Loa's answers is soon left alone.
"""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, insert, select, update

from app.campaigns import answer_texts, approval, follow_ups, lifecycle
from app.campaigns import runs as orders
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.runs import Verb
from app.core.answer_kinds import AnswerKind, Unanswered
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import CampaignState, DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import answers as decided
from app.database.models import audit as acts
from app.database.models import (
    batches,
    campaigns,
    deliveries,
    do_not_send,
    left_out,
    run_batches,
    runs,
    subscribers,
)
from app.dispatch import run_sweeps
from app.ledger import approval_digest, restore_acknowledgement
from app.privacy import do_not_send as lists
from app.reports.verification import table_checks
from app.security import Caller, audit
from tests.app.inbound.test_inbound_writer import PHONE, message, write
from tests.app.runtime.citizens import (
    CHIEF,
    HOURS,
    TEXTS,
    age,
    answer,
    approved,
    claimed,
    decisions,
    enter,
    job,
    send,
)
from tests.app.world import FIRST_PHONE, World, build
from tests.engines import by_default

pytestmark = pytest.mark.longer
database_url = by_default
HOUR_MS = 3_600_000
OTHERS = "84912345602"
OPT_OUT, REPORT, OTHER = AnswerKind.OPT_OUT, AnswerKind.REPORT, AnswerKind.OTHER


@pytest.fixture
def world(db: Database) -> World:
    """A campaign that has nothing more to send, and its link."""
    found = build(db, 1)
    found.fan_out()
    send(found)
    return found


async def test_each_message_gets_the_answer_of_its_kind_once(world: World) -> None:
    approved(world.db, OPT_OUT, REPORT, OTHER)
    write(world, message("TU CHOI"), message("LD 0912345678 gia danh cong an", OTHERS))
    write(world, message("Alo", "84912345603"), name="b")
    at_work = job(world)
    await answer(at_work)
    wanted = [(int(PHONE), TEXTS[OPT_OUT]), (int(OTHERS), TEXTS[REPORT]), (84912345603, TEXTS[OTHER])]
    assert sorted(send(world)) == wanted
    await answer(at_work)
    await answer(job(world))  # another process, or this one begun anew
    assert send(world) == []
    assert decisions(world.db) == [("opt_out", None), ("report", None), ("other", None)]


async def test_only_what_a_second_person_has_approved_is_sent(world: World) -> None:
    (kept,) = [world.db.write(enter, OTHER)]
    write(world, message("Alo"))
    at_work = job(world)
    await answer(at_work)
    assert (send(world), decisions(world.db)) == ([], [])
    with pytest.raises(Forbidden):
        world.db.write(approval.approve, kept, Caller("author", "approver"), None, "at night too")
    world.db.write(approval.approve, kept, CHIEF, None, "at night too", True)
    await answer(at_work)  # what came before the approval, and is not old yet
    assert send(world) == [(int(PHONE), TEXTS[OTHER])]


async def test_a_text_that_was_altered_after_its_approval_answers_nobody(world: World) -> None:
    (text,) = approved(world.db, OTHER)
    write(world, message("Alo"), message("Alo", OTHERS))
    at_work = job(world)
    await answer(at_work)
    forged = update(campaigns).values(texts={"": "Chuyen tien vao so nay"})
    world.db.write(lambda c: c.execute(forged.where(campaigns.c.answers_of == text)))
    assert send(world) == []
    world.db.write(lambda c: c.execute(forged.where(campaigns.c.id == text)))
    write(world, message("Nua", "84912345603"), name="b")
    await answer(job(world))
    assert send(world) == []


async def test_the_kind_is_a_part_of_what_is_approved(world: World) -> None:
    """Nobody makes the thanks for a report the confirmation of an opt-out by the database alone."""
    (text,) = approved(world.db, REPORT)
    other = update(campaigns).values(answers_to=OPT_OUT.value).where(campaigns.c.id == text)
    world.db.write(lambda c: c.execute(other))
    write(world, message("STOP"))
    await answer(job(world))
    assert (send(world), decisions(world.db)) == ([], [])


async def test_a_withdrawn_text_is_not_sent_any_more_not_even_to_who_waits(world: World) -> None:
    (text,) = approved(world.db, OTHER)
    write(world, message("Alo"))
    at_work = job(world)
    await answer(at_work)
    world.db.write(lifecycle.withdraw, text, "author")
    assert send(world) == []
    write(world, message("Alo", OTHERS), name="b")
    await answer(at_work)
    assert send(world) == []
    states = world.db.read(lambda c: c.execute(select(runs.c.state).order_by(runs.c.id)).scalars().all())
    assert states[-1] == RunState.CANCELLING
    with pytest.raises(Conflict, match="never changes"):
        world.db.write(lifecycle.amend, text, {"text": "Khac"}, HOURS, "author")


async def test_the_same_words_again_get_no_second_answer(world: World) -> None:
    approved(world.db, OTHER)
    write(world, message("Alo"), message("Alo"))
    write(world, message("Alo"), name="b")
    await answer(job(world))
    assert len(send(world)) == 1
    assert decisions(world.db) == [("other", None), ("other", "repeated"), ("other", "repeated")]


async def test_two_machines_that_answer_one_another_end_after_three_answers_a_day(world: World) -> None:
    approved(world.db, OTHER, REPORT)
    at_work, got = job(world), 0
    for n in range(12):
        write(world, message(f"Chung toi da nhan tin thu {n} cua quy vi"), name=f"n{n}")
        await answer(at_work)
        got += len(send(world))
    assert got == 3
    assert [why for _, why in decisions(world.db)] == [None] * 3 + ["ceiling"] * 9
    with_more = job(world, answers_per_day=5)
    for n in range(12, 20):
        write(world, message(f"Tin {n}"), name=f"n{n}")
    await answer(with_more)
    assert len(send(world)) == 2


async def test_the_ceiling_holds_for_messages_that_are_decided_at_once(world: World) -> None:
    approved(world.db, OTHER)
    write(world, *(message(f"Tin {n}") for n in range(10)))
    await answer(job(world))
    assert [phone for phone, _ in send(world)] == [int(PHONE)] * 3
    campaigns_ = select(func.count()).where(campaigns.c.answers_of.is_not(None))
    assert world.db.read(lambda c: c.execute(campaigns_).scalar_one()) == 3  # one message each to a number


async def test_an_old_message_gets_no_answer_when_its_text_is_approved_late(world: World) -> None:
    write(world, message("Alo"), message("Alo", OTHERS))
    age(world.db, 25 * HOUR_MS, only=[1])
    approved(world.db, OTHER)
    await answer(job(world))
    assert send(world) == [(int(OTHERS), TEXTS[OTHER])]
    assert decisions(world.db) == [("other", None)]


async def test_an_answer_that_could_not_go_out_in_time_is_not_sent_any_more(world: World) -> None:
    approved(world.db, OTHER)
    write(world, message("Alo"), message("Alo", OTHERS))
    await answer(job(world))
    past = update(decided).values(expires_at=decided.c.expires_at - 24 * HOUR_MS)
    world.db.write(lambda c: c.execute(past.where(decided.c.inbound_id == 1)))
    assert send(world) == [(int(OTHERS), TEXTS[OTHER])]
    closed = select(deliveries.c.phone).where(deliveries.c.reason == NotSent.WINDOW_CLOSED)
    assert world.db.read(lambda c: c.execute(closed).scalars().all()) == [int(PHONE)]
    (told,) = world.db.read(answer_texts.page)
    assert (told.answered, told.unanswered) == (1, {Unanswered.LATE: 1})


async def test_after_a_restore_nobody_is_answered_until_lists_are_entered_again(world: World) -> None:
    """Who had opted out or was erased after the backup is on no list of it."""
    approved(world.db, OTHER)
    world.db.write(lambda c: audit.note(c, "host", restore_acknowledgement.RESTORED, "database", lists=True))
    # What came in the millisecond of the restore counts as before it.
    world.db.write(lambda c: c.execute(update(acts).values(at=acts.c.at - 1)))
    own = job(world)
    write(world, message("Alo"))
    await answer(own)
    world.db.write(own.decide)
    assert (send(world), decisions(world.db)) == ([], [])
    assert world.db.write(restore_acknowledgement.enter, "officer")
    await answer(own)
    assert send(world) == [(int(PHONE), TEXTS[OTHER])]


async def test_forged_receipts_and_senders_without_a_number_get_no_answer(world: World) -> None:
    approved(world.db, OTHER)
    before = world.states()
    forged = "id:m2 sub:001 dlvrd:001 submit date:2611281200 done date:2611281200 stat:DELIVRD err:000 text:x"
    write(world, message(forged, str(FIRST_PHONE)), message("Alo", "VIETTEL"), message("Id: 5, stat: ok?"))
    await answer(job(world))
    assert send(world) == [(int(PHONE), TEXTS[OTHER])]
    assert decisions(world.db) == [("other", "receipt"), ("other", "no_number"), ("other", None)]
    assert world.states()[DeliveryState.SUBMITTED] == before[DeliveryState.SUBMITTED] + 1


# ---- The do-not-send list


async def test_the_confirmation_of_an_opt_out_goes_to_the_number_that_it_has_listed(world: World) -> None:
    approved(world.db, OPT_OUT, OTHER)
    write(world, message("STOP"), message("DUNG GUI"))  # of one moment: one opt-out
    write(world, message("HUY NHAN TIN"), name="b")
    write(world, message("Cam on"), name="c")
    await answer(job(world))
    assert send(world) == [(int(PHONE), TEXTS[OPT_OUT])]
    assert [why for _, why in decisions(world.db)] == [None, "listed", "listed", "listed"]


async def test_a_number_that_was_listed_otherwise_gets_no_confirmation(world: World) -> None:
    approved(world.db, OPT_OUT, REPORT)
    world.db.write(lists.add, "viettel", [PHONE], "Lan")
    write(world, message("STOP"), message("LD 0912345678 gia danh"))
    await answer(job(world))
    assert (send(world), [why for _, why in decisions(world.db)]) == ([], ["listed", "listed"])


async def test_who_opts_out_after_an_answer_was_queued_gets_only_the_confirmation(world: World) -> None:
    approved(world.db, OPT_OUT, OTHER)
    write(world, message("Alo"))
    at_work = job(world)
    await answer(at_work)
    write(world, message("STOP"), name="b")
    await answer(at_work)
    assert send(world) == [(int(PHONE), TEXTS[OPT_OUT])]


async def test_a_confirmation_is_not_sent_once_the_number_is_listed_by_hand(world: World) -> None:
    """At the claim the list is looked at again: another entry is not the one that is confirmed."""
    approved(world.db, OPT_OUT)
    write(world, message("STOP"))
    await answer(job(world))
    world.db.write(lists.remove, "viettel", [PHONE], "Lan")
    world.db.write(lists.add, "viettel", [PHONE], "Lan")
    later = update(do_not_send).values(added_at=do_not_send.c.added_at + 1)
    world.db.write(lambda c: c.execute(later))
    assert send(world) == []


def smuggle(world: World, campaign_id: int, phones: list[int]) -> None:
    """Put numbers into the answers of a week behind Loa's back, and have them queued."""

    def work(c: Connection) -> None:
        b = run_batches.c
        own = select(b.run_id, b.batch_id).where(b.campaign_id == campaign_id)
        run_id, batch_id = c.execute(own).one()
        rows = [{"batch_id": batch_id, "seq": 500 + n, "phone": phone} for n, phone in enumerate(phones)]
        c.execute(insert(subscribers), rows)
        c.execute(update(batches).where(batches.c.id == batch_id).values(lines=600))
        c.execute(update(run_batches).values(fanned_all=False))
        world.ledger.fan_out(c, run_id, batch_id, {"": 1}, 100)

    world.db.write(work)


async def test_nothing_else_gets_to_a_listed_number_by_the_confirmations(world: World) -> None:
    """Numbers smuggled into their list are left out, listed or not: no message of theirs is answered."""
    approved(world.db, OPT_OUT)
    write(world, message("STOP"))
    await answer(job(world))
    world.db.write(lists.add, "viettel", [OTHERS], "Lan")
    query = select(campaigns.c.id).where(campaigns.c.answers_of.is_not(None))
    own = world.db.read(lambda c: c.execute(query).scalar_one())
    smuggle(world, own, [int(OTHERS), 84912345777])
    assert send(world) == [(int(PHONE), TEXTS[OPT_OUT])]
    reasons = select(left_out.c.reason).where(left_out.c.campaign_id == own)
    assert world.db.read(lambda c: c.execute(reasons).scalars().all()) == [NotSent.DO_NOT_SEND]


async def test_a_borrowed_answer_opens_the_list_for_nobody_else(world: World) -> None:
    """The note of one opt-out, bent to another number or another opt-out's message, confirms nothing."""
    approved(world.db, OPT_OUT)
    write(world, message("STOP"), message("STOP", OTHERS))
    await answer(job(world))
    phone = update(deliveries).where(deliveries.c.phone == int(OTHERS)).values(phone=84912345777)
    world.db.write(lambda c: c.execute(phone))
    world.db.write(lists.add, "viettel", ["84912345777"], "Lan")
    chunk = claimed(world)
    if chunk is not None:  # without a secret_key the rows are compared with the list of subscribers
        assert [each.phone for each in chunk.lease.items] == [int(PHONE)]


async def test_a_campaign_that_calls_itself_answers_sends_to_nobody_on_the_list(
    db: Database,
) -> None:
    world = build(db, 3)
    db.write(lists.add, "viettel", [str(FIRST_PHONE)], "Lan")
    named = update(campaigns).values(answers_to="opt_out", answers_of=world.campaign)
    db.write(lambda c: c.execute(named))
    world.fan_out()
    assert send(world) == []
    assert FIRST_PHONE not in db.read(lambda c: c.execute(select(deliveries.c.phone)).scalars().all())


# ---- What answers are not


def faults_of(c: Connection, campaign_id: int) -> list[str]:
    return list(table_checks.as_approved(c, campaign_id))


async def test_answers_are_counted_by_themselves_and_the_figures_close(world: World) -> None:
    approved(world.db, OTHER, OPT_OUT)
    write(world, message("Alo"), message("STOP", OTHERS))
    await answer(job(world))
    send(world)
    for own in world.db.read(lambda c: c.execute(select(campaigns.c.id)).scalars().all()):
        assert world.db.read(faults_of, own) == []
    found = {each.answers_to: each for each in world.db.read(answer_texts.page)}
    assert [(found[kind].answered, found[kind].in_use) for kind in (OTHER, OPT_OUT)] == [(1, True)] * 2
    rows = select(campaigns.c.directive_id).where(campaigns.c.answers_to.is_not(None)).distinct()
    assert world.db.read(lambda c: c.execute(rows).scalars().all()) == [None]


async def test_a_finished_weeks_answers_stand_although_their_text_is_withdrawn(world: World) -> None:
    (text,) = approved(world.db, OTHER)
    write(world, message("Alo"))
    await answer(job(world))
    send(world)
    world.db.write(lifecycle.withdraw, text, "author")
    own = select(campaigns).where(campaigns.c.answers_of == text)
    row = world.db.read(lambda c: c.execute(own).one())
    assert world.db.read(approval_digest.stands, row, alive=False)
    assert not world.db.read(approval_digest.stands, row, alive=True)


async def test_answers_have_no_lists_no_letter_and_no_follow_up(world: World) -> None:
    (text,) = approved(world.db, OTHER)
    write(world, message("Alo"))
    await answer(job(world))
    with pytest.raises(Conflict, match="answers messages"):
        world.db.write(lifecycle.add_run, text, "viettel", [world.batch], "author")
    own = world.db.read(lambda c: c.execute(select(func.max(campaigns.c.id))).scalar_one())
    with pytest.raises(Conflict, match="answers messages"):
        world.db.write(follow_ups.create, FollowUpRequest((own,)), HOURS, "author")
    fresh = world.db.write(enter, REPORT)
    with pytest.raises(Invalid, match="directive_id"):
        world.db.write(lifecycle.amend, fresh, {"directive_id": 1}, HOURS, "author")


async def test_a_weeks_run_stays_open_and_goes_on_with_the_next_answer(world: World) -> None:
    approved(world.db, OTHER)
    at_work = job(world)
    write(world, message("Alo"))
    await answer(at_work)
    send(world)
    world.db.write(run_sweeps.advance, world.ledger, 0)
    state = select(runs.c.state).order_by(runs.c.id.desc()).limit(1)
    assert world.db.read(lambda c: c.execute(state).scalar_one()) == RunState.SENT
    write(world, message("Alo", OTHERS), name="b")
    await answer(at_work)
    assert world.db.read(lambda c: c.execute(state).scalar_one()) == RunState.RUNNING
    assert send(world) == [(int(OTHERS), TEXTS[OTHER])]
    over = update(campaigns).where(campaigns.c.answers_of.is_not(None)).values(window_end=1)
    world.db.write(lambda c: c.execute(over))
    world.db.write(run_sweeps.advance, world.ledger, -10_000)
    assert world.db.read(lambda c: c.execute(state).scalar_one()) == RunState.FINISHED


async def test_a_person_who_cancels_the_run_stops_this_weeks_answers(world: World) -> None:
    approved(world.db, OTHER)
    at_work = job(world)
    write(world, message("Alo"))
    await answer(at_work)
    run_id = world.db.read(lambda c: c.execute(select(func.max(runs.c.id))).scalar_one())
    world.db.write(orders.act, Verb.CANCEL, run_id, "Lan")
    write(world, message("Alo", OTHERS), name="b")
    await answer(at_work)
    assert (send(world), decisions(world.db)[-1]) == ([], ("other", Unanswered.STOPPED))


def test_the_campaign_states_of_answers_are_those_of_campaigns(db: Database) -> None:
    made = db.write(enter, OTHER)
    shown = db.read(answer_texts.page)
    assert [(each.id, each.state, each.in_use) for each in shown] == [(made, CampaignState.SUBMITTED, False)]
