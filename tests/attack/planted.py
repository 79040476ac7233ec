"""Secrets that are looked for wherever they must not be: logs, answers, errors, commands, processes, rows."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pyotp
from sqlalchemy import update

from app.accounts import service
from app.accounts.service import NewPerson
from app.database.models import people
from app.security.secret_encryption import vault_of
from carriers.simulators.smsc import Smsc
from tests.attack.files import _children
from tests.attack.host import COOKIE, SETTINGS, Attacked, Stranger, host, stranger
from tests.attack.outcome import Outcome
from tests.attack.packed import MB, squeezed
from tests.attack.scene import HOST
from tests.faults.processes import free_port, smpp_link
from tests.faults.test_http_journey import VNPT_ACCOUNT
from tests.operations import new_key

_WORD = "quan ho nghin nam thang"  # of a person, and nobody else's
_PLANTED = {
    "smpp": "pw-of-smpp-7Q",
    "vnpt": "pw-of-vnpt-8Q",
    "viettel": "pw-of-viettel-9Q",
    "token": "token-of-webhook-0123456789",
    "hmac": "hmac-of-webhook-0123456789",
    "basic": "basic-of-webhook-0123456789",
    "mail": "pw-of-mail-5Q",
    "endpoint": "whsec_" + base64.b64encode(b"endpoint-secret-0123456789abcdef").decode(),
    "previous": "P" * 43 + "=",
}
_IN_PATHS = ("token", "key")  # that somebody may well put there by mistake
_READ = (
    *(
        "/v1/links",
        "/v1/keys",
        "/v1/users",
        "/v1/audit",
        "/v1/audit/verification",
        "/v1/me",
        "/metrics",
        "/readyz",
    ),
    *("/openapi.json", "/", "/links", "/keys", "/people", "/people/thu", "/audit", "/audit/verification"),
    *("/account", "/overview", "/v1/notices", "/notices", "/docs", "/receipts"),
)
_COMMANDS = (
    *(
        ("doctor",),
        ("verify", "--json"),
        ("audit", "export", "--after", "0"),
        ("key", "list"),
        ("user", "list"),
    ),
    *(("carrier", "check", "viettel"), ("carrier", "check", "vnpt"), ("link", "list"), ("carrier", "list")),
)


class Found:
    """Everything that was said, by where; and what must not be in it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []
        self.secrets = dict(_PLANTED)
        self.tracebacks: list[str] = []  # which show lines of the program, and sometimes values

    def take(self, where: str, said: bytes | str) -> None:
        self.said.append((where, said.encode() if isinstance(said, str) else said))

    def leaks(self) -> list[str]:
        """Which secret is where, in any usual spelling."""
        spellings = {name: list(_spelled(secret)) for name, secret in self.secrets.items()}
        return [
            f"{name} in {where}"
            for where, said in self.said
            for name, those in spellings.items()
            if any(each in said for each in those)
        ]


