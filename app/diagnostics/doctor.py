"""Check this installation: settings, folder, database, clock, audit and links."""

from __future__ import annotations

import grp
import json
import os
import re
import shutil
import ssl
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from sqlalchemy import Connection, func, select

from app.core import areas, clock, setting_sources
from app.core.config import EndpointSettings, LinkSettings, Settings
from app.core.errors import AppError
from app.core.states import LinkState, RunState
from app.database import clock_leaps, engines, schema, server_waits
from app.database.connection import Database
from app.database.models import audit as acts
from app.database.models import links, notices, quarantine, runs, unknowns
from app.database.sqlite_file import damaged, faults, is_shared
from app.diagnostics.link_checks import check, check_endpoints
from app.dispatch import link_store
from app.dispatch.link_store import RESTORED, all_links
from app.ledger import approval_digest, opt_out_seal, restore_acknowledgement
from app.ledger.ledger import Ledger, ledger_for
from app.notifications.outbox import NoticeState
from app.observability import link_status
from app.reports.forms import letterhead
from app.runtime import transport_security, webhooks, worker
from app.runtime.transport_security import server_tls
from app.security import account_stamps, audit, totp, users
from app.security.secret_encryption import NO_KEY, signing_keys, vault_of

_ENDS_SOON = timedelta(days=30)


class CertificateCheck(NamedTuple):
    """One finding: `good`, or what is wrong and what to do."""

    good: bool
    what: str


def judged(settings: Settings) -> Iterator[CertificateCheck]:
    """Yield the findings; none if others terminate TLS for us. Raises SetupError for unusable files."""
    ours = server_tls(settings)
    if ours is None or settings.tls_certificate is None:
        return
    yield _end(x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0])
    for name in settings.public_hosts:
        refused = _refused(ours, name)
        why = (
            f"Clients of {name} will not trust the certificate: {refused}. Get one from a "
            "certificate authority."
        )
        yield CertificateCheck(not refused, why if refused else f"The certificate is valid for {name}.")


def _end(certificate: x509.Certificate) -> CertificateCheck:
    end = certificate.not_valid_after_utc
    good = end - clock.now() > _ENDS_SOON
    what = f"The certificate expires on {clock.local(end):%d/%m/%Y}"
    return CertificateCheck(good, f"{what}." if good else f"{what}: renew it, then restart Loa.")


def _refused(ours: ssl.SSLContext, name: str) -> str:
    """Return why a caller with this machine's authorities rejects us under that name, or "".

    A handshake in memory, so that OpenSSL itself checks name, time and issuer.
    """
    to_us, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = ours.wrap_bio(to_us, to_caller, server_side=True)
    caller = ssl.create_default_context().wrap_bio(to_caller, to_us, server_hostname=name)
    for _ in range(3):  # enough flights for a whole handshake
        for side in (caller, us):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return str(error.verify_message)
            except ssl.SSLError as error:
                return str(error.reason)
    return ""


_LEAST_FREE = 2 * 1024**3  # bytes: a campaign of a million takes about one
_CLOCKS_MS = 2000
_CONTAINER = Path("/run/secrets")
_MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
_SECRETS = {"password", "hmac_secret", "basic_password", "token", "database_url", "migration_database_url"}
_SECRETS |= {"smtp_password", "secret_key", "previous_secret_key", "order_key"}


_NOT_AS_APPROVED = (
    "part of it differed from what had been approved or ordered. Find out who changed the database, then run "
    "`loa run resume` if everything is right; otherwise cancel the run."
)
_STOPPED = {
    "opt-outs": "the carrier's do-not-send list was changed outside Loa. Compare it with a backup, put back "
    "what is missing, and run `loa do-not-send seal --carrier NAME`; then `loa run resume`.",
    "link": "the settings of a link now change its text in a different way from when it was approved. Put "
    "them back, or run `loa campaign sign`; then `loa run resume`.",
}
_CLAIMED = (
    "Link {} counts receipts as proof of the handset, but does not name who confirmed this. Set "
    "receipt_level_source and receipt_level_on in its settings, or receipt_level to operator."
)
_ASSUMED = (
    "Link {} does not state what its receipts prove, so they count as proof of the operator's centre. Set "
    'receipt_level = "operator", or "handset" if the contract guarantees receipts from the handset.'
)
_BARE, _OTHER = "has no signature of secret_key", "has a signature that does not match its content"


