"""The same operations over today's ledger and over packed journals, each in its own process and database."""

from __future__ import annotations

import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, insert, select, text, update

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, links, receipts, submissions, tallies
from app.ledger.contract import Arrival, DeliveryToSend, Link, Reservation, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus
from tests.app.world import FIRST_PHONE, World
from tests.bench.machinery import fresh_url, now, server_cpu_s
from tests.bench.packed.layout import chunks, lines, metadata
from tests.bench.packed.packed_ledger import PackedLease, PackedLedger, place
from tests.bench.path_bench import GROUP, queued

HALF, CHUNK = 100, 1000
_PERSONS = 21
_ERASED = 20  # chunks in one transaction
_LEASE_S = 60.0
_NO_LIMIT = 1_000_000.0
_AREAS = ("03646", "03664", "     ")

T = TypeVar("T")
Receive = Callable[[list[Arrival]], object]
Give = Callable[[Iterable[DeliveryToSend]], None]


def packed(engine: str, count: int) -> dict[str, dict[str, float]]:
    """Figures of "today", of "packed", of "restart" (all waits for receipts), and of the bare disk."""
    found = {
        "today": _in_children(engine, count, "today"),
        "packed": _in_children(engine, count, "packed"),
        "restart": _in_children(engine, count, "sent", "restart"),
    }
    commits = count / HALF + count / CHUNK + count / GROUP
    for kind in ("today", "packed"):
        size = round(found[kind]["bytes_per_message"] * count / commits)
        found[kind]["synced_messages_per_second"] = count / _synced_s(size, round(commits))
    return found


def _in_children(engine: str, count: int, *kinds: str) -> dict[str, float]:
    """The figures of the last of these, each of which is a process on the same database."""
    with fresh_url(engine) as url:
        for kind in kinds:
            child = [sys.executable, "-m", "tests.bench.packed.measure", kind, url, str(count)]
            done = subprocess.run(child, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _synced_s(size: int, commits: int) -> float:
    """Seconds for so many synced writes of so many bytes to a file: a hundredth of them is tried."""
    tried = max(20, commits // 100)
    with tempfile.NamedTemporaryFile(prefix="loa-bench-") as file:
        some, started = os.urandom(size), now()
        for _ in range(tried):
            file.write(some)
            file.flush()
            os.fsync(file.fileno())
        return (now() - started) * commits / tried


# ---- what both are fed with ------------------------------------------------------------------------------


def reference(seq: int) -> str:
    """An id as a message centre gives it: of no order."""
    return blake2b(seq.to_bytes(8), digest_size=8).hexdigest()


def _answers(some: Iterable[DeliveryToSend]) -> list[SubmitOutcome]:
    return [SubmitOutcome(item, Accepted((reference(item.seq),))) for item in some]


def _arrivals(link: Link, some: Iterable[DeliveryToSend]) -> list[Arrival]:
    dates = "submit date:2402090700 done date:2402090701"
    status, level = ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET
    return [
        Arrival(
            link, Receipt(ref, str(item.phone), status, level, raw=f"id:{ref} {dates} stat:DELIVRD err:000")
        )
        for item in some
        for ref in [reference(item.seq)]
    ]


def _beside(submit: Callable[[Give], None], receive: Receive, link: Link) -> None:
    """Submit in this thread; receipts come group by group in another one, as they do from a carrier."""
    waiting: queue.Queue[list[Arrival] | None] = queue.Queue(maxsize=50)

    def give(items: Iterable[DeliveryToSend]) -> None:
        given = list(items)
        for start in range(0, len(given), GROUP):
            waiting.put(_arrivals(link, given[start : start + GROUP]))

    def take() -> None:
        while (group := waiting.get()) is not None:
            receive(group)

    taker = threading.Thread(target=take)
    taker.start()
    submit(give)
    waiting.put(None)
    taker.join()


# ---- figures ---------------------------------------------------------------------------------------------


class Costs:
    """Seconds, CPU and bytes of what is done between its making and `figures`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._began = now(), time.process_time() + server_cpu_s(), self._bytes()

    def figures(self, count: int) -> dict[str, float]:
        started, cpu, size = self._began
        ended = now()
        return {
            "messages_per_second": count / (ended - started),
            "cpu_s_per_1000": (time.process_time() + server_cpu_s() - cpu) * 1000 / count,
            "bytes_per_message": (self._bytes() - size) / count,
        }

    def _bytes(self) -> int:
        if not self._db.sqlite:
            asked = text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
            return int(self._db.read(lambda c: c.execute(asked).scalar_one()))
        written = Path("/proc/self/io").read_text().splitlines()
        return int(next(line.split()[1] for line in written if line.startswith("write_bytes")))


def _s(work: Callable[[], T]) -> tuple[float, T]:
    started = now()
    done = work()
    return now() - started, done


def _ms(work: Callable[[], object]) -> float:
    return 1000 * _s(work)[0]


def resident_mb() -> float:
    """What this process has resident now."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmRSS"))) / 1024


