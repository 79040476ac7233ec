"""Who takes part in a run, and which answers count: on both engines, by rows as the stages leave them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.errors import Conflict, NotFound
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import (
    audit,
    deliveries,
    do_not_send,
    panel_answers,
    panel_telephones,
    runs,
)
from app.inbound.inbound_writer import IncomingMessage, keep
from app.privacy import person_data
from app.reports.counting import panel_judgements
from app.reports.counting.fraud_signals import Sign, doubts
from app.telephone_panel import answers
from app.telephone_panel.answers import PATIENCE_MS, Answer, PanelRow
from app.telephone_panel.judgement import Verdict
from carriers.inbound import InboundMessage
from tests.app.telephone_panel.scene import add, answer, ended, held, members, panel, sent, started
from tests.app.world import FIRST_PHONE, World, build
from tests.operations import carry_out

R, N, OFF = Answer.RECEIVED, Answer.NOT_RECEIVED, Answer.OFF


@pytest.mark.parametrize(("after", "over"), [(-1, False), (0, True)])
def test_a_text_is_waited_for_a_day_after_the_end(after: int, over: bool) -> None:
    row = PanelRow(1, 1, "vnpt", RunState.FINISHED.value, 1, 1, None)
    assert row.over(1 + PATIENCE_MS + after) is over


def given(db: Database, run_id: int) -> list[Answer | None]:
    return [member.answer for member in members(db, run_id)]


def counted(db: Database, run_id: int) -> tuple[int, int, int, int]:
    found = db.read(lambda c: answers.count(c, answers.run_of(c, run_id)))
    return found.received, found.not_received, found.off, found.silent


# ---- Who takes part


def test_who_is_in_the_list_takes_part_before_and_after_the_start(db: Database) -> None:
    world = build(db, 5)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PLANNED.value)))
    inside, _outside = add(db, FIRST_PHONE + 2), add(db, FIRST_PHONE + 99)
    assert [each.telephone_id for each in members(db, world.run)] == [inside]
    db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING.value)))
    assert members(db, world.run) == []  # nothing is queued yet
    started(world)
    world.fan_out()
    (member,) = members(db, world.run)
    assert (member.telephone_id, member.phone, member.link) == (inside, "8491*****02", None)


def test_who_was_added_after_the_start_could_be_chosen_to_suit_and_takes_no_part(db: Database) -> None:
    world = sent(db, 3)
    add(db, FIRST_PHONE, ago_ms=DAY_MS)
    held_run = held(db)
    add(db, FIRST_PHONE + 50, "vnpt", ago_ms=DAY_MS)
    assert members(db, world.run) == members(db, held_run) == []


def test_of_a_carrier_s_own_base_its_telephones_in_the_ordered_areas_take_part(db: Database) -> None:
    inside = add(db, FIRST_PHONE, "vnpt")
    other_area, other_carrier = add(db, FIRST_PHONE + 1, "vnpt", area="04096"), add(db, FIRST_PHONE + 2)
    by_district = held(db, ("116",))  # a district of before 07-2025, of which the commune is a part
    assert inside in {each.telephone_id for each in members(db, by_district)}
    assert not {other_area, other_carrier} & {each.telephone_id for each in members(db, by_district)}
    whole = held(db)
    assert {each.telephone_id for each in members(db, whole)} == {inside, other_area}


def test_a_number_that_changed_its_carrier_is_in_the_run_that_has_it_in_its_list(db: Database) -> None:
    """Registered with vnpt, listed by viettel: it is viettel's in that campaign, also beside a held run."""
    world = sent(db, 1)
    ported = add(db, FIRST_PHONE, "vnpt")
    held_run = held(db)
    values = {"campaign_id": world.campaign}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == held_run).values(values)))
    assert [each.telephone_id for each in members(db, world.run)] == [ported]
    assert members(db, held_run) == []


def test_whom_the_carrier_refuses_at_once_or_who_wants_no_messages_takes_no_part(db: Database) -> None:
    world = sent(db, 3)
    panel(db, 3)
    for seq, state in ((2, DeliveryState.REJECTED), (3, DeliveryState.NOT_SENT)):
        own = update(deliveries).where(deliveries.c.seq == seq)
        db.write(lambda c, own=own, state=state: c.execute(own.values(state=int(state))))
    assert [each.phone[-2:] for each in members(db, world.run)] == ["02"]


# ---- Which answers count


def test_the_first_received_is_final_and_the_other_answers_can_be_changed(db: Database) -> None:
    world = sent(db, 3)
    one, two, three = panel(db, 3)
    for said in (N, OFF, N, R, N, OFF):
        answer(db, world.run, one, said)
    answer(db, world.run, two, OFF)
    answer(db, world.run, two, N)
    assert given(db, world.run) == [R, N, None]
    assert counted(db, world.run) == (1, 1, 0, 1)
    assert three in {each.telephone_id for each in members(db, world.run)}