class Symptom(NamedTuple):
    """One check: `good`, or what is wrong and what to do. note: no fault, but worth knowing."""

    about: str
    good: bool
    what: str
    note: bool = False


def settings_file(path: Path) -> Iterator[Symptom]:
    """Check that the settings file holds no secret and not everybody may write it."""
    if not path.is_file():
        yield Symptom("settings", True, f"{path} does not exist; settings come from the environment.")
        return
    held = sorted(set(_names(tomllib.loads(path.read_text("utf-8")))) & _SECRETS)
    if held:
        yield Symptom(
            "settings",
            False,
            f"{path} contains secrets ({', '.join(held)}). Move them to the environment or to secret files.",
        )
    elif path.stat().st_mode & stat.S_IWOTH:
        yield Symptom("settings", False, f"Everyone can write to {path}. Run chmod o-w on it.")
    else:
        yield Symptom("settings", True, f"{path} was read and contains no secrets.")


def _names(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield name
        if isinstance(value, dict):
            yield from _names(value)


def wiring(settings: Settings) -> Iterator[Symptom]:
    faults = list(dict.fromkeys([*worker.faults(settings), *webhooks.faults(settings)]))
    yield from (Symptom("settings", False, fault) for fault in faults)
    if settings.environment == "development":
        what = (
            "environment is development, so webhooks may be open to anyone. Set it to "
            "production before using real links."
        )
        yield Symptom("settings", not settings.links, what, note=not settings.links)
    for name, link in settings.links.items():
        if link.assumes_receipt_level:
            yield Symptom("links", True, _ASSUMED.format(name), note=True)
        if link.claims_handset:
            yield Symptom("links", True, _CLAIMED.format(name), note=True)
    if not settings.links:
        yield Symptom("links", False, "No link is configured, so nothing can be sent. See loa.example.toml.")


def connections(settings: Settings) -> Iterator[Symptom]:
    """Report plain connections, our certificate, and the names that callers use."""
    for line in transport_security.plain(settings):
        yield Symptom(
            "lines", bool(line.why), f"{line.what} is not encrypted: {line.why}" if line.why else line.fault
        )
    try:
        yield from (Symptom("certificate", *worth) for worth in judged(settings))
    except AppError as error:
        yield Symptom("certificate", False, error.detail)
    yield from (Symptom("settings", False, fault) for fault in transport_security.exposed(settings))
    if (
        settings.tls_certificate or transport_security.open_to_others(settings)
    ) and not settings.public_hosts:
        what = "Set public_hosts to Loa's host names, so that it answers to no others"
        what += ", and the certificate is checked against them." if settings.tls_certificate else "."
        yield Symptom("names", False, what)


# Protections without a default, since each needs something of this installation.
_OPTIONAL = {
    "scan_command": ((), "uploaded files are not scanned for malware"),
    "log_to": (None, "whoever takes over this host can alter its log"),
    "monitor_networks": ((), "anyone who can reach the API can read /metrics and /readyz"),
    "totp_late_steps": (1, "a second-factor code is accepted in its half minute and the next one"),
}


def optional(settings: Settings) -> Iterator[Symptom]:
    """Report optional protections that are off: no fault, but worth knowing."""
    for name, (unset, what) in _OPTIONAL.items():
        if getattr(settings, name) == unset and settings.environment == "production":
            yield Symptom("protection", True, f"With the current {name}, {what}.", note=True)


_LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+)( ;)?", re.MULTILINE)
_BY_THE_LOCK = (
    "Install what the release locks: pip install --require-hashes --no-deps --requirement loa.lock "
    "(docs/deploy/README.md)."
)


