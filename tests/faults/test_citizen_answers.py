"""Citizens write and are answered: at the message centre, with pace, under kill -9, and after a restore.

As somebody reads it: each message that the centre was told is kept gets its answer, and no number gets two
copies of one, however often Loa is killed; what a killed process may have sent is unknown, and never sent
again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, update

from app.core.answer_kinds import AnswerKind
from app.core.reply_settings import ReplySettings
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import answers, campaigns, deliveries, inbound_messages, runs
from app.dispatch import restore_recovery
from app.ledger import restore_acknowledgement
from app.ledger.factory import ledger_for
from app.reports.verification.verify import verify
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.runtime.citizens import TEXTS, approved
from tests.app.world import World, build
from tests.engines import each_engine, other_by_hand
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View
from tests.faults.working import until, working

database_url = each_engine
FIRST = 84_912_100_000
COUNT, KILLS = 240, 4
FORGED = "id:77 sub:001 dlvrd:001 submit date:2611280800 done date:2611280801 stat:DELIVRD err:000 text:a"


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc(SmscBehaviour(receipt_delay_s=0.2)) as found:
        yield found


def idle(db: Database) -> World:
    """A link, and a campaign that has nothing to send."""
    world = build(db, 1)
    over = update(runs).values(state=RunState.FINISHED.value, ended_at=1, finished_at=1)
    db.write(lambda c: c.execute(over))
    return world


def number(smsc: Smsc) -> float:
    return smsc.report()["inbound_acknowledged"]


def answered(view: View) -> int:
    return int(view.rows(select(func.count()).where(answers.c.why.is_(None)))[0][0])


@pytest.mark.prove
@other_by_hand
async def test_citizens_are_answered_over_the_link_that_brought_what_they_wrote(
    db: Database, smsc: Smsc
) -> None:
    world = idle(db)
    approved(db, *TEXTS)
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: smsc.binds() > 0, "the link is up")
        smsc.write(str(FIRST), "8088", "Từ chối")
        smsc.write(str(FIRST + 1), "8088", "LD 0912345678 giả danh công an")
        smsc.write(str(FIRST + 2), "8088", "KT Ban da trung thuong mot chiec xe may")
        smsc.write(str(FIRST + 3), "8088", FORGED)
        await until(lambda: smsc.taken() >= 3, "they are answered")
        smsc.write(str(FIRST + 4), "8088", "Alo")
        await until(lambda: smsc.taken() >= 4, "one more is answered")
        delivered = select(func.count()).where(deliveries.c.state == DeliveryState.DELIVERED)
        await until(lambda: db.read(lambda c: c.execute(delivered).scalar_one()) >= 4, "receipts come")
    assert {int(each) for each in smsc.numbers()} == {FIRST, FIRST + 1, FIRST + 2, FIRST + 4}
    assert smsc.report()["copies_max"] == 1
    text = select(campaigns.c.id).where(campaigns.c.answers_of.is_not(None))
    for own in db.read(lambda c: c.execute(text).scalars().all()):
        assert verify(db, world.ledger, own) == []  # by `loa verify`


@pytest.mark.prove
@other_by_hand
async def test_two_machines_that_answer_one_another_end(db: Database, smsc: Smsc) -> None:
    """Each answer at the centre brings a message back from the same number: three answers, and no more."""
    world = idle(db)
    approved(db, AnswerKind.OTHER)
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: smsc.binds() > 0, "the link is up")
        smsc.write(str(FIRST), "8088", "Tin tu dong so 0")
        kept = select(func.count()).select_from(inbound_messages)
        decided = select(func.count()).select_from(answers)
        for n in range(1, 6):
            await until(
                lambda n=n: db.read(lambda c: c.execute(decided).scalar_one()) >= n, "it is decided on"
            )
            await until(lambda n=n: smsc.taken() >= min(n, 3), "an answer is there")
            smsc.write(str(FIRST), "8088", f"Tin tu dong so {n}")
            await until(lambda n=n: db.read(lambda c: c.execute(kept).scalar_one()) > n, "it writes again")
        await until(lambda: db.read(lambda c: c.execute(decided).scalar_one()) == 6, "all are decided on")
    assert smsc.taken() == 3


@pytest.mark.prove
@other_by_hand
async def test_answers_keep_their_own_pace(db: Database, smsc: Smsc) -> None:
    """A hundred who write at once are answered at the run's rate, not at that of the link."""
    world = idle(db)
    approved(db, AnswerKind.OTHER)
    async with working(world, smsc, segments_per_second=100):
        await until(lambda: smsc.binds() > 0, "the link is up")
        for n in range(40):
            smsc.write(str(FIRST + n), "8088", f"Alo {n}")
        await until(lambda: smsc.taken() >= 1, "the first is answered")
        begun = asyncio.get_running_loop().time()
        await until(lambda: smsc.taken() >= 31, "thirty more are answered", within_s=60)
        taken_s = asyncio.get_running_loop().time() - begun
    own = max(ReplySettings().answer_segments_per_second, 10)  # a tenth of the link's rate is the least
    assert taken_s >= 30 / own * 0.6