def test_not_received_counts_from_a_day_after_the_end_and_received_at_once(db: Database) -> None:
    world = sent(db, 2)
    one, _ = panel(db, 2)
    for ago in (-1, 0, DAY_MS - 60_000):
        ended(db, world.run, ago)
        with pytest.raises(Conflict, match="may still arrive"):
            answer(db, world.run, one, N)
    db.write(lambda c: c.execute(update(runs).values(ended_at=None, state="running")))
    with pytest.raises(Conflict, match="may still arrive"):
        answer(db, world.run, one, N)
    answer(db, world.run, one, R)
    assert counted(db, world.run) == (1, 0, 0, 1)


def test_nothing_is_answered_before_the_start_or_before_the_text_is_sent(db: Database) -> None:
    world = build(db, 2)
    (telephone,) = panel(db, 1)
    for ago in (-60_000, 60_000):  # in the future by the database's clock, then begun and only queued
        started(world, ago)
        world.fan_out()
        with pytest.raises(Conflict, match="not been sent to this telephone"):
            answer(db, world.run, telephone, R)
    assert db.read(lambda c: c.execute(select(panel_answers)).all()) == []


def test_a_telephone_of_another_campaign_cannot_answer(db: Database) -> None:
    world = sent(db, 2)
    stranger = add(db, FIRST_PHONE + 70)
    with pytest.raises(Conflict, match="not been sent to this telephone"):
        answer(db, world.run, stranger, R)


def test_the_silent_are_asked_once_and_only_when_nothing_can_come(db: Database) -> None:
    world = sent(db, 3)
    one, *_ = panel(db, 3)
    ended(db, world.run, 60_000)
    with pytest.raises(Conflict, match="Texts may still arrive"):
        carry_out(db, "ask_run_panel", run_id=world.run)
    ended(db, world.run)
    answer(db, world.run, one, R)
    asked = carry_out(db, "ask_run_panel", run_id=world.run)
    assert (asked.asked, asked.before) == (2, 0)
    again = carry_out(db, "ask_run_panel", run_id=world.run)
    assert (again.asked, again.before) == (0, 2)
    assert [each.asked_at is None for each in members(db, world.run)] == [True, False, False]
    assert counted(db, world.run) == (1, 0, 0, 2)


# ---- By SMS


def write(world: World, text: str, phone: int = FIRST_PHONE, **more: Any) -> None:
    message = InboundMessage(str(phone), "8088", text, 0, text.encode(), **more)
    world.db.write(keep, world.ledger, [IncomingMessage(world.link, message, f"{text[:8]}-{clock.now_ms()}")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DA NHAN", R),
        ("  Đã nhận.", R),
        ("da nhan!", R),
        ("CHUA NHAN", N),
        ("Chưa nhận", N),
        ("TAT MAY", OFF),
        ("toi da nhan duoc tin roi", None),  # other words are no answer
        ("LD 0912345678 gia danh cong an", None),
        ("", None),
        ("KHONG NHAN", None),  # an opt-out
    ],
)
def test_an_sms_from_a_test_telephone_is_an_answer_if_it_has_the_words_alone(
    db: Database, text: str, said: Answer | None
) -> None:
    world = sent(db, 2)
    panel(db, 2)
    write(world, text)
    assert given(db, world.run) == [said, None]
    opted_out = db.read(lambda c: c.execute(select(do_not_send)).all())
    assert len(opted_out) == (text == "KHONG NHAN")


def test_an_sms_of_a_stranger_before_the_start_or_long_after_is_no_answer(db: Database) -> None:
    world = sent(db, 2)
    panel(db, 1)
    write(world, "DA NHAN", FIRST_PHONE + 1)  # in the list, not in the panel
    write(world, "DA NHAN", FIRST_PHONE + 77)
    for ago in (-3_600_000, 15 * DAY_MS):
        started(world, ago)
        db.write(lambda c: c.execute(update(panel_telephones).values(added_at=0)))
        write(world, "DA NHAN")
    assert db.read(lambda c: c.execute(select(panel_answers)).all()) == []


def test_an_sms_that_could_mean_two_campaigns_answers_none(db: Database) -> None:
    world = sent(db, 1)
    add(db, FIRST_PHONE, "vnpt")
    other = held(db)  # another campaign, of a base that the telephone is of
    write(world, "DA NHAN")
    assert given(db, world.run) == given(db, other) == [None]


# ---- Removal, erasure, retention