def libraries() -> Symptom:
    """Compare the installed libraries with the lock that this release ships.

    One that only some platforms need, or only the check of signatures, may be missing.
    """
    differing = []
    for lock, needed in (("loa.lock", True), ("loa-sign.lock", False)):
        for name, locked, conditional in _LOCKED.findall(
            (package_files("app") / "data" / lock).read_text("utf-8")
        ):
            installed = _installed(name)
            if installed != locked and (installed or (needed and not conditional)):
                differing.append(f"{name} {installed or 'missing'} (locked: {locked})")
    if differing:
        names = ", ".join(dict.fromkeys(differing))
        return Symptom("libraries", False, f"Not as this release was tested: {names}. {_BY_THE_LOCK}")
    return Symptom("libraries", True, "All are the versions that this release locks.")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def papers(settings: Settings) -> Iterator[Symptom]:
    """Name the province, and the agency that papers bear; the shipped letterheads are examples."""
    try:
        heads = letterhead.load(settings.letterheads)
    except AppError as error:
        yield Symptom("papers", False, error.detail)
        return
    today = clock.local(clock.now()).date()
    head, province = heads.of(letterhead.POLICE, today), areas.provinces()[areas.chosen()]
    example = head == letterhead.load(None).of(letterhead.POLICE, today)
    what = f"The province is {province} ({areas.chosen()}). "
    what += (
        f"Papers bear the example letterhead of {head.agency}. Copy app/data/letterheads.toml, correct it, "
        "and name the copy as letterheads in the settings."
        if example
        else f"Papers bear the letterhead of {head.agency}."
    )
    yield Symptom("papers", True, what, note=example)


def disk(settings: Settings) -> Iterator[Symptom]:
    data = settings.data.absolute()
    folder = next(each for each in (data, *data.parents) if each.exists())  # looking makes none
    try:
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        what = f"Cannot write to {settings.data} ({error.strerror}). Make Loa's account its owner."
        if folder != data:
            what = (
                f"The folder {settings.data} does not exist, and this account cannot create it in {folder} "
            )
            what += f"({error.strerror}). Create it, and make Loa's account its owner."
        yield Symptom("disk", False, what)
        return
    free = shutil.disk_usage(folder).free
    words = f"{settings.data} has {free / 1024**3:,.1f} GB free"
    enough = free >= _LEAST_FREE
    yield Symptom("disk", enough, f"{words}." if enough else f"{words}. Free some space for campaigns.")
    yield from modes(settings)


def modes(settings: Settings) -> Iterator[Symptom]:
    """Check whether other accounts of this host can open the ledger, uploads or secrets.

    A group may, where the folder's mode says so; then its files must be the group's as well, and secrets
    may be read by it: both persons need the same ones.
    """
    files = [*settings.data.glob("loa.sqlite3*"), *settings.data.glob("loa.lock")]
    shared = is_shared(settings.data)
    if shared:
        yield from _shared(settings.data, files)
    held = [] if shared else [settings.data, *files]
    secrets = Path(os.environ.get("LOA_SECRETS_DIR") or _CONTAINER)
    if secrets != _CONTAINER and secrets.is_dir():  # a container's secrets are not visible outside
        held += [each for each in secrets.iterdir() if each.is_file()]
    group = settings.data.stat().st_gid if shared else None
    open_ = [each for each in held if each.exists() and _is_open(each.stat(), group)]
    for each in open_:
        what = f"Other accounts on this host can open {each}. Run chmod go= on it."
        yield Symptom("modes", False, what)
    if not open_:
        what = "the secrets" if shared else "the ledger or the secrets"
        yield Symptom("modes", True, f"No other account on this host can open {what}.")


def _is_open(stat: os.stat_result, group: int | None) -> bool:
    return bool(stat.st_mode & (0o037 if stat.st_gid == group else 0o077))


def _shared(folder: Path, files: Sequence[Path]) -> Iterator[Symptom]:
    owner = folder.stat().st_gid
    try:
        group = grp.getgrgid(owner).gr_name
    except KeyError:
        group = str(owner)
    wrong = [
        each for each in files if each.stat().st_gid != owner or stat.S_IMODE(each.stat().st_mode) != 0o660
    ]
    for each in wrong:
        what = f"{each} does not belong to the folder's group. Run chgrp {group} and chmod 660 on it."
        yield Symptom("modes", False, what)
    if not wrong:
        what = f"Only the group {group} can open the ledger."
        yield Symptom("modes", True, what)


