"""Citizens who write, the office's answer texts, and what is sent to them: for tests of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from app.campaigns import answer_texts, approval, lifecycle
from app.campaigns.answer_texts import AnswerRequest
from app.campaigns.quiet_hours import DayHours
from app.core.answer_kinds import AnswerKind
from app.core.reply_settings import ReplySettings
from app.core.states import LinkState
from app.database.connection import Database
from app.database.models import answers as decided
from app.database.models import inbound_messages
from app.dispatch import run_content
from app.dispatch.run_content import ClaimedChunk
from app.observability.metrics import Metrics
from app.runtime.answer_job import AnswerJob
from app.security import Caller
from tests.app.world import World, accepted, aside

HOURS = DayHours("07:00", "21:00")
CHIEF = Caller("chief", "approver")
TEXTS = {
    AnswerKind.OPT_OUT: "So cua Ong/Ba da duoc dua vao danh sach tu choi nhan tin.",
    AnswerKind.REPORT: "Cam on Ong/Ba, Cong an da nhan duoc tin bao.",
    AnswerKind.OTHER: "Day la so tra loi tu dong; can gap Cong an, goi 113.",
    AnswerKind.GENUINE: "Noi dung nay dung la cua Cong an tinh.",
    AnswerKind.WITHDRAWN: "Tin nay da dung gui, dung lam theo.",
    AnswerKind.INCOMPLETE: "Chi co mot phan cua tin; hay gui lai ca tin.",
    AnswerKind.ALTERED: "Canh bao: noi dung da bi sua, co the la tin gia.",
    AnswerKind.UNKNOWN: "Khong co noi dung nay; hay hoi Cong an noi gan nhat.",
}


def enter(connection: Connection, kind: AnswerKind, budget: int | None = None) -> int:
    """An answer text that was submitted by its author, and that nobody has approved yet."""
    hours = {"day_starts": "00:00", "day_ends": "24:00"}
    wanted = AnswerRequest(kind, "CA SON LA", TEXTS[kind], budget_segments=budget, **hours)
    made = answer_texts.create(connection, wanted, HOURS, "author")
    lifecycle.submit(connection, made, "author")
    return made


def approved(db: Database, *kinds: AnswerKind, budget: int | None = None) -> list[int]:
    """Answer texts of these kinds in use."""

    def work(connection: Connection) -> list[int]:
        made = [enter(connection, kind, budget) for kind in kinds]
        for each in made:
            approval.approve(connection, each, CHIEF, reason="they write at any hour", acknowledged=True)
        return made

    return db.write(work)


def job(world: World, **settings: Any) -> AnswerJob:
    return AnswerJob(world.db, world.ledger, ReplySettings(**settings), aside(world.db), Metrics())


async def answer(of: AnswerJob) -> None:
    """Decide on all that has come."""
    while await of.step():
        pass


def claimed(world: World) -> ClaimedChunk | None:
    found = world.db.write(run_content.claim, world.ledger, world.link, "link-1", 30.0)
    return None if isinstance(found, LinkState) else found


def send(world: World) -> list[tuple[int, str]]:
    """Send all that is queued; each number with the text that it got."""
    got: list[tuple[int, str]] = []
    while (chunk := claimed(world)) is not None:
        lease = chunk.lease
        got += [(each.phone, chunk.content.text(each.area)) for each in lease.items]
        outcomes = accepted(list(lease.items), f"r{lease.campaign_id}-")
        world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        world.db.write(world.ledger.release, lease, 0.0)
    return got


def decisions(db: Database) -> list[tuple[str, str | None]]:
    """Kind and reason of each decision, in the order in which the messages came."""
    query = select(decided.c.kind, decided.c.why).order_by(decided.c.inbound_id)
    return [tuple(row) for row in db.read(lambda c: c.execute(query).all())]


def age(db: Database, ms: int, only: Sequence[int] = ()) -> None:
    """Move the coming of messages (all, or these) back."""
    m = inbound_messages.c
    moved = update(inbound_messages).values(received_at=m.received_at - ms)
    db.write(lambda c: c.execute(moved.where(m.id.in_(only)) if only else moved))
