"""A run that is approved and planned, and accounts of every kind: what is tampered with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyotp
from sqlalchemy import select, update

from app.accounts import service
from app.accounts.service import NewPerson
from app.campaigns.runs import Verb, act
from app.core.config import Settings
from app.database import audit_heads
from app.database.connection import Database
from app.database.models import api_keys, campaigns, people, runs
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.run_content import ClaimedChunk, claim
from app.reports.verification.verify import verify
from app.security import account_stamps, audit
from app.security.audit import KeptHeads
from app.security.roles import Role
from app.security.secret_encryption import vault_of
from app.security.sessions import Lifetime
from tests.app.world import World, accepted, aside, build
from tests.attack import tamper
from tests.operations import carry_out, new_key

KEY = "K" * 43 + "="
SETTINGS = Settings.model_validate({"secret_key": KEY})
PASSWORD = "bon tu chang lien quan"
HOST = "host (command line)"
LIFETIME = Lifetime(timedelta(minutes=30), timedelta(hours=12))
Sent = list[tuple[int, str, str]]


@dataclass(slots=True)
class Scene:
    """A run of 40 people that is approved and planned, in chunks of ten, and accounts of every kind."""

    db: Database
    world: World
    file: Path
    approved: set[tuple[int, str, str]]
    factor: str

    def start(self) -> None:
        self.db.write(act, Verb.START, self.world.run, "operator")

    def send(self, chunks: int = 1000) -> Sent:
        """What goes out: all that is queued and claimed, as the send loop does it, so many chunks of it."""
        queueing, out = FanOutJob(self.db, self.world.ledger, aside(self.db)), Sent()
        while asyncio.run(queueing.next()):
            pass
        for _ in range(chunks):
            work = self.db.write(claim, self.world.ledger, self.world.link, "link", 8.0)
            if not isinstance(work, ClaimedChunk):
                break
            items = list(work.lease.items)
            out += [(each.phone, work.content.text, work.content.sender) for each in items]
            self.db.write(self.world.ledger.record, self.world.link, work.lease, accepted(items), None, 8.0)
            self.db.write(self.world.ledger.release, work.lease, 0.0)
        return out

    def named(self) -> list[str]:
        """What the commands say: verify, audit verify, doctor."""
        found = [each.sentence for each in verify(self.db, self.world.ledger)]
        fault = self.db.read(audit.verify, KeptHeads(audit_heads.kept(self.file), 24)).fault
        doubted = self.db.read(lambda c: list(account_stamps.doubted(c)))
        return [*found, *([fault] if fault else []), *(f"{each.kind} {each.name}" for each in doubted)]


def made(db: Database, file: Path) -> Scene:
    world = build(db, 40, chunk=10)
    db.write(lambda c: c.execute(update(runs).values(state="planned")))
    db.write(tamper._rows_hash, world)
    world.rewrite(texts={"": "Canh giac lua dao", "hmn": "Ceev faj"})
    factor = accounts(db)
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    approved = {(84_912_000_000 + n, row.texts[""], row.sender) for n in range(40)}
    return Scene(db, world, file, approved, factor)


def accounts(db: Database) -> str:
    """People and keys; the secret of the operator's second factor."""
    vault = vault_of(SETTINGS)
    db.write(service.add_person, NewPerson("lan", "operator", "viettel"), PASSWORD, HOST)
    db.write(service.add_person, NewPerson("chief", "approver"), f"{PASSWORD} mot", HOST)
    db.write(service.add_person, NewPerson("an", "operator", "viettel"), f"{PASSWORD} ba", HOST)
    db.write(service.add_person, NewPerson("mai", "approver"), f"{PASSWORD} hai", "lan")
    secret, _ = db.write(service.enrol, "lan", "lan", vault)
    db.write(service.confirm, "lan", pyotp.TOTP(secret).now(), "lan", vault)
    other, _ = db.write(service.enrol, "chief", "chief", vault)
    db.write(service.confirm, "chief", pyotp.TOTP(other).now(), "chief", vault)
    FACTORS.update(lan=secret, chief=other)
    made_of = (("robot", "operator", "viettel"), ("boss", "approver", None), ("gone", "admin", None))
    for name, role, carrier in made_of:
        KEYS[name] = new_key(db, name, Role(role), carrier, HOST)
    db.write(service.add_person, NewPerson("binh", "approver"), f"{PASSWORD} bon", HOST)
    for table, name in ((api_keys, "gone"), (people, "binh")):
        query = select(table).where(table.c.name == name)
        tamper.OLD[name] = dict(db.read(lambda c, q=query: c.execute(q).one())._mapping)
    carry_out(db, "revoke_key", HOST, name="gone")
    db.write(service.disable_person, "binh", HOST)
    return secret


# Of the scene that was made last.
KEYS: dict[str, str] = {}
FACTORS: dict[str, str] = {}