def ledger(settings: Settings) -> Iterator[Symptom]:
    """Check that the database answers, has this program's schema, and is consistent."""
    try:
        schema.require_file(settings.url)
        db = Database(settings.url, keys=signing_keys(settings), beside=True)
    except AppError as error:
        yield Symptom("database", False, error.said_here)
        return
    try:
        found = db.read(schema.current)
        yield _answers(db)
        if wrong := schema.fault(found):
            yield Symptom("schema", False, wrong)
            return
        yield Symptom("schema", True, f"The schema is {found}, as required.")
        yield from _audit(db, settings)
        yield from db.read(_rows)
        yield db.read(_home, ledger_for(db))
        if not db.sqlite:
            yield from db.read(_writes)
            yield db.read(_server)
            yield from db.read(_pooler)
            yield from db.write(_pooler)
            yield db.read(_rights)
        yield from db.read(_notices)
        yield from db.read(_factors, settings)
        yield from db.read(_accounts)
        yield from db.read(_opt_outs)
        yield clocks(db)
    except AppError as error:
        yield Symptom("database", False, error.said_here)
    finally:
        db.close()


def _answers(db: Database) -> Symptom:
    """Check that it answers, and that every page of a SQLite file can be read: about a second per GB."""
    if not db.sqlite:
        return Symptom("database", True, "PostgreSQL is available.")
    if found := db.read(faults):
        return Symptom("database", False, damaged(found[0]).detail)
    return Symptom("database", True, "SQLite is available, and every page of its file is readable.")


def _home(connection: Connection, ledger: Ledger) -> Symptom:
    """Check that the database is the one that last sent."""
    moved = link_store.moved(connection, ledger)
    if not moved and restore_acknowledgement.is_awaited(connection):
        return Symptom("home", False, restore_acknowledgement.AWAITED)
    return Symptom(
        "home", not moved, RESTORED.reason if moved else "The ledger was not restored from a backup."
    )


def _notices(connection: Connection) -> list[Symptom]:
    """Report reminders and events that nobody took, by receiver."""
    n, again = (
        notices.c,
        "See `loa directive notices` for the reason, then run `loa directive replay --failed-to {}`",
    )
    failed = select(n.target, func.count()).where(n.state == NoticeState.FAILED.value).group_by(n.target)
    return [
        Symptom("notices", False, f"{count} notices to {target} have failed. {again.format(target)}.")
        for target, count in connection.execute(failed.order_by(n.target))
    ]


def _writes(connection: Connection) -> list[Symptom]:
    """Check that commits are confirmed: for a standby or a lock nothing fails, yet everything waits."""
    waits = server_waits.waited_for(connection)
    found = [server_waits.no_writes(connection), waits.said if waits else ""]
    if not (waits and waits.commits):
        found.append(server_waits.missing_standby(connection))
    return [Symptom("writes", False, words) for words in found if words] or [
        Symptom("writes", True, "PostgreSQL accepts changes, and no write is waiting.")
    ]


def _server(connection: Connection) -> Symptom:
    """Check PostgreSQL's settings that must be on: three keep what was committed, one keeps tables small."""
    asked = ", ".join(f"current_setting('{name}')" for name in _MUST_BE_ON)
    values = connection.exec_driver_sql(f"SELECT {asked}").one()
    off = [name for name, value in zip(_MUST_BE_ON, values, strict=True) if value in ("off", "local")]
    if off:
        what = f"PostgreSQL's settings {', '.join(off)} are off. Turn them on: the ledger depends on them."
        return Symptom("server", False, what)
    return Symptom("server", True, f"{', '.join(_MUST_BE_ON)} are on.")


