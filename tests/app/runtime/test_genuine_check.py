"""The genuine check by SMS: the answer tells what the text is, and repeats none of the citizen's words."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.core.answer_kinds import AnswerKind
from app.database.connection import Database
from app.database.models import runs
from carriers.inbound import MessagePart
from tests.app.inbound.test_inbound_writer import PHONE, message, write
from tests.app.runtime.citizens import TEXTS, age, answer, approved, decisions, job, send
from tests.app.world import World, build
from tests.engines import each_engine, other_by_hand
from tests.sampled import each_third

database_url = each_engine
OTHERS = "84912345602"


@pytest.fixture
def world(db: Database) -> World:
    """A campaign that has nothing more to send, and its link."""
    found = build(db, 1)
    found.fan_out()
    send(found)
    return found


@pytest.fixture
def sent(world: World) -> World:
    """The campaign's text has gone out, which ten words are."""
    long = "Cong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien"
    world.rewrite(texts={"": long})
    started = update(runs).values(started_at=runs.c.created_at)
    world.db.write(lambda c: c.execute(started))
    approved(world.db, *TEXTS)
    return world


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize(
    ("asked", "kind"),
    each_third(
        [
            ("KT Cong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien", "genuine"),
            (
                "Kiểm tra: Cong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien",
                "genuine",
            ),
            ("kt ke gian gia danh cong an goi dien yeu cau chuyen tien", "incomplete"),
            (
                "KT Cong an tinh canh bao ke gian gia danh cong an goi dien bam vao http://x.vn yeu cau",
                "altered",
            ),
            ("KT Ban da trung thuong mot xe may, hay goi ngay so nay de nhan", "unknown"),
            ("KT", "other"),
            ("KTX o dau", "other"),
            ("KTX cua toi o dau, co ai biet khong, xin chi giup", "other"),
            ("KTCong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien", "genuine"),
            ("kiemtraCong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien", "genuine"),
            ("KTCong an tinh canh bao ke gian gia danh cong an goi dien yeu cau nap tien ngay", "altered"),
            ("KT Cong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen ti", "incomplete"),
            ("KTCong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen ti", "incomplete"),
        ]
    ),
)
async def test_a_citizen_is_told_what_the_text_is(sent: World, asked: str, kind: str) -> None:
    write(sent, message(asked))
    await answer(job(sent))
    assert send(sent) == [(int(PHONE), TEXTS[AnswerKind(kind)])]


LONG = "KT Cong an tinh canh bao ke gian gia danh cong an goi dien yeu cau chuyen tien"


@other_by_hand
@pytest.mark.longer
async def test_the_parts_of_a_long_question_are_joined_and_get_one_answer(sent: World) -> None:
    at_work = job(sent)
    write(sent, message(LONG[40:], part=MessagePart(7, 2, 2)))
    await answer(at_work)
    assert send(sent) == []
    write(sent, message(LONG[:40], part=MessagePart(7, 1, 2)), name="b")
    await answer(at_work)
    assert send(sent) == [(int(PHONE), TEXTS[AnswerKind.GENUINE])]
    await answer(at_work)
    assert decisions(sent.db) == [("genuine", "part"), ("genuine", None)]


@pytest.mark.longer
async def test_a_long_question_of_which_a_part_never_comes_is_called_incomplete(sent: World) -> None:
    at_work = job(sent)
    write(
        sent, message(LONG[:40], part=MessagePart(7, 1, 2)), message("Alo", OTHERS, part=MessagePart(8, 2, 2))
    )
    await answer(at_work)
    assert send(sent) == []
    age(sent.db, 400_000)
    await answer(job(sent))
    assert send(sent) == [(int(PHONE), TEXTS[AnswerKind.INCOMPLETE])]
    assert decisions(sent.db) == [("incomplete", None), ("other", "part")]