def _check(right: bool, sentence: str) -> None:
    if not right:
        raise SystemExit(sentence)


# ---- today's ledger --------------------------------------------------------------------------------------


def today(db: Database, count: int) -> dict[str, float]:
    world = queued(db, count)
    db.write(lambda c: c.execute(update(links).values(segments_per_second=_NO_LIMIT)))
    costs = Costs(db)
    _beside(
        lambda give: _submit_today(world, give), lambda some: db.write(world.ledger.apply, some), world.link
    )
    found = costs.figures(count)
    states = select(tallies.c.state, tallies.c.n)
    found["tally_ms"] = _ms(lambda: db.read(lambda c: c.execute(states).all()))
    found["person_ms"] = statistics.median(_ms(lambda n=n: _person_today(db, n)) for n in _some(count))  # type: ignore[misc]
    report_s, rows = _s(lambda: db.read(world.ledger.recount, world.campaign))
    _check({row.state for row in rows} == {int(DeliveryState.DELIVERED)}, f"Not all was delivered: {rows}")
    verify_s, wrong = _s(lambda: verify(db, world.ledger))
    _check(not wrong, f"The rows disagree: {wrong[:3]}")
    erase_s, _ = _s(lambda: _erase_today(world))
    return found | {"report_s": report_s, "verify_s": verify_s, "erase_s": erase_s}


def _submit_today(world: World, give: Give) -> None:
    db, ledger = world.db, world.ledger
    while lease := db.write(ledger.claim, world.link, [world.run], "bench", _LEASE_S):
        outcomes: list[SubmitOutcome] = []
        for start in range(0, len(lease.items), HALF):
            half = lease.items[start : start + HALF]
            intention = Reservation(half[-1].seq, len(half))
            db.write(ledger.record, world.link, lease, outcomes, intention, _LEASE_S)
            outcomes = _answers(half)
        db.write(ledger.record, world.link, lease, outcomes, None, _LEASE_S)
        db.write(ledger.release, lease, 0.0)
        give(lease.items)


def _person_today(db: Database, nth: int) -> None:
    def work(c: Connection) -> None:
        d, found = deliveries.c, 0
        keys = c.execute(
            select(d.batch_id, d.seq).where(d.campaign_id == 1, d.phone == FIRST_PHONE + nth)
        ).one()
        for table in (submissions, receipts):
            mine = (table.c.campaign_id == 1, table.c.batch_id == keys.batch_id, table.c.seq == keys.seq)
            found += len(c.execute(select(table).where(*mine)).all())
        _check(found == 2, f"{found} things were said of a person, not 2.")

    db.read(work)


def _erase_today(world: World) -> None:
    while world.db.write(world.ledger.erase, world.campaign, _ERASED):
        pass


