"""`loa try`: a province's invented campaigns in the browser, over simulated carriers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from app.accounts import service
from app.accounts.service import NewPerson
from app.campaigns import approval, directives, follow_ups, lifecycle, runs
from app.campaigns.carrier_audience import Audience
from app.campaigns.directives import DirectiveFields
from app.campaigns.drafts import Draft
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb
from app.core import clock
from app.core.areas import Basis
from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from app.core.states import RunState
from app.database import models
from app.database.connection import Database
from app.devtools.demo.demo_setup import DemoSettings, claimed, fresh_db, import_file
from app.devtools.demo.scenario_smpp import QUICK_RECEIPTS, DemoCarrier
from app.devtools.demo.simulator_processes import running_simulators
from app.devtools.sample_data import write_sample
from app.ledger.ledger import ledger_for
from app.observability import logs
from app.observability.metrics import Metrics
from app.reports.figures.document_meta import EntrySource
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.release.freeze import freezer_of
from app.runtime.worker import Worker
from app.security import Caller
from app.security.roles import Role

_ADMIN = "admin"
# The four people, each named as their role, and what each may do.
_PEOPLE = {
    _ADMIN: "creates campaigns, watches them and signs reports",
    "approver": "approves what the admin has created",
    "operator": "works for Viettel and sees only Viettel's part",
    "auditor": "sees everything and changes nothing",
}
_CARRIER = "viettel"
_WHOLE_DAY = DayHours("00:00", "24:00")  # whoever tries Loa at night sees it send, too
_OWN_BASE = Audience((), Basis.UNDIVIDED, 4_000)
_PAST_SHARE = 0.3  # of the subscribers are in the campaigns that are over
_PATIENCE_S = 90.0
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # nosec B104 - an image listens there

# Under the first letter each carrier is quick. Under the second VNPT is slow, and MobiFone fails so often
# that Loa pauses its run.
_PAST = {
    "viettel": ("--outcomes", "UNDELIV/001=0.03,EXPIRED/027=0.02"),
    "vnpt": ("--outcomes", "UNDELIV/001=0.02,EXPIRED/027=0.05"),
    "mobifone": ("--refusals", "0x0B=0.02", "--outcomes", "EXPIRED/027=0.04"),
}
_LIVE = {
    "viettel": ("--outcomes", "UNDELIV/001=0.03", "--twice", "0.01"),
    "vnpt": ("--answer-delay-s", "0.2", "--outcomes", "EXPIRED/027=0.06"),
    "mobifone": ("--refusals", "0x0B=0.1", "--outcomes", "UNDELIV/001=0.6"),
}
_PAST_RATES = dict.fromkeys(_PAST, 1_000.0)  # segments a second
_LIVE_RATES = {"viettel": 20.0, "vnpt": 4.0, "mobifone": 10.0}

Say = Callable[[str], None]
Serve = Callable[[Settings, Database], Coroutine[Any, Any, None]]
Batches = Mapping[str, int]  # by carrier


@dataclass(frozen=True, slots=True)
class TryOptions:
    """Folder that a former try made, address of the pages, and how many different good numbers."""

    folder: Path
    host: str
    port: int
    subscribers: int


def try_loa(options: TryOptions, serve: Serve, say: Say, ready: Say) -> None:
    """Make a letter whose campaigns are over and one that is being sent; then serve until stopped.

    serve: runs API and worker; ready: gets the address of the pages, once something listens there.
    """
    with claimed(options.folder), _logging(_settings(options)), fresh_db(_settings(options)) as db:
        people = _add_people(db, _settings(options))
        say(f"Importing {options.subscribers:,} sample subscribers of three carriers ...")
        past, live = _import(db, options)
        say("Sending the campaigns of a first directive as history ...")
        _make_past(db, options, past)
        with _simulated(options, _LIVE, _LIVE_RATES) as links:
            _start_live(db, live)
            say("\nA campaign of a second directive is being sent now. Sign in as one of these four users:")
            for name, password in people.items():
                say(f"  {name:<10}{password}   {_PEOPLE[name]}")
            asyncio.run(_served(options, serve(_settings(options, links), db), ready))


async def _served(options: TryOptions, serving: Coroutine[Any, Any, None], ready: Say) -> None:
    telling = asyncio.create_task(_tell(options, ready))
    try:
        await serving
    finally:
        telling.cancel()


async def _tell(options: TryOptions, ready: Say) -> None:
    host = _REACHED_AT.get(options.host, options.host)
    while True:
        try:
            _, writer = await asyncio.open_connection(host.strip("[]"), options.port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            ready(f"http://{host}:{options.port}")
            return


def _settings(options: TryOptions, links: Mapping[str, LinkSettings] | None = None) -> Settings:
    return DemoSettings(
        data=options.folder,
        environment="development",  # no second factor, and cookies without TLS
        host=options.host,
        port=options.port,
        links=dict(links or {}),
    )


@contextmanager
def _logging(settings: Settings) -> Iterator[None]:
    with (settings.data / "loa.log").open("w", encoding="utf-8") as file:
        logs.configure(settings, file)
        try:
            yield
        finally:
            logging.getLogger().handlers.clear()


@contextmanager
def _simulated(
    options: TryOptions, behaviour: Mapping[str, tuple[str, ...]], rates: Mapping[str, float], seed: int = 1
) -> Iterator[dict[str, LinkSettings]]:
    """Run simulators of the carriers; yield the settings of their links."""
    roles = {
        name: DemoCarrier("", (*QUICK_RECEIPTS, *flags), rates[name], {}) for name, flags in behaviour.items()
    }
    with running_simulators(roles, seed, options.folder / "simulators.log") as simulators:
        yield {f"{name}_1": role.settings(name, simulators[name].port) for name, role in roles.items()}


def _add_people(db: Database, settings: Settings) -> dict[str, str]:
    """Add the four people; return their passwords by name."""
    passwords = {name: secrets.token_urlsafe(12) for name in _PEOPLE}
    for name, password in passwords.items():
        person = NewPerson(name, Role(name), _CARRIER if name == Role.OPERATOR else None)
        # Whoever gives an account its password stands behind it: one for the admin, another for the rest.
        giver = "first installer" if name == _ADMIN else "second installer"
        db.write(service.add_person, person, password, giver, settings.password_words)
    return passwords


def _import(db: Database, options: TryOptions) -> tuple[Batches, Batches]:
    """Import a batch a carrier for the letter that is over, and one for the other."""
    past = round(options.subscribers * _PAST_SHARE)
    made = []
    for seed, count in enumerate((past, options.subscribers - past), 1):
        files = write_sample(options.folder / f"sample_{seed}", count, seed)
        made.append({name: import_file(db, name, path, lambda _: None)[0] for name, path in files.items()})
    return made[0], made[1]


def _make_past(db: Database, options: TryOptions, batches: Batches) -> None:
    """Send a campaign and its follow-up, state what a fourth carrier sent, and freeze the report."""
    letter = db.write(directives.create, _letter("303/CAT-PA05", 26), _ADMIN)
    first = _campaign(db, letter, "Cảnh báo tin nhắn giả tên cơ quan", "tin-nhan-gia-ten", batches)
    own = db.write(lifecycle.add_held_run, first, "vietnamobile", _OWN_BASE, _ADMIN)
    began = clock.now()
    with _simulated(options, _PAST, _PAST_RATES) as links:
        asyncio.run(_send(db, _settings(options, links), first, aside=own))
    wanted = FollowUpRequest((first,), changes={"name": "Nhắc lại: tin nhắn giả tên cơ quan"})
    second = db.write(follow_ups.create_waking, db, wanted, _WHOLE_DAY, _ADMIN)
    # Simulators decide by number and seed: with another one most who were not reached now are.
    with _simulated(options, _PAST, _PAST_RATES, seed=2) as links:
        asyncio.run(_send(db, _settings(options, links), second))
    runs.order(db, Verb.END, own, _ADMIN)
    _state(db, own, began)
    freezer = freezer_of(db, ledger_for(db), _settings(options), _ADMIN)
    freezer.freeze(ReportSubject(SubjectKind.DIRECTIVE, letter))


async def _send(db: Database, settings: Settings, campaign: int, aside: int | None = None) -> None:
    """Send a campaign, and wait for its end, but not for the run of a carrier that sends itself."""
    worker = Worker(db, ledger_for(db, settings.chunk_size), settings, Metrics())
    running = asyncio.create_task(worker.run())
    try:
        await _until(db, lambda connection: _is_made(connection, campaign))
        awaited = [run for run in _approve_and_start(db, campaign) if run != aside]
        await _until(db, lambda connection: _are_finished(connection, awaited))
    finally:
        worker.stop()
        await running


def _start_live(db: Database, batches: Batches) -> None:
    """Start a second letter's campaign, and leave a third campaign for the approver."""
    letter = db.write(directives.create, _letter("412/CAT-PA05", 12), _ADMIN)
    campaign = _campaign(db, letter, "Cảnh báo giả danh công an", "gia-danh-cong-an", batches)
    _approve_and_start(db, campaign)
    waiting = _campaign(db, letter, "Cảnh báo việc nhẹ lương cao", "viec-nhe-luong-cao", batches)
    db.write(lifecycle.submit, waiting, _ADMIN)


