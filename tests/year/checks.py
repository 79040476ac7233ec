"""What must hold after each round: nothing due is undone, no run is open, no number was sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, Table, create_engine, func, select

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import ChunkState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import (
    batches,
    chunks,
    deliveries,
    erasures,
    faults,
    idempotency_keys,
    notices,
    quarantine,
    runs,
)
from app.dispatch import run_sweeps
from app.dispatch import run_sweeps as sweeps
from app.ledger import erasure
from app.ledger.engines.postgresql import PostgresqlEngine
from app.ledger.engines.sqlite import SqliteEngine
from app.ledger.ledger import Ledger
from app.privacy.erasable import RetentionTerms
from app.privacy.retention_due import due
from tests.year.life import Year

RECEIPT_DAYS = 5
MONTHS = 24
_GRACE_MS = 10_000  # a sweep that looks each five seconds may just be about to
_D = DeliveryState
_TAKEN = (_D.SUBMITTED, _D.RELAYED, _D.DELIVERED, _D.UNDELIVERED, _D.EXPIRED)
_OPEN = (RunState.RUNNING.value, RunState.CANCELLING.value)


async def calm(year: Year) -> None:
    """Until every run is as it is to be and nothing is due; what is not says so in the failure."""
    engine = create_engine(year.home.url, poolclass=NullPool)
    left: list[str] = []

    def rests() -> bool:
        left[:] = _unrest(year, engine)
        return not left

    try:
        await year.until(rests, "the round comes to rest")
    except AssertionError as error:
        raise AssertionError(f"{left[:20]}\n{error}") from None
    finally:
        engine.dispose()


def _unrest(year: Year, engine: Engine) -> list[str]:
    states = year.run_states()
    found = [
        f"run {run} is {states.get(run)}" for run, wanted in year.expected.items() if states[run] != wanted
    ]
    found += ["receipts are outstanding"] * bool(year.carriers.outstanding())
    if found:
        return found
    ledger = Ledger(SqliteEngine() if year.home.sqlite else PostgresqlEngine(), 100)
    with engine.connect() as connection:
        return undone(connection, ledger, year.plan.retention_days)


def undone(connection: Connection, ledger: Ledger, retention_days: int) -> list[str]:
    """What is due and not done; asked while Loa works, or time alone would make something due."""
    return list(_undone(connection, ledger, retention_days))


def _undone(connection: Connection, ledger: Ledger, retention_days: int) -> Iterator[str]:
    now = ledger.now_ms(connection)
    patience = RECEIPT_DAYS * DAY_MS
    yield from (
        f"run {step.run_id} is to be {step.new}" for step in sweeps.due_steps(connection, ledger, patience)
    )
    yield from (f"run {run} is to be closed" for run in run_sweeps.to_close(connection, ledger))
    if next_one := sweeps.next_due(connection):
        yield f"batch {next_one.batch_id} is to be queued"
    if ledger.to_fold(connection):
        yield "tallies are to be folded"
    if subject := due(connection, RetentionTerms(retention_days, MONTHS), clock.now_ms()):
        yield f"{subject.kind} {subject.id} is to be erased"
    for what, table, where in _rows_due(now):
        if n := connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one():
            yield f"{n} {what}"


def _rows_due(now: int) -> list[tuple[str, Table, tuple[Any, ...]]]:
    late = now - _GRACE_MS
    return [
        ("erasures are not at their end", erasures, (erasures.c.ended_at.is_(None),)),
        ("receipts in quarantine are to be looked at", quarantine, (quarantine.c.try_at <= late,)),
        ("leases have run out", chunks, (chunks.c.state == ChunkState.LEASED, chunks.c.lease_until <= late)),
        ("notices are due", notices, (notices.c.state == "waiting", notices.c.due_at <= late)),
        ("answers are to be forgotten", idempotency_keys, (idempotency_keys.c.at <= late - DAY_MS,)),
        ("imports have lost their holder", batches, (batches.c.state == "importing",)),
        ("faults were noted", faults, (faults.c.red_until > now,)),
        ("runs are open", runs, (runs.c.state.in_(_OPEN),)),
    ]


async def at_rest(year: Year) -> None:
    """With nobody at work: both recounts are clean, and ledger and carriers agree on every number."""
    for words in (["verify"], ["audit", "verify"]):
        await year.home.command(*words)
    copies = year.carriers.copies()
    twice = {key: n for key, n in copies.items() if n > 1}
    assert not twice, f"sent more than once for one campaign: {list(twice.items())[:5]}"
    db = Database(year.home.url)
    try:
        for mark, campaign in year.marks.items():
            db.read(_agree, year, mark, campaign)
    finally:
        db.close()


def _agree(connection: Connection, year: Year, mark: str, campaign: int) -> None:
    """What the ledger holds for sent is what the carriers took; nothing is unknown that they have."""
    if erasure.of_campaign(connection, campaign):
        left = select(func.count()).where(deliveries.c.campaign_id == campaign)
        assert connection.execute(left).scalar_one() == 0, (
            f"campaign {campaign} is erased, and has deliveries"
        )
        return
    query = select(deliveries.c.phone, deliveries.c.state).where(deliveries.c.campaign_id == campaign)
    states = {phone: state for phone, state in connection.execute(query)}  # noqa: C416 - rows are no pairs to dict
    sure = {phone for phone, state in states.items() if state in _TAKEN}
    took = year.took(mark)
    assert sure == took, (mark, len(sure - took), len(took - sure), sorted(sure ^ took)[:3])