def _some(count: int) -> list[int]:
    """Persons here and there."""
    return [n * (count - 1) // (_PERSONS - 1) for n in range(_PERSONS)]


# ---- packed journals -------------------------------------------------------------------------------------


def filled(db: Database, count: int) -> PackedLedger:
    """So many messages wait, to the same numbers as today's."""
    db.write(metadata.create_all)
    phones = [range(FIRST_PHONE + n, FIRST_PHONE + min(n + CHUNK, count)) for n in range(0, count, CHUNK)]
    for nth, some in enumerate(phones, 1):
        db.write(_chunk, nth, some)
    ledger = PackedLedger(db)
    for nth, some in enumerate(phones, 1):
        db.write(ledger.phones.add, [(phone, place(nth, n)) for n, phone in enumerate(some)])
    return ledger


def _chunk(c: Connection, nth: int, phones: range) -> None:
    start = phones[0] - FIRST_PHONE
    areas = "".join(_AREAS[(start + n) % 3] for n in range(len(phones))).encode()
    c.execute(insert(chunks).values(id=nth, first_seq=start + 2, count=len(phones)))
    c.execute(insert(lines).values(chunk=nth, phones=array("q", phones).tobytes(), areas=areas))


def _submit(ledger: PackedLedger, link: Link, give: Give) -> None:
    while lease := ledger.claim("bench"):
        _send(ledger, link, lease)
        give(lease.items)


def _send(ledger: PackedLedger, link: Link, lease: PackedLease) -> None:
    outcomes: list[SubmitOutcome] = []
    for start in range(0, len(lease.items), HALF):
        half = lease.items[start : start + HALF]
        ledger.record(lease, link.id, outcomes, half[-1].seq)
        outcomes = _answers(half)
    ledger.record(lease, link.id, outcomes, None)


def in_packs(db: Database, count: int) -> dict[str, float]:
    ledger, link = filled(db, count), Link(1, "viettel-1", "viettel", 1)
    costs = Costs(db)
    _beside(lambda give: _submit(ledger, link, give), ledger.apply, link)
    found = costs.figures(count)
    found["tally_ms"], states = _s(ledger.tally)
    found["tally_ms"] *= 1000
    _check(states == {DeliveryState.DELIVERED: count}, f"Not all was delivered: {states}")
    found["person_ms"] = statistics.median(_ms(lambda n=n: _person(db, ledger, n)) for n in _some(count))  # type: ignore[misc]
    _check(not ledger.under_way, "References of closed chunks are still in memory.")
    report_s, _ = _s(lambda: db.read(ledger.report))
    verify_s, wrong = _s(lambda: db.read(ledger.verify))
    _check(not wrong, f"The journals disagree with the planes of {wrong[:3]}")
    erase_s, _ = _s(lambda: _erase(db, ledger))
    return found | {"report_s": report_s, "verify_s": verify_s, "erase_s": erase_s}


def _person(db: Database, ledger: PackedLedger, nth: int) -> None:
    found = db.read(ledger.find, FIRST_PHONE + nth)
    _check([len(each.said) for each in found] == [2], f"Of a person this was found: {found}")


def _erase(db: Database, ledger: PackedLedger) -> None:
    while db.write(ledger.erase, _ERASED):
        pass


def sent(db: Database, count: int) -> dict[str, float]:
    """Everything is sent, and of nothing a receipt has come."""
    _submit(filled(db, count), Link(1, "viettel-1", "viettel", 1), lambda items: None)
    return {}


def restart(db: Database, count: int) -> dict[str, float]:
    """What a process that starts then has to read and to keep."""
    before = resident_mb()
    seconds, ledger = _s(lambda: PackedLedger(db))
    _check(len(ledger.under_way) == count, f"{len(ledger.under_way)} references of {count} were found again.")
    return {"rebuilt_s": seconds, "rebuilt_mb": resident_mb() - before}


KINDS = {"today": today, "packed": in_packs, "sent": sent, "restart": restart}

if __name__ == "__main__":
    opened = Database(sys.argv[2])
    print(json.dumps(KINDS[sys.argv[1]](opened, int(sys.argv[3]))))
    opened.close()