def _letter(number: str, days: int) -> DirectiveFields:
    today = clock.local(clock.now())
    return DirectiveFields(
        number=number,
        issued_on=today.date(),
        issuer="Công an tỉnh",
        subject="V/v nhắn tin tuyên truyền, cảnh báo lừa đảo chiếm đoạt tài sản trên không gian mạng",
        report_deadline=today + timedelta(days=days),
        addressees=("Viettel", "VNPT", "MobiFone", "Vietnamobile"),
    )


def _campaign(db: Database, directive_id: int, name: str, text: str, batches: Batches) -> int:
    draft = Draft(
        name=name, purpose="canh_bao_khan", sender="CONG AN", text_key=text, directive_id=directive_id
    )
    campaign = db.write(lifecycle.create, draft, _WHOLE_DAY, _ADMIN)
    for carrier, batch in batches.items():  # the sample's bad lines are meant
        db.write(lifecycle.add_run, campaign, carrier, [batch], _ADMIN, confirmed=[batch])
    return campaign


def _approve_and_start(db: Database, campaign: int) -> list[int]:
    db.write(lifecycle.submit, campaign, _ADMIN)
    approver = Caller("approver", Role.APPROVER)
    db.write(approval.approve, campaign, approver, reason="Chạy thử, vào bất cứ giờ nào.")
    ids = db.read(_runs, campaign)
    for run in ids:
        runs.order(db, Verb.START, run, _ADMIN)
    return ids


