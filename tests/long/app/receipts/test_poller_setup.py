"""Asking real counterparts: a worker whose receipts come by questions and by lists of failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, runs, status_queries, unknowns
from app.observability.metrics import Metrics
from app.runtime.worker import Worker
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from carriers.simulators.web import HttpTrouble
from tests.app.dispatch.paper import until
from tests.app.world import World, build

S, U = int(DeliveryState.SUBMITTED), int(DeliveryState.UNKNOWN)
D, R, F = int(DeliveryState.DELIVERED), int(DeliveryState.RELAYED), int(DeliveryState.UNDELIVERED)
LONG = "Canh giac lua dao, khong chuyen tien cho nguoi la. " * 7  # three parts
QUICK = {"segments_per_second": 5000, "poll_after_s": 0.2, "queries_per_second": 500}


def vnpt_link(carrier: Vnpt, **more: object) -> LinkSettings:
    own: dict[str, object] = {"carrier": "viettel", "kind": "vnpt", "base_url": carrier.url, "password": "p"}
    own |= {"user": "u", "portal_user": "SONLA_CA", "agent_id": "999", "contract_id": "70001"}
    own |= {"label_id": "900101", "label": "CA SONLA", "traffic": "cskh", "templates": {"800123": "{D,1000}"}}
    own |= {"per_submit": 10, "answer_timeout_s": 1.5, "read_pause_s": 0.01}
    return LinkSettings.model_validate(QUICK | own | more)


def smpp_link(centre: Smsc, **more: object) -> LinkSettings:
    own: dict[str, object] = {"carrier": "viettel", "host": "127.0.0.1", "port": centre.port}
    own |= {"system_id": "loa", "password": "loa", "window": 50, "receipt_level": "handset"}
    return LinkSettings.model_validate(QUICK | own | more)


def viettel_link(carrier: Viettel, **more: object) -> LinkSettings:
    own: dict[str, object] = {"carrier": "viettel", "kind": "viettel", "base_url": carrier.url}
    own |= {"user": "u", "password": "p", "cp_code": "SLA_CA", "answer_timeout_s": 1.5, "read_pause_s": 0.01}
    kept = {key: value for key, value in QUICK.items() if key != "queries_per_second"}
    return LinkSettings.model_validate(kept | own | more)


@asynccontextmanager
async def working(world: World, **links: LinkSettings) -> AsyncIterator[Worker]:
    worker = Worker(world.db, world.ledger, Settings(links=links, lease_seconds=2), Metrics())
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 20)


def total(db: Database, table: object) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))  # type: ignore[arg-type]


@pytest.mark.prove
async def test_lists_that_vnpt_took_without_an_answer_are_settled_by_asking(db: Database) -> None:
    world = build(db, 60, chunk=30)
    async with Vnpt(VnptBehaviour(next_troubles="hang=2,cut=1", stage_s=0.1)) as vnpt:
        async with working(world, vnpt=vnpt_link(vnpt)):
            # Customer care traffic ends at SENT: the operator has it, and no more is proved.
            await until(lambda: set(world.states()) == {S, R})
        # How many of ten numbers a list has depends on how many were due when it was made.
        assert 3 <= world.states()[R] <= 30
        assert sum(world.states().values()) == 60
        assert {vnpt.copies(phone) for phone in vnpt.numbers()} == {1}
        assert len(list(vnpt.numbers())) == 60
    assert total(db, unknowns) == total(db, status_queries) == 0
    world.check()


@pytest.mark.prove
async def test_with_poll_all_a_run_without_receipts_of_its_own_comes_to_its_end(db: Database) -> None:
    world = build(db, 60, chunk=30)
    behaviour = VnptBehaviour(traffic="2", outcomes="UNDELIV/001=0.2", blocked_hours="", stage_s=0.05)
    async with Vnpt(behaviour) as vnpt:
        qc = vnpt_link(vnpt, traffic="qc", receipt_level="handset", blocked_hours="", poll="all")
        async with working(world, vnpt=qc) as worker:
            state = select(runs.c.state)
            await until(lambda: db.read(lambda c: c.execute(state).scalar_one()) == "finished")
        failed = sum(message.outcome.status == "UNDELIV" for message in vnpt.messages)
    assert 0 < failed < 60
    assert world.states() == {D: 60 - failed, F: failed}
    assert b'loa_questions_total{answer="final",link="vnpt"} 60.0' in worker.metrics.text()
    world.check()


async def test_a_status_service_that_is_away_is_asked_again(db: Database) -> None:
    world = build(db, 10)
    async with Vnpt(VnptBehaviour(next_troubles="hang=1")) as vnpt:
        async with working(world, vnpt=vnpt_link(vnpt, poll_after_s=1.0, read_tries=1)):
            await until(lambda: world.states() == {U: 10})
            vnpt.change(trouble_on="others")
            vnpt.next(HttpTrouble.ERROR_502, 15)
            await until(lambda: world.states() == {R: 10})
        assert {vnpt.copies(phone) for phone in vnpt.numbers()} == {1}
    world.check()


async def test_a_message_centre_is_asked_for_each_part_by_query_sm(db: Database) -> None:
    world = build(db, 20)
    world.rewrite(texts={"": LONG})
    async with Smsc(SmscBehaviour(unreported=1.0)) as centre:
        async with working(world, viettel=smpp_link(centre, poll="all")):
            await until(lambda: world.states() == {D: 20})
        assert centre.report()["queries"] == 60
        assert centre.report()["receipts_sent"] == 0
        assert centre.report()["copies_max"] == 1
    world.check()


async def test_parts_whose_answers_came_are_asked_about_and_the_rest_stays_unknown(db: Database) -> None:
    world = build(db, 20)
    world.rewrite(texts={"": LONG})
    async with Smsc(SmscBehaviour(unreported=1.0, unanswered=0.2)) as centre:
        async with working(world, viettel=smpp_link(centre, response_timeout_s=0.5)):
            await until(lambda: S in world.states() and world.states().get(DeliveryState.QUEUED) is None)
            known = select(func.count()).where(deliveries.c.state == U, deliveries.c.delivered > 0)
            await until(lambda: db.read(lambda c: c.execute(known).scalar_one()) > 0)
        assert centre.report()["copies_max"] == 1
    assert set(world.states()) <= {S, U}
    world.check()


async def test_the_subscribers_on_viettels_list_have_failed_and_nobody_else_is_told_of(db: Database) -> None:
    world = build(db, 40)
    db.write(lambda c: c.execute(update(runs).values(started_at=clock.now_ms())))
    async with Viettel(ViettelBehaviour(outcomes="UNDELIV/001=0.3", next_troubles="hang=1")) as viettel:
        async with working(world, viettel=viettel_link(viettel, per_submit=10)):
            await until(lambda: world.states() == {S: 30, U: 10})
        failed = sum(message.outcome.status == "UNDELIV" for message in viettel.messages)
        async with working(world, viettel=viettel_link(viettel, reconcile=True)):
            await until(lambda: world.states().get(F) == failed)
        assert {viettel.copies(phone) for phone in viettel.numbers()} == {1}
    # The list says nothing good of anybody: those it leaves out stay as they were.
    assert world.states().get(S, 0) + world.states().get(U, 0) == 40 - failed
    assert total(db, status_queries) == 0
    world.check()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"reconcile": True}, "Link one: reconcile is on, but links of kind smpp have no list of"),
        (
            {"poll": "all", "kind": "viettel"},
            "Link one: poll is 'all', but links of kind viettel cannot be asked",
        ),
    ],
)
async def test_settings_that_want_what_a_link_can_not_do_are_refused_in_words(
    db: Database, settings: dict[str, object], sentence: str
) -> None:
    world = build(db, 1)
    async with Smsc() as centre, Viettel() as viettel:
        link = viettel_link(viettel, **settings) if "kind" in settings else smpp_link(centre, **settings)
        worker = Worker(db, world.ledger, Settings(links={"one": link}), Metrics())
        with pytest.raises(SetupError, match=sentence):
            await worker.run()