@other_by_hand
async def test_answers_end_with_the_budget_that_was_approved_with_their_text(
    db: Database, smsc: Smsc
) -> None:
    world = idle(db)
    approved(db, AnswerKind.OTHER, budget=2)
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: smsc.binds() > 0, "the link is up")
        for n in range(6):
            smsc.write(str(FIRST + n), "8088", f"Alo {n}")
        state = select(runs.c.suspended).order_by(runs.c.id.desc()).limit(1)
        await until(lambda: db.read(lambda c: c.execute(state).scalar_one()), "the run has paused itself")
    assert smsc.taken() == 2


@other_by_hand
@pytest.mark.slow
async def test_kills_double_no_answer_and_lose_none(home: Home) -> None:
    home.measured = False  # who is killed could not say what it covered
    db = Database(home.url)
    idle(db)
    approved(db, AnswerKind.OTHER, AnswerKind.OPT_OUT)
    db.close()
    chance, view = random.Random(21), View(home.url)
    async with Smsc(SmscBehaviour(receipt_window=300, receipt_delay_s=0.2)) as smsc:
        home.configure(
            {"viettel-1": smpp_link("viettel", smsc.port)},
            "[replies]\nanswer_segments_per_second = 500\n",
            lease_seconds=1,
        )
        for kill in range(KILLS):
            sender = home.sender()
            await home.until(lambda: smsc.binds() > 0, "the link is up")
            for n in range(kill * COUNT // KILLS, (kill + 1) * COUNT // KILLS):
                smsc.write(str(FIRST + n), "8088", "TU CHOI" if n % 3 == 0 else f"Alo {n}")
            share = COUNT // KILLS * (kill + chance.random())
            await home.until(lambda share=share: answered(view) >= share or number(smsc) >= COUNT, "some are")
            await asyncio.sleep(chance.uniform(0, 0.3))
            await sender.kill()
            await until(lambda: smsc.binds() == 0, "the simulator has read what was on the wire")
        last = home.sender()
        await home.until(lambda: smsc.binds() > 0, "the link is up")
        await home.until(lambda: number(smsc) >= COUNT, "all are acknowledged")
        await home.until(lambda: answered(view) == COUNT, "each has one answer")
        open_ = (DeliveryState.QUEUED,)
        await home.until(lambda: not (set(view.states()) & set(open_)), "all are sent, or unknown")
        assert await last.stop() == 0
        seen = smsc.report()
        copies, numbers = seen["copies_max"], {int(each) for each in smsc.numbers()}
    unknown = view.phones(DeliveryState.UNKNOWN)
    assert copies == 1
    assert numbers | unknown >= {FIRST + n for n in range(COUNT)}
    first = select(inbound_messages.c.phone).where(inbound_messages.c.repeat_of.is_(None))
    assert len({row[0] for row in view.rows(first)}) == COUNT


@pytest.mark.prove
@other_by_hand
async def test_answers_of_a_restored_database_are_not_sent_again(db: Database, smsc: Smsc) -> None:
    """What came before the backup and was answered after it: the restored database does not know it."""
    world = idle(db)
    approved(db, AnswerKind.OTHER)
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: smsc.binds() > 0, "the link is up")
        smsc.write(str(FIRST), "8088", "Alo")
        await until(lambda: smsc.taken() == 1, "it is answered")

    db.write(lambda c: c.execute(answers.delete()))  # the backup was made before the answer
    restore_recovery.mark_live_runs_unknown(db, ledger_for(db), "root")
    assert db.write(restore_acknowledgement.enter, "root")
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: smsc.binds() > 0, "the link is up")
        smsc.write(str(FIRST + 1), "8088", "Alo")
        await until(lambda: smsc.taken() == 2, "the next is answered")
    assert smsc.report()["copies_max"] == 1
    why = select(answers.c.why).order_by(answers.c.inbound_id)
    assert db.read(lambda c: c.execute(why).scalars().all()) == ["restored", None]
    made = select(func.count()).where(campaigns.c.answers_of.is_not(None))
    assert db.read(lambda c: c.execute(made).scalar_one()) == 2  # names of messages are never used twice