def _runs(connection: Connection, campaign: int) -> list[int]:
    found = select(models.runs.c.id).where(models.runs.c.campaign_id == campaign)
    return list(connection.execute(found).scalars())


def _are_finished(connection: Connection, ids: list[int]) -> bool:
    states = connection.execute(select(models.runs.c.state).where(models.runs.c.id.in_(ids))).scalars()
    return all(state == RunState.FINISHED for state in states)


def _is_made(connection: Connection, campaign: int) -> bool:
    """Say whether a worker has made the audience of a follow-up; other campaigns bring theirs."""
    found = follow_ups.of_campaign(connection, campaign)
    return found is None or found.ready


async def _until(db: Database, holds: Callable[[Connection], bool]) -> None:
    ends = clock.monotonic() + _PATIENCE_S
    while not await db.aread(holds):
        if clock.monotonic() > ends:
            raise SetupError("The sample campaigns have stalled. See loa.log in the folder.")
        await asyncio.sleep(0.2)


def _state(db: Database, run: int, began: datetime) -> None:
    """State what the carrier that sends to its own subscribers reports."""
    now = clock.now()
    general = {"eligible": 4_000, "sent": 3_960, "received": 3_702, "failed": 258, "segments": 3_960}
    stated = {
        "level": "operator",
        "began_at": began.isoformat(),
        "ended_at": now.isoformat(),
        "cutoff_at": now.isoformat(),
        "number": "41/BC-VNM",
        "general": general,
        "reasons": [{"key": "expired", "n": 258}],
    }
    claim = StatementBody.model_validate(stated).claim(EntrySource.API)
    db.write(statement_service.state, run, claim, _ADMIN)
