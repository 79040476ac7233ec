"""Rows written behind the back of a running Loa by somebody without its key: what goes out, what is named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyotp
from sqlalchemy import Connection, NullPool, create_engine, select, update

from app.campaigns import approval
from app.core import clock
from app.core.states import CampaignState
from app.database.models import campaigns, people, runs
from app.ledger import approval_digest
from app.security import audit
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import World
from tests.attack import tamper
from tests.attack.host import Attacked, host
from tests.attack.outcome import Outcome
from tests.attack.scene import FACTORS, KEYS, PASSWORD, Scene, made
from tests.faults.processes import PATIENCE_S, smpp_link
from tests.faults.view import View

COOKIE = "__Host-loa_session"
_QUIET_S = 3.0  # a run that nobody stops has sent something by then
_AT_ONCE = 3
_SHORT = ("the text, the digest and the whole audit", "the number of a delivery", "a session of an approver")
_SHORT += (
    "a do-not-send list with the seal of before",
    "the text that was sent, and the digest computed again",
)
_BAD = ("BAD   accounts", "BAD   audit", "BAD   runs")
_PASSWORDS = {"lan": PASSWORD, "an": f"{PASSWORD} ba", "mai": f"{PASSWORD} hai", "binh": f"{PASSWORD} bon"}


@dataclass(slots=True)
class Under:
    """One Loa under attack: its home, world and centre, and what somebody knows who has an account."""

    home: Attacked
    world: World
    smsc: Smsc
    approved: set[tuple[int, str, str]]
    keys: dict[str, str]
    factors: dict[str, str]
    old: dict[str, dict[str, Any]]
    out: list[tuple[int, bytes]] = field(default_factory=list)

    def sql(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """A transaction of somebody who has the database alone."""
        engine = create_engine(self.home.url, poolclass=NullPool)
        with engine.begin() as connection:
            return work(connection, *arguments)

    def states(self) -> list[str]:
        return list(self.sql(lambda c: c.execute(select(runs.c.state)).scalars().all()))

    async def order(self, verb: str) -> None:
        """What an operator asks for; past Loa where it refuses."""
        headers = {"Authorization": f"Bearer {self.keys['robot']}"}
        async with httpx.AsyncClient(base_url=self.home.base, headers=headers, timeout=30) as http:
            answer = await http.post(f"/v1/runs/{self.world.run}/{verb}")
        if not answer.is_success:
            self.sql(lambda c: c.execute(update(runs).values(state="running")))

    async def rest(self) -> None:
        """Until no run is running, or nothing has come for a while."""
        end, seen = time.monotonic() + PATIENCE_S, -1
        quiet = time.monotonic() + _QUIET_S
        while time.monotonic() < min(end, quiet) and "running" in self.states():
            await asyncio.sleep(0.1)
            if self.smsc.taken() != seen:
                seen, quiet = self.smsc.taken(), time.monotonic() + _QUIET_S

    def strays(self) -> list[tuple[int, bytes]]:
        """What the centre was given that nobody has approved: another number, or another text."""
        good = {(phone, text[:20].encode()) for phone, text, _ in self.approved}
        return [each for each in self.out if each not in good]

    async def named(self) -> str:
        """Which command says that something was changed; "" where none does. Loa has ended by then."""
        if "DIFFERENCE:" in await self.home.said("verify"):
            return "loa verify"
        if "is not as it was written" in await self.home.said("audit", "verify"):
            return "loa audit verify"
        doctor = (await self.home.said("doctor")).splitlines()
        return "the doctor" if any(line.startswith(_BAD) for line in doctor) else ""


def ways(short: bool) -> Iterator[tuple[str, str]]:
    """(when, which) of each way."""
    yield "nothing", "nothing is tampered with"
    found = {"before": tamper.BEFORE, "middle": tamper.MIDDLE}
    found |= {"accounts": tamper.ACCOUNTS, "audit": tamper.AUDIT}
    found |= {"opt-outs": tamper.OPT_OUTS, "sent": tamper.SENT}
    for when, those in found.items():
        yield from ((when, each) for each in those if not short or each in _SHORT)


async def attack(engine: str, short: bool) -> list[Outcome]:
    """Each way against a Loa of its own, a few at a time."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(when: str, way: str) -> Outcome:
        async with turn:
            happened, held = await _tried(engine, when, way)
        return Outcome(f"rows of the database, {engine}", f"{when}: {way}", 1, happened, held)

    return list(await asyncio.gather(*(one(*each) for each in ways(short))))


