"""Rules that were mended, taken out again one by one; random histories must find each of them.

`python -m tests.ledger_life.planted [NAME ...]` prints a table; exit status 1 where one is not found. Each
changes the behaviour of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, false, or_, select, update

from app.core.states import ChunkState
from app.core.states import DeliveryState as D
from app.database.advisory_locks import AdvisoryLock
from app.database.models import campaigns, chunks, do_not_send
from app.dispatch import run_content
from app.ledger import receipt_matching, transfer, unreached
from app.ledger.contract import EVER, ResultKind, Snapshot
from app.ledger.ledger import Ledger
from app.privacy import certificates, eraser, person_requests, retention_due
from app.reports.counting import unique_reach


def _put(where: Any, name: str, value: Any) -> None:
    """Replace what is there: a name that has gone would plant nothing."""
    assert hasattr(where, name), (
        f"{where.__name__} has no {name} any more; plant this bug where its rule is now"
    )
    setattr(where, name, value)


def n1() -> None:
    """What a link has in hand of a later round does not bar its source: two SMS to one person."""
    _put(unreached, "_in_hand", lambda _: false())


def r1() -> None:
    """A claim does not wait for what another round has on its way."""
    found = unreached.reached_elsewhere

    def reached_alone(c: Connection, campaign_id: int, batch_id: int) -> Any:
        elsewhere = found(c, campaign_id, batch_id)
        return elsewhere and elsewhere._replace(awaited=false())

    _put(unreached, "reached_elsewhere", reached_alone)


def r2() -> None:
    """Whether a receipt may still come is judged by the run, not by the message."""

    def waits(d: Any, finished_runs: Collection[int], _now: int) -> Any:
        return and_(d.state == D.SUBMITTED, d.run_id.not_in(finished_runs))

    _put(unreached, "waits_for_receipts", waits)


def r3() -> None:
    """What a lost lease gives back of a campaign is sent without a look at the rounds that follow it."""
    found = unreached.reached_elsewhere

    def of_follow_ups(c: Connection, campaign_id: int, batch_id: int) -> Any:
        return found(c, campaign_id, batch_id) if unreached.definition(c, batch_id) else None

    _put(unreached, "reached_elsewhere", of_follow_ups)


def r4() -> None:
    """Whom another round may still reach is ended instead of waiting."""
    found = unreached.reached_elsewhere

    def ended(c: Connection, campaign_id: int, batch_id: int) -> Any:
        elsewhere = found(c, campaign_id, batch_id)
        return elsewhere and elsewhere._replace(reached=or_(elsewhere.reached, elsewhere.awaited))

    _put(unreached, "reached_elsewhere", ended)


def r5() -> None:
    """A message that waits for another round is not looked at again."""

    def release(self: Ledger, c: Connection, lease: Any, retry_after_s: float) -> None:
        usual(self, c, lease, retry_after_s)
        if lease.waiting:
            own = (chunks.c.campaign_id == lease.campaign_id, chunks.c.batch_id == lease.batch_id)
            here = update(chunks).where(*own, chunks.c.first_seq == lease.first_seq)
            c.execute(here.values(state=ChunkState.DONE))

    usual = Ledger.release
    _put(Ledger, "release", release)


def n2() -> None:
    """Any submission counts as one by which the carrier has the message; no receipt records that it has."""
    _put(receipt_matching, "TAKEN", tuple(ResultKind))


def n3() -> None:
    """A campaign is erased without the others of its letter, and whom they reached is counted with it."""

    def alone(_c: Connection, _terms: Any, _now: int, subject: Any, _but: Any = ()) -> list[Any]:
        return [subject]

    def to_keep(c: Connection, campaign_id: int, cutoff_ms: int) -> list[Any]:
        letter = c.execute(select(campaigns.c.directive_id).where(campaigns.c.id == campaign_id)).scalar()
        own = campaigns.c.id == campaign_id if letter is None else campaigns.c.directive_id == letter
        ids = list(c.execute(select(campaigns.c.id).where(own).order_by(campaigns.c.id)).scalars())
        known = unique_reach._kept(c, ids)
        return [each for each in unique_reach._counts(c, ids, cutoff_ms) if each.campaign_id not in known]

    def kept(c: Connection, ids: Sequence[int]) -> set[int]:
        k = unique_reach.kept_reach.c.campaign_id
        return set(c.execute(select(k).where(k.in_(ids)).distinct()).scalars())

    _put(certificates, "together", alone)
    _put(eraser, "together", alone)
    _put(retention_due, "_with_last", lambda found, *_: found)
    _put(unique_reach, "to_keep", to_keep)
    _put(unique_reach, "_kept", kept)
    _put(unique_reach, "erased_apart", lambda *_: None)


def n4() -> None:
    """Receipts that no recent campaign knows are looked for in all there ever were."""
    from app.ledger.engines.postgresql import PostgresqlEngine

    snapshot = PostgresqlEngine.snapshot

    def before(self: PostgresqlEngine, connection: Connection) -> Snapshot:
        found = snapshot(self, connection)
        return found._replace(lasts=tuple(EVER for _ in found.lasts), past=EVER)

    _put(PostgresqlEngine, "snapshot", before)


def n6() -> None:
    """A look at who has opted out takes the newest 5,000 entries, not the telephones in hand."""

    def newest(connection: Connection, carrier: str, phones: Collection[int]) -> set[int]:
        n = do_not_send.c
        rows = connection.execute(select(n.phone, n.carrier).order_by(n.id.desc()).limit(5000)).all()
        return {row.phone for row in rows if row.carrier == carrier} & set(phones)

    _put(run_content, "_listed", newest)


def n7() -> None:
    """A copy makes tables for every campaign, those that are erased as well."""

    def every(new: Connection, old: Connection, ledger: Any) -> None:
        for campaign_id in old.execute(select(campaigns.c.id)).scalars():
            ledger.open_campaign(new, campaign_id)

    _put(transfer, "_make_partitions", every)


def n8() -> None:
    """Folding of counts and requests of persons have one lock, and wait for each other."""
    _put(person_requests, "AdvisoryLock", SimpleNamespace(PERSON_REQUEST=AdvisoryLock.TALLY_FOLD))


# What each is looked for in, where it is rare among all histories: a theme, an engine.
PLANTED: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "N1": (n1, ("--theme", "rounds")),
    "R1": (r1, ("--theme", "rounds")),
    "R2": (r2, ("--theme", "rounds")),
    "R3": (r3, ("--theme", "rounds")),
    "R4": (r4, ("--theme", "rounds")),
    "R5": (r5, ("--theme", "rounds")),
    "N2": (n2, ("--theme", "lost")),
    "N3": (n3, ("--theme", "erased")),
    "N4": (n4, ("--theme", "lost", "--engine", "postgresql")),
    "N6": (n6, ("--theme", "people")),
    "N7": (n7, ("--theme", "erased")),
    "N8": (n8, ("--theme", "people", "--engine", "postgresql")),
}
_SEED = re.compile(r"^Seed (\d+) broke a promise.*\n +(.*)", re.MULTILINE)


def main() -> int:
    """Look for each in histories from the first seed on, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger_life.planted", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PLANTED)}; default: all")
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("build/prove-life-planted.json"))
    said = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for name in said.names or PLANTED:
        began = time.monotonic()
        command = (sys.executable, "-m", "tests.ledger_life", "--planted", name, *PLANTED[name][1])
        done = subprocess.run(
            (*command, "--seeds", str(said.seeds), "--until-first", "--as-it-is"),
            capture_output=True,
            text=True,
        )
        seed = _SEED.search(done.stdout)
        found[name] = {
            "seed": seed and int(seed[1]),
            "seconds": round(time.monotonic() - began, 1),
            "by": seed[2][:150] if seed else done.stderr[-300:],
        }
        print(
            f"{name:4} seed {found[name]['seed']}, {found[name]['seconds']} s: {found[name]['by']}",
            flush=True,
        )
    said.out.parent.mkdir(exist_ok=True)
    said.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(each["seed"] is None for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