def _pooler(connection: Connection) -> list[Symptom]:
    """Name the settings of Loa's connections that a pooler drops, and what restores them."""
    account, found = connection.exec_driver_sql("SELECT quote_ident(current_user)").scalar_one(), []
    for name, has in engines.dropped(connection).items():
        value = engines.serves_all(name)
        remedy = (
            f"`ALTER ROLE {account} SET {name} = '{value}'` avoids this."
            if value
            else "Keep the account's own value: readers and writers need different ones."
        )
        what = f"A pooler drops {name} = {engines.asked(connection)[name]} (the server has {has}). "
        what += f"Loa sets it in each transaction instead. {remedy}"
        found.append(Symptom("pooler", True, what, note=True))
    return found


def _rights(connection: Connection) -> Symptom:
    """Report whether our account can do more than it needs: no fault, but worth knowing."""
    asked = "SELECT pg_has_role(current_user, relowner, 'member') FROM pg_class WHERE oid = 'audit'::regclass"
    if connection.exec_driver_sql(asked).scalar_one():
        what = (
            "This account owns the tables or is a superuser. See docs/operations.md, “Two "
            "accounts of PostgreSQL”."
        )
        return Symptom("protection", True, what, note=True)
    return Symptom("protection", True, "The working account does not own the tables.")


def _factors(connection: Connection, settings: Settings) -> list[Symptom]:
    """Check that second factors are sealed with the present key."""
    if not users.any_known(connection):
        return []
    if settings.secret_key is None:
        return [_unkeyed("second factors", settings, NO_KEY)]
    old = totp.unsealed(connection, vault_of(settings))
    if old:
        what = f"{len(old)} are not encrypted with the current secret_key. Run `loa user reseal`."
        return [Symptom("second factors", False, what)]
    return [Symptom("second factors", True, "All are encrypted with the current secret_key.")]


def _unkeyed(about: str, settings: Settings, what: str, used: bool = True) -> Symptom:
    """Judge a missing secret_key: a fault where links or accounts need one, elsewhere a note."""
    fault = used and settings.environment != "development"
    return Symptom(about, not fault, what, note=not fault)


def _accounts(connection: Connection) -> list[Symptom]:
    """Check for accounts, recovery codes and sessions that were written into the database from outside."""
    found = list(account_stamps.doubted(connection))
    if not found:
        return [Symptom("accounts", True, "No account was changed outside Loa.")]
    said = sorted({f"{each.kind} {each.name} {_doubt(each)}" for each in found})
    what = (
        "check role and carrier, then run `loa user sign NAME` if everything is right; "
        "otherwise disable or revoke it."
    )
    return [Symptom("accounts", False, f"{', '.join(said)}: {what}")]


def _opt_outs(connection: Connection) -> list[Symptom]:
    """Check that every do-not-send list is as Loa left it."""
    found = opt_out_seal.problems(connection)
    return [Symptom("do-not-send lists", False, each) for each in found] or [
        Symptom("do-not-send lists", True, "Every list is unchanged since Loa wrote it.")
    ]


def _doubt(bad_stamp: account_stamps.BadStamp) -> str:
    if bad_stamp.over:
        return "was ended according to the audit log, but its row is older"
    return _BARE if bad_stamp.bare else _OTHER


def clocks(db: Database) -> Symptom:
    """Compare the host's clock to the database's, and to the newest act on record."""
    here, there = clock.now_ms(), db.read(db.clock_ms)
    newest = db.read(lambda c: c.execute(select(func.max(acts.c.at))).scalar()) or 0
    if abs(here - there) > _CLOCKS_MS:
        apart = f"{abs(here - there) / 1000:.1f} s"
        what = f"This host's clock and the database's differ by {apart}. Synchronize both by NTP."
        return Symptom("clock", False, what)
    if newest > here + _CLOCKS_MS:
        return Symptom("clock", False, "The clock is behind the newest recorded act. Was it set back?")
    if leap := db.read(clock_leaps.leap):
        return Symptom("clock", False, leap.sentence)
    return Symptom("clock", True, f"It is {clock.local(clock.now()):%d/%m/%Y %H:%M:%S} in Vietnam.")