def test_a_removed_number_is_gone_and_its_answer_is_still_counted(db: Database) -> None:
    world = sent(db, 3)
    one, two, _ = panel(db, 3)
    answer(db, world.run, one, N)
    carry_out(db, "remove_panel_telephone", telephone_id=one)
    carry_out(db, "remove_panel_telephone", telephone_id=two)
    assert counted(db, world.run) == (0, 1, 0, 1)
    phones = db.read(lambda c: c.execute(select(panel_telephones.c.phone)).scalars().all())
    assert phones == [FIRST_PHONE + 2]
    with pytest.raises(NotFound):
        carry_out(db, "remove_panel_telephone", telephone_id=one)
    details = db.read(lambda c: c.execute(select(audit.c.subject, audit.c.detail)).all())
    assert str(FIRST_PHONE)[-9:] not in str(details)


def test_who_took_part_is_forgotten_with_the_retention_and_the_judgement_stays(db: Database) -> None:
    world, other = sent(db, 5), held(db)
    for one in panel(db, 5):
        answer(db, world.run, one, N) if one % 5 else None
    (own,) = panel(db, 1, "vnpt", FIRST_PHONE + 60)
    answer(db, other, own, R)
    before = [counted(db, run) for run in (world.run, other)]
    judged = db.read(panel_judgements.of_campaign, world.campaign)
    db.write(answers.forget_old, 30)
    assert all(row.telephone_id for row in db.read(lambda c: c.execute(select(panel_answers)).all()))
    for run_id in (world.run, other):
        ended(db, run_id, 31 * DAY_MS)
        values = {"started_at": clock.now_ms() - 32 * DAY_MS}
        db.write(lambda c, v=values, r=run_id: c.execute(update(runs).where(runs.c.id == r).values(v)))
    db.write(lambda c: c.execute(update(panel_telephones).values(added_at=0)))
    for _ in range(2):
        db.write(answers.forget_old, 30)
        rows = db.read(lambda c: c.execute(select(panel_answers)).all())
        assert [row.telephone_id for row in rows] == [None] * 6
        assert [counted(db, run) for run in (world.run, other)] == before
        assert members(db, world.run) == members(db, other) == []
    db.write(lambda c: c.execute(delete(deliveries)))
    assert db.read(panel_judgements.of_campaign, world.campaign) == judged
    with pytest.raises(Conflict, match="not been sent"):
        answer(db, other, own, N)


def test_the_number_is_named_to_whoever_asks_what_is_held_on_it(db: Database) -> None:
    add(db, FIRST_PHONE)
    (found,) = db.read(person_data.held_on, FIRST_PHONE)
    assert (found.kind, found.carrier, found.by) == ("panel", "viettel", "an")


# ---- The claim, and what is made of it


def test_a_claim_of_handsets_is_refuted_by_telephones_that_did_not_get_the_text(db: Database) -> None:
    world = sent(db, 40, delivered=40)
    for place, telephone in enumerate(panel(db, 30)):
        answer(db, world.run, telephone, N if place < 8 else R)
    (found,) = db.read(panel_judgements.of_campaign, world.campaign)
    assert (found.verdict, found.claimed, found.received, found.not_received) == (Verdict.REFUTED, 1.0, 22, 8)
    assert found.sentence == (
        "Refuted: 8 of 30 test telephones did not receive the text. At most 86 % of the messages can have "
        "arrived (95 % level)."
    )
    signs = {each.sign: each for each in db.read(doubts, world.run)}
    assert (signs[Sign.PANEL_REFUTES].messages, signs[Sign.PANEL_REFUTES].of) == (8, 30)


def test_a_claim_that_the_panel_bears_is_not_refuted_and_no_sign(db: Database) -> None:
    world = sent(db, 40, delivered=30)  # it claims 75 %, and no more arrive
    for place, telephone in enumerate(panel(db, 40)):
        answer(db, world.run, telephone, N if place >= 30 else R)
    (found,) = db.read(panel_judgements.of_campaign, world.campaign)
    assert (found.verdict, found.sentence) == (Verdict.NOT_REFUTED, "Not refuted (40 test telephones).")
    assert Sign.PANEL_REFUTES not in {each.sign for each in db.read(doubts, world.run)}


def test_without_an_answer_there_is_no_judgement_and_without_figures_no_claim(db: Database) -> None:
    world, other = sent(db, 3), held(db)
    panel(db, 3)
    assert db.read(panel_judgements.of_campaign, world.campaign) == []
    answer(db, other, add(db, FIRST_PHONE + 60, "vnpt"), R)
    campaign = db.read(lambda c: c.execute(select(runs.c.campaign_id).where(runs.c.id == other)).scalar_one())
    (found,) = db.read(panel_judgements.of_campaign, campaign)
    assert (found.verdict, found.claimed) == (Verdict.NO_CLAIM, None)
