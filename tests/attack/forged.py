"""Webhooks, keys and sessions that somebody has made up, kept from before, or seen go by."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyotp
from sqlalchemy import NullPool, create_engine, func, select, update

from app.accounts.keys import RotationBody
from app.database.models import people, quarantine, receipts
from app.database.models import sessions as sessions_table
from carriers.signature import sign
from tests.app.receipts.hooks import DOOR, event, sent
from tests.attack.host import COOKIE, Attacked, Stranger, host, stranger
from tests.attack.outcome import Outcome
from tests.attack.scene import FACTORS, HOST, KEYS, PASSWORD, accounts
from tests.faults.processes import free_port, smpp_link
from tests.operations import carry_out, new_key

SECRET, OTHERS = "hmac-secret-0123456", "hmac-secret-of-another"
_AGAIN = 20
Headers = list[tuple[str, str]]


class Call(NamedTuple):
    """A webhook call that must not be taken."""

    what: str
    body: bytes
    headers: Headers
    path: str = DOOR


def _signed(body: bytes, stamp: str, secret: str = SECRET) -> Headers:
    return [("X-Loa-Timestamp", stamp), ("X-Loa-Signature", sign(secret, stamp, body))]


def _stamps() -> Iterator[tuple[str, str]]:
    """Times by which a call is too old, too new, or none at all; each with its right signature."""
    now = int(time.time())
    for name, seconds in (("an hour ago", -3600), ("310 s ago", -310), ("an hour ahead", 3600)):
        yield name, str(now + seconds)
    for said in (f"+{now}", f"{now}.0", f"{now}e0", f"0x{now:x}", f"{now * 1000}", f"{now};", f"{now},{now}"):
        yield f"time {said[:12]}", said
    for said in ("", "-1", "0", "nan", "inf", "９９９９９９９９９９"[:10], "9" * 400, time.ctime(now)):
        yield f"time {said[:12]!r}", said


def _signatures(body: bytes, now: str) -> dict[str, str]:
    """What stands where the signature belongs."""
    right = sign(SECRET, now, body)
    raw = bytes.fromhex(right)
    return {
        "no signature": "",
        "half of it": right[:32],
        "one digit more": right + "0",
        "one digit other": ("1" if right[0] == "0" else "0") + right[1:],
        "base64": base64.b64encode(raw).decode(),
        "sha1": hmac.new(SECRET.encode(), now.encode() + b"." + body, "sha1").hexdigest(),
        "sha512": hmac.new(SECRET.encode(), now.encode() + b"." + body, "sha512").hexdigest(),
        "without a key": hashlib.sha256(now.encode() + b"." + body).hexdigest(),
        "of the body alone": hmac.new(SECRET.encode(), body, "sha256").hexdigest(),
        "of nothing": sign(SECRET, now, b""),
        "with an empty secret": sign("", now, body),
        "of another link": sign(OTHERS, now, body),
        "sha512=": f"sha512={right}",
        "md5=": f"md5={right}",
        "sha256=sha256=": f"sha256=sha256={right}",
        "twice in one": f"{right}, {right}",
        "a list": f"{'0' * 64},{right}",
        "zeros": "0" * 64,
        "true": "true",
        "null": "null",
        "10 kB": right * 150,
        "with a blank inside": f"{right[:10]} {right[10:]}",
    }


def calls(body: bytes) -> Iterator[Call]:
    """Every way in which a signature, a time, a link or a body is not what the carrier signed."""
    now = str(int(time.time()))
    right = sign(SECRET, now, body)
    for name, stamp in _stamps():
        if stamp.isascii():
            yield Call(name, body, _signed(body, stamp))
    for name, said in _signatures(body, now).items():
        yield Call(f"signature {name}", body, [("X-Loa-Timestamp", now), ("X-Loa-Signature", said)])
    yield Call("no time", body, [("X-Loa-Signature", right)])
    yield Call("no head at all", body, [])
    yield Call("two signatures", body, [*_signed(body, now), ("X-Loa-Signature", "0" * 64)])
    yield Call("two times", body, [*_signed(body, now), ("X-Loa-Timestamp", str(int(now) - 1))])
    yield Call("another body", json.dumps(event(3)).encode(), _signed(body, now))
    yield Call("a blank behind the body", body + b" ", _signed(body, now))
    yield Call("packed", body, [*_signed(body, now), ("Content-Encoding", "gzip")])
    yield Call("at another link", body, _signed(body, now), "/webhooks/viettel/viettel-2")
    yield Call("at another carrier", body, _signed(body, now), "/webhooks/vnpt/viettel-1")
    yield Call("with a token behind", body, [], f"{DOOR}/{SECRET}")
    yield Call("with the secret as a question", body, [], f"{DOOR}?secret={SECRET}&token={SECRET}")
    basic = base64.b64encode(f"loa:{SECRET}".encode()).decode()
    yield Call("with the secret as a password", body, [("Authorization", f"Basic {basic}")])
    yield Call(
        "as if from this machine", body, [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")]
    )


async def attack(engine: str, short: bool) -> list[Outcome]:
    """Webhooks, then keys and sessions, against one Loa."""
    with host(engine) as home:
        hooks = [f'[links.viettel-{n}.webhook]\nhmac_secret = "{s}"' for n, s in ((1, SECRET), (2, OTHERS))]
        links = {f"viettel-{n}": smpp_link("viettel", free_port()) for n in (1, 2)}
        home.configure(links, more="\n".join(hooks))
        db = home.keyed()
        sent(db, 5)
        accounts(db)
        made = {each: new_key(db, each, who=HOST) for each in ("own", "old")}
        carry_out(db, "rotate_key", HOST, name="old", body=RotationBody(overlap_hours=0))
        db.close()
        await home.up()
        async with stranger(home.base) as caller:
            return [
                *await _webhooks(home, caller, engine),
                *await _let_in(home, caller, engine, made | {"gone": KEYS["gone"]}),
            ]


# ---- webhooks ---------------------------------------------------------------------------------------------


def _kept(home: Attacked) -> tuple[int, int]:
    """Receipts in the journal, and in quarantine."""
    engine = create_engine(home.url, poolclass=NullPool)
    with engine.connect() as c:
        found = [c.execute(select(func.count()).select_from(t)).scalar_one() for t in (receipts, quarantine)]
    return found[0], found[1]


async def _webhooks(home: Attacked, caller: Stranger, engine: str) -> list[Outcome]:
    attack = f"webhooks, {engine}"
    body, before, wrong, count = json.dumps(event(2)).encode(), _kept(home), list[str](), 0
    for call in calls(body):
        answer = await caller.send("POST", call.path, content=call.body, headers=call.headers)
        count += 1
        # A carrier whose clock is wrong is told so, if the signature is right; nothing of it is taken.
        refused = answer.status in (403, 415) or (answer.status == 503 and b"webhook-clock" in answer.body)
        if not refused or _kept(home) != before:
            wrong.append(f"{call.what}: {answer.status}")
    forged = _outcome(attack, "forged calls", count, "each refused, no row is written", wrong)
    now = str(int(time.time()))
    answers = []
    for _ in range(_AGAIN):
        answers.append((await caller.send("POST", DOOR, content=body, headers=_signed(body, now))).status)
    upper = [("X-Loa-Timestamp", now), ("X-Loa-Signature", f"sha256={sign(SECRET, now, body).upper()}")]
    answers.append((await caller.send("POST", DOOR, content=body, headers=upper)).status)
    kept = sum(_kept(home)) - sum(before)
    return [
        forged,
        Outcome(
            attack,
            "one signed call, again and again",
            len(answers),
            f"{kept} kept, answered {sorted(set(answers))}",
            kept == 1 and set(answers) == {200},
        ),
    ]


# ---- keys and sessions ------------------------------------------------------------------------------------


def _keys(made: dict[str, str]) -> Iterator[tuple[str, Headers]]:
    """Heads in which no good key stands; `own` is a good one, written as it must not be."""
    own = made["own"]
    mark, prefix, secret = own.split("_", 2)
    said = {
        "revoked": made["gone"],
        "before its rotation": made["old"],
        "another secret": f"{mark}_{prefix}_{'A' * len(secret)}",
        "no secret": f"{mark}_{prefix}_",
        "a digit short": own[:-1],
        "a digit more": own + "A",
        "in capitals": own.upper(),
        "the hash of the secret": f"{mark}_{prefix}_{hashlib.sha256(secret.encode()).hexdigest()}",
        "a wild card": f"{mark}_%_{secret}",
        "SQL": f"{mark}_{prefix}' OR '1'='1_{secret}",
        "a NUL behind": f"{own}%00",
        "nobody's": f"{mark}_00000000_{secret}",
    }
    yield from ((f"key {name}", [("Authorization", f"Bearer {key}")]) for name, key in said.items())
    basic = base64.b64encode(f"own:{own}".encode()).decode()
    yield "key as a password", [("Authorization", f"Basic {basic}")]
    yield "key without its word", [("Authorization", own)]
    yield "key as a token", [("Authorization", f"Token {own}")]
    yield "key in a cookie", [("Cookie", f"{COOKIE}={own}")]
    yield "key in a head of another name", [("X-API-Key", own)]


async def _let_in(home: Attacked, caller: Stranger, engine: str, made: dict[str, str]) -> list[Outcome]:
    attack, wrong, count = f"keys and sessions, {engine}", list[str](), 0
    token, hashes = await _session(home, caller)
    heads = [*_keys(made), *_sessions(token, hashes)]
    for what, headers in heads:
        for path in ("/v1/me", "/v1/users", "/campaigns"):
            answer = await caller.send("GET", path, headers=headers)
            count += 1
            if answer.status not in (401, 429) and not answer.location.startswith("/sign-in"):
                wrong.append(f"{what} at {path}: {answer.status}")
    for path in (f"/v1/me?key={made['own']}", f"/v1/me?access_token={made['own']}"):
        count += 1
        if (answer := await caller.send("GET", path)).status != 401:
            wrong.append(f"a key in the address: {answer.status}")
    good = await caller.send("GET", "/v1/me", headers=[("Authorization", f"Bearer {made['own']}")])
    if good.status != 200:  # else nothing would be shown by the others
        wrong.append(f"the right key: {good.status}")
    done = await _signed_out(caller, token)
    return [
        _outcome(attack, "forged, old and misplaced ones", count, "none lets in", wrong),
        Outcome(attack, "a session's token after the sign-out", 2, *done),
    ]


async def _session(home: Attacked, caller: Stranger) -> tuple[str, list[str]]:
    """The token of somebody who has signed in, and what the database has of it."""
    code = pyotp.TOTP(FACTORS["lan"]).at(int(time.time()))
    body = {"name": "lan", "password": PASSWORD, "code": code}
    engine = create_engine(home.url, poolclass=NullPool)
    with engine.begin() as c:
        c.execute(update(people).values(totp_step=0))  # that code was used up a moment ago
    answer = await caller.send("POST", "/v1/session", json=body)
    assert answer.status == 201, answer.body
    with engine.connect() as c:
        hashes = [row.token_hash.hex() for row in c.execute(select(sessions_table))]
    return caller.cookies[COOKIE], hashes


def _sessions(token: str, hashes: list[str]) -> Iterator[tuple[str, Headers]]:
    said: dict[str, Any] = {
        "of chance": "loas_" + "A" * 43,
        "a digit short": token[:-1],
        "a digit more": f"{token}A",
        "in capitals": token.upper(),
        "the hash of it": hashes[0],
        "empty": "",
        "a number": "1",
        "SQL": "' OR 1=1 --",
    }
    yield from ((f"session {name}", [("Cookie", f"{COOKIE}={each}")]) for name, each in said.items())
    yield "session under another name", [("Cookie", f"loa_session={token}")]
    yield "session as a key", [("Authorization", f"Bearer {token}")]
    yield "session in the address", [("Referer", f"/v1/me?{COOKIE}={token}")]


async def _signed_out(caller: Stranger, token: str) -> tuple[str, bool]:
    cookie = [("Cookie", f"{COOKIE}={token}")]
    me = await caller.send("GET", "/v1/me", headers=cookie)
    csrf = json.loads(me.body).get("csrf_token", "")
    without = await caller.send("DELETE", "/v1/session", headers=cookie)
    out = await caller.send("DELETE", "/v1/session", headers=[*cookie, ("X-CSRF-Token", csrf)])
    after = await caller.send("GET", "/v1/me", headers=cookie)
    statuses = [each.status for each in (me, without, out, after)]
    return f"{statuses} (without its CSRF token 403)", statuses == [200, 403, 204, 401]


def _outcome(attack: str, what: str, count: int, happened: str, wrong: list[str]) -> Outcome:
    return Outcome(attack, what, count, f"not {', '.join(wrong[:5])}" if wrong else happened, not wrong)