def _links(connection: Connection) -> Iterator[str]:
    """Yield open links by which nothing is sent, and their remarks."""
    known = link_status.facts(connection)
    for link in all_links(connection):
        status = known[link.id]
        if status.state is link_status.LinkHealthState.PROBING:
            yield f"{link.name} gets no answers: {status.probing}. Loa retries by itself."
        if status.state is link_status.LinkHealthState.WAITING:
            yield f"{link.name} has been waiting for answers for a while. It continues by itself."
        if status.state is link_status.LinkHealthState.REFUSING:
            yield f"{link.name} accepts no messages now: {status.refusal}. Loa retries by itself."
        if status.state is link_status.LinkHealthState.LOST:
            yield f"{link.name} is disconnected: {status.refusal or 'no data was received'}."
        if status.remark:
            yield f"{link.name}: {status.remark}"


def _audit(db: Database, settings: Settings) -> Iterator[Symptom]:
    """Check the chain of the audit, its seals, and the heads kept outside the database."""
    chain = db.read(audit.verify, audit.kept(settings))
    yield Symptom("audit", not chain.fault, chain.fault or f"All {chain.rows} acts are unaltered.")
    if not chain.sealed:
        what = (
            "secret_key is not set, so anyone with write access to the database can forge "
            "approvals and the audit log."
        )
        used = bool(settings.links) or db.read(users.any_known)
        yield _unkeyed("seals", settings, what, used)
    kept = f"Heads in {settings.audit_heads} that match the audit log: {chain.compared}."
    none = f"{settings.audit_heads} has no head of the audit log of {settings.ledger_name} yet."
    yield Symptom("heads", True, kept if chain.compared else none)


def _rows(connection: Connection) -> list[Symptom]:
    """Report what in the tables needs a person."""
    found: list[Symptom] = []
    halted = select(links.c.name, links.c.reason).where(links.c.state == LinkState.HALTED.value)
    found += [
        Symptom("links", False, f"{name} is halted: {reason} Run `loa link resume` once that is fixed.")
        for name, reason in connection.execute(halted)
    ]
    found += [Symptom("links", False, words) for words in _links(connection)]
    found += [Symptom("runs", False, words) for words in _stopped(connection)]
    listed = select(func.count()).select_from(unknowns).where(unknowns.c.written_off_by.is_(None))
    unknown = connection.execute(listed).scalar_one()
    if unknown:
        what = (
            f"Deliveries with unknown outcome: {unknown}. Run `loa unknown list` to see and decide on them."
        )
        found.append(Symptom("unknown", False, what))
    waiting = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
    words = f"Receipts that match no message yet: {waiting}." if waiting else "No receipts are waiting."
    found.append(Symptom("quarantine", True, words))
    return found


def _stopped(connection: Connection) -> Iterator[str]:
    """Yield runs that Loa stopped, until somebody decides: by then their rows may be right again."""
    paused = select(runs.c.id).where(runs.c.state == RunState.PAUSED.value).order_by(runs.c.id)
    for number in connection.execute(paused).scalars().all():
        last = approval_digest.last_order(connection, number)
        if last is not None and last.action == approval_digest.STOPPED:
            why = _STOPPED.get(json.loads(last.stored).get("why"), _NOT_AS_APPROVED)
            when = f"{clock.moment(last.at):%d/%m/%Y %H:%M}"
            yield f"Run {number} was stopped on {when} (audit act {last.id}): {why}"


async def examine(
    settings: Settings, links: Mapping[str, LinkSettings], endpoints: Mapping[str, EndpointSettings]
) -> list[Symptom]:
    found = [*settings_file(Path(setting_sources.file())), *wiring(settings), *connections(settings)]
    found += [libraries(), *optional(settings), *papers(settings)]
    found += [*disk(settings), *ledger(settings)]
    looked = await check_endpoints(endpoints, settings.private_endpoints)
    found += [Symptom(f"endpoint {each.link}", each.good, each.what) for each in looked]
    return found + [Symptom(f"link {each.link}", each.good, each.what) for each in await check(links)]