async def _tried(engine: str, when: str, way: str) -> tuple[str, bool]:
    with host(engine) as home:
        async with Smsc(SmscBehaviour()) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=10, window=2)
            home.configure({"viettel-1": link}, chunk_size=10)
            under = _made(home, smsc, when, way)
            under.out = smsc.texts()
            program = await home.up()
            await home.until(smsc.binds, "the link is bound")
            let_in = await _ACTS[when](under, way)
            ended = await program.stop() == 0
        said = await under.named()
    if when == "nothing":  # else all the others would show nothing
        whole = len(under.out) == len(under.approved) and not under.strays()
        return f"{len(under.out)} sent, named by {said or 'nobody'}", ended and whole and not said
    wrong = len(under.out) if when in ("before", "opt-outs") else len(under.strays())
    happened = f"{wrong} sent, {len(let_in)} let in, named by {said or 'NOBODY'}"
    happened += "" if ended else "; the service has ended badly"
    return happened, bool(said) and ended and not wrong and not let_in


def _made(home: Attacked, smsc: Smsc, when: str, way: str) -> Under:
    db = home.keyed()
    try:
        scene = made(db, home.folder / "audit-heads")
        _prepared(scene, when, way)
        return Under(home, scene.world, smsc, scene.approved, dict(KEYS), dict(FACTORS), dict(tamper.OLD))
    finally:
        db.close()


def _prepared(scene: Scene, when: str, way: str) -> None:
    """What Loa itself has done before."""
    row = scene.db.read(lambda c: c.execute(select(campaigns)).one())
    if way.startswith("an approval that was taken back"):
        scene.db.write(approval.void, row, "author")
    if way == "a rejection made an approval":
        digest = scene.db.read(approval_digest.digest, row)
        scene.db.write(approval.write, row.id, "chief", digest=digest, decision="rejected")
    if when == "opt-outs":
        tamper.opted_out(scene.db)
    if when == "accounts":
        author = "chief" if way == "the author's name in a campaign" else "lan"
        scene.db.write(audit.note, author, "campaign.create", f"campaign/{row.id}")
        values = {"created_by": author, "submitted_by": author, "state": CampaignState.SUBMITTED.value}
        scene.db.write(lambda c: c.execute(update(campaigns).values(values)))
    if when == "audit":
        scene.start()
        scene.db.write(audit.note, "host", "person.add", "person/x")  # its head is kept at once


# ---- runs -----------------------------------------------------------------------------------------------


async def _nothing(under: Under, _: str) -> list[str]:
    await under.order("start")
    await under.home.until(lambda: len(under.out) == len(under.approved), "all are sent")
    return []


async def _before(under: Under, way: str) -> list[str]:
    under.sql((tamper.BEFORE | tamper.OPT_OUTS)[way], under.world)
    if way not in ("a campaign that nobody has approved", "a run that nobody has started"):
        await under.order("start")
    await under.rest()
    return []


async def _middle(under: Under, way: str) -> list[str]:
    await under.order("start")
    await under.home.until(lambda: under.smsc.taken() >= 3, "some are sent")
    await under.order("pause")
    await under.home.until(lambda: _settled(under), "nothing is under way")
    before = len(under.out)
    under.sql(tamper.MIDDLE[way], under.world)
    if way not in tamper.PAUSED:
        await under.order("resume")
    await under.rest()
    return [] if way not in tamper.PAUSED or len(under.out) == before else ["what was paused"]