def _spelled(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield from (raw, quote(secret, safe="").encode(), raw.hex().encode(), json.dumps(secret)[1:-1].encode())
    for begin in range(3):  # base64 of it has one of three forms, wherever it begins in what is packed
        yield base64.b64encode(b"x" * begin + raw)[4 if begin else 0 : -4]


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A carrier that answers with what it was sent: a server's page of errors does so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            said = await asyncio.wait_for(reader.read(65_536), 5)
            writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _configure(home: Attacked, smpp: int, web: int) -> None:
    there = f"http://127.0.0.1:{web}"
    links: dict[str, dict[str, object]] = {
        "viettel-1": {
            "carrier": "viettel",
            "kind": "viettel",
            "base_url": there,
            "user": "loa",
            "cp_code": "SLA",
        },
        "vnpt-1": {"carrier": "vnpt", "kind": "vnpt", "base_url": there} | VNPT_ACCOUNT,
        "gmobile-1": smpp_link("gmobile", smpp),
    }
    links["viettel-1"]["cp_code"] = "SLA"
    for name, secret in (("viettel-1", "viettel"), ("vnpt-1", "vnpt"), ("gmobile-1", "smpp")):
        links[name] |= {"password": _PLANTED[secret], "segments_per_second": 10}
    more = '\n[links.vnpt-1.templates]\n800123 = "{D,1000}"\n[links.gmobile-1.webhook]\n'
    more += (
        f'hmac_secret = "{_PLANTED["hmac"]}"\nbasic_user = "loa"\nbasic_password = "{_PLANTED["basic"]}"\n'
    )
    more += f'token = "{_PLANTED["token"]}"\n[mail]\nhost = "127.0.0.1"\nport = {free_port()}\n'
    more += f'username = "loa"\npassword = "{_PLANTED["mail"]}"\nsender = "loa@example.vn"\n'
    more += f'[endpoints.ours]\nurl = "https://127.0.0.1:{free_port()}/"\nsecret = "{_PLANTED["endpoint"]}"\n'
    home.configure(links, more, private_endpoints=True)


async def attack(engine: str, short: bool) -> list[Outcome]:
    """Secrets are typed everywhere, and everything is read."""
    found = Found()
    with host(engine, LOA_PREVIOUS_SECRET_KEY=_PLANTED["previous"]) as home:
        found.secrets["key of the service"] = home.secrets["LOA_SECRET_KEY"]
        async with Smsc(accounts={"loa": "another"}) as smsc, echo() as web:
            _configure(home, smsc.port, web)
            _accounts(home, found)
            program = await home.up()
            async with stranger(home.base) as caller:
                await _typed(caller, found, list(found.secrets)[:: 3 if short else 1])
                await _read(caller, found)
                await _processes(home, caller, found, program.process.pid)
            await program.stop()
            for command in [("doctor", "--offline")] if short else _COMMANDS:
                found.take(f"loa {' '.join(command)}", await home.said(*command))
            found.take("the log", program.log.read_bytes())
            await _wrong(home, found, short)
        for table, rows in home.rows().items():
            found.take(f"table {table}", "\n".join(rows))
        for file in _files(home):
            found.take(f"file {file.name}", file.read_bytes())
    leaks = found.leaks() + [f"a traceback by {where}" for where in found.tracebacks]
    told = f"{len(found.secrets)} secrets in {len(found.said)} places: {', '.join(leaks[:8]) or 'none'}"
    return [Outcome(f"planted secrets, {engine}", "looked for", len(found.said), told, not leaks)]


def _files(home: Attacked) -> list[Path]:
    """What Loa has written; the settings are the host's own."""
    own = [each for each in home.folder.rglob("*") if each.is_file()]
    return [each for each in own if each.name != "loa.toml"]


def _accounts(home: Attacked, found: Found) -> None:
    db = home.keyed()
    try:
        vault = vault_of(SETTINGS)
        db.write(service.add_person, NewPerson("thu", "admin"), _WORD, HOST)
        secret, _ = db.write(service.enrol, "thu", "thu", vault)
        codes = db.write(service.confirm, "thu", pyotp.TOTP(secret).now(), "thu", vault)
        db.write(lambda c: c.execute(update(people).values(totp_step=0)))
        found.secrets |= {"password": _WORD, "second factor": secret, "recovery code": codes[0]}
        found.secrets["key"] = new_key(db, "boss", who=HOST)
    finally:
        db.close()


async def _typed(caller: Stranger, found: Found, names: list[str]) -> None:
    """These secrets where they do not belong: in paths, questions, heads, bodies that can't be read."""
    for name in names:
        secret = found.secrets[name]
        said = quote(secret, safe="")
        paths = [f"/v1/me?key={said}", f"/webhooks/gmobile/gmobile-1?token={said}", f"/sign-in?next={said}"]
        if name in _IN_PATHS:
            paths += [
                f"{each}/{said}" for each in ("/v1/runs", "/v1/keys", "/webhooks/vnpt/vnpt-1", "", "/keys")
            ]
        for path in paths:
            await caller.send("GET", path, headers={"Authorization": f"Bearer {secret}"})
            await caller.send("POST", path, content=b"{" + secret.encode(), headers={"Cookie": f"a={said}"})
        for body in ({"name": secret, "password": 1}, {"name": "thu", "password": secret, "code": secret}):
            answer = await caller.send("POST", "/v1/session", json=body)
            if answer.status != 201:
                found.take(f"the answer to a sign-in with {name}", answer.body)
        await caller.send("POST", "/sign-in", data={"name": secret, "password": secret})


async def _read(caller: Stranger, found: Found) -> None:
    """As an administrator, by key and by session; and as nobody."""
    key = {"Authorization": f"Bearer {found.secrets['key']}"}
    code = pyotp.TOTP(found.secrets["second factor"]).now()
    signed = await caller.send("POST", "/v1/session", json={"name": "thu", "password": _WORD, "code": code})
    heads: list[dict[str, str]] = [key, {}]
    if signed.status == 201:
        token = found.secrets["session"] = caller.cookies[COOKIE]
        heads.append({"Cookie": f"{COOKIE}={token}"})
    for headers in heads:
        for path in _READ:
            found.take(f"the answer of {path}", (await caller.send("GET", path, headers=headers)).body)


async def _processes(home: Attacked, caller: Stranger, found: Found, pid: int) -> None:
    """Command lines of Loa and of what it starts, and what these are given in their environment."""
    bomb = home.folder / "hostile"
    squeezed(bomb, b"phone\n", b"912345678\n", 64 * MB)
    files = {"file": ("a.gz", bomb.read_bytes())}
    key = {"Authorization": f"Bearer {found.secrets['key']}"}
    await caller.send("POST", "/v1/batches", files=files, data={"carrier": "vnpt"}, headers=key)
    bomb.unlink()
    for _ in range(100):
        children = _children(pid)
        for each in children:
            _shown(found, each, "cmdline", "environ")
        if children:
            break
        await asyncio.sleep(0.02)
    _shown(found, pid, "cmdline")


def _shown(found: Found, pid: int, *names: str) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            found.take(f"{name} of a process", Path(f"/proc/{pid}/{name}").read_bytes())


async def _wrong(home: Attacked, found: Found, short: bool) -> None:
    """What is said of settings that can't be right, by each command that reads them."""
    good = dict(home.secrets)
    wrong = {
        "LOA_SECRET_KEY": "a-secret-that-is-too-short",
        "LOA_DATABASE_URL": "postgresql://loa:pw-of-database-1Q@127.0.0.1:1/none",
        "LOA_MIGRATION_DATABASE_URL": "postgresql:/loa:pw-of-owner-2Q@127.0.0.1:1/none",
        "LOA_LINKS__VNPT-1__PASSWORD__X": "pw-in-the-wrong-place-3Q",
        "LOA_MAIL__PASSWORD": "pw-of-another-mail-4Q",
        "LOA_ENDPOINTS__OURS__SECRET": "not-a-whsec-6Q-0123456789",
    }
    if short:  # a database that does not answer is waited for
        wrong = {name: wrong[name] for name in ("LOA_SECRET_KEY", "LOA_MIGRATION_DATABASE_URL")}
    for name, value in wrong.items():
        home.secrets = good | {name: value}
        found.secrets[name] = value if "://" not in value else value.split(":")[2].split("@")[0]
        for command in (("doctor", "--offline"), ("link", "list"))[: 1 if short else None]:
            said = await home.said(*command)
            found.take(f"loa {command[0]} with a wrong {name}", said)
            if "Traceback" in said:
                found.tracebacks.append(f"loa {command[0]} with a wrong {name}")
    home.secrets = good