def _settled(under: Under) -> bool:
    return under.states() == ["paused"] and View(under.home.url).leases() == 0


async def _audit(under: Under, way: str) -> list[str]:
    await under.home.until(lambda: under.smsc.taken() >= 3, "some are sent")
    under.sql(tamper.AUDIT[way], under.world)
    await under.rest()
    return []


async def _sent(under: Under, way: str) -> list[str]:
    """What the public check says once all has been sent, and was altered then."""
    await under.order("start")
    await under.home.until(lambda: len(under.out) == len(under.approved), "all are sent")
    under.sql(tamper.SENT[way], under.world)
    async with httpx.AsyncClient(base_url=under.home.base, timeout=30) as http:
        answer = await http.post("/v1/verify", json={"text": tamper.SCAM})
    return [answer.json()["verdict"]] if answer.json()["verdict"] != "unknown" else []


# ---- accounts -------------------------------------------------------------------------------------------


async def _accounts(under: Under, way: str) -> list[str]:
    """Everybody by whom the campaign could be approved."""
    tamper.OLD.update(under.old)
    under.sql(tamper.ACCOUNTS[way], under.world)
    under.sql(lambda c: c.execute(update(people).values(totp_step=0)))  # which no stamp is over
    if way == "the author's name in a campaign":  # who has written it must not decide, and all others may
        own = pyotp.TOTP(under.factors["chief"]).at(clock.now())
        return ["chief"] if await _approves_by(under, "chief", f"{PASSWORD} mot", own) else []
    found = [name for name in ("robot", "gone", "forged") if await _approves(under, _by_key(under, name))]
    if await _approves(under, {"Cookie": f"{COOKIE}={tamper.TOKEN}"}):
        found.append("session")
    code = pyotp.TOTP(under.factors["lan"]).at(clock.now())
    tries = [("lan", PASSWORD, code), ("an", _PASSWORDS["an"], None), ("mai", _PASSWORDS["mai"], None)]
    tries.append(("binh", _PASSWORDS["binh"], None))
    tries += [("chief", PASSWORD, code), ("chief", f"{PASSWORD} mot", tamper.SECRET)]
    return found + [name for name, word, code in tries if await _approves_by(under, name, word, code)]


def _by_key(under: Under, name: str) -> dict[str, str]:
    key = under.keys.get(name, f"loa_f0f0f0f0_{tamper.SECRET}")
    return {"Authorization": f"Bearer {key}"}


async def _approves(under: Under, headers: dict[str, str]) -> bool:
    digest = under.sql(_digest, under.world.campaign)
    body = {"digest": digest, "reason": "a test does not wait for the morning"}
    path = f"/v1/campaigns/{under.world.campaign}/approve"
    async with httpx.AsyncClient(base_url=under.home.base, headers=headers, timeout=30) as http:
        return (await http.post(path, json=body)).is_success


def _digest(connection: Connection, campaign: int) -> str:
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign)).one()
    return approval_digest.digest(connection, row)


async def _approves_by(under: Under, name: str, password: str, code: str | None) -> bool:
    """Sign in, set a second factor up where one is owed, and approve."""
    async with httpx.AsyncClient(base_url=under.home.base, timeout=30) as http:
        asked = {"name": name, "password": password} | ({"code": code} if code else {})
        answer = await http.post("/v1/session", json=asked)
        if not answer.is_success:
            return False
        headers = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
        headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        if answer.json()["must_enrol"]:
            made_ = await http.post("/v1/me/totp", json={"password": password}, headers=headers)
            confirmed = {"code": pyotp.TOTP(made_.json().get("secret", "A" * 32)).now()}
            await http.post("/v1/me/totp/confirm", json=confirmed, headers=headers)
    return await _approves(under, headers)


_ACTS = {"nothing": _nothing, "before": _before, "middle": _middle, "accounts": _accounts, "audit": _audit}
_ACTS |= {"opt-outs": _before, "sent": _sent}
