"""Ids in twelve spellings, over every operation and page that has one, as whoever may not see the thing."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import update

from app.database.models import runs
from app.runtime.api_app import ROUTERS
from app.security import create_key
from app.security.roles import OPEN, may
from app.web import routers
from tests.attack.host import Attacked, Stranger, host, stranger
from tests.attack.outcome import Outcome
from tests.attack.spelling import SPELLED, Operation, spell, with_ids, without_id
from tests.long.app.accounts.scene import NOWHERE, OTHER, Answer, build

TWELVE = SPELLED[:-1]
_KEYS = 6  # of each role: a key has a limit of its own
_ROLES = {"operator": "vnpt", "admin": None, "approver": None, "auditor": None}
_NAMES = re.compile(f"({'|'.join(_ROLES)}) [0-9]")
_REFUSED = (303, 401, 403, 404)


class Try(NamedTuple):
    """One operation, asked for by one role with one spelling."""

    role: str
    operation: Operation
    said: str


def written(said: str) -> str:
    """As it stands in an address: what an address may have as it is stays so."""
    return quote(said, safe="+;")


def tries(operations: list[Operation], short: bool) -> Iterator[Try]:
    """Everything that a role may not do, and for the operator of another carrier everything.

    short: three spellings for each as the operator, other ones each time.
    """
    turn = itertools.cycle(TWELVE)
    for each in operations:
        spellings = [next(turn) for _ in range(3)] if short else [*TWELVE, SPELLED[-1]]
        for role in ("operator",) if short else (*_ROLES, ""):
            if role == "operator" or not (may(role, each.name) or each.name in OPEN):
                yield from (Try(role, each, spell(spelling, OTHER.number)) for spelling in spellings)


async def attack(engine: str, short: bool) -> list[Outcome]:
    """Every try, and whether it was answered as an id that nobody has, and wrote nothing."""
    with host(engine) as home:
        keys = _filled(home)
        await home.up()
        async with stranger(home.base) as caller:
            described = json.loads((await caller.send("GET", "/openapi.json")).body)
            routes = [route for each in (*ROUTERS, *routers.ROUTERS) for route in each.routes]
            operations = with_ids(described, routes)
            before = home.rows()
            wrong, done = await _all(caller, keys, list(tries(operations, short)))
            changed = [name for name, rows in home.rows().items() if rows != before[name]]
    attack = f"spelled ids, {engine}"
    found = [
        Outcome(
            attack,
            f"{len(operations)} operations and pages as {role or 'nobody'}",
            done[role],
            *_said(wrong[role]),
        )
        for role in done
    ]
    written_ = f"rows of {', '.join(changed)} are others" if changed else "not one row is another"
    return [*found, Outcome(attack, "writes by any of them", sum(done.values()), written_, not changed)]


def _said(wrong: list[str]) -> tuple[str, bool]:
    if wrong:
        return f"{len(wrong)} answered otherwise, such as {wrong[0]}", False
    return "each answered as an id that nobody has", True


def _filled(home: Attacked) -> dict[str, list[str]]:
    """Things of two carriers, and keys for each role."""

    db = home.keyed()
    try:
        build(db)
        # Paused ones stay so; a running one without subscribers would be finished by itself.
        db.write(lambda c: c.execute(update(runs).values(state="paused")))
        return {
            role: [db.write(create_key, f"{role} {n}", role, carrier) for n in range(_KEYS)]
            for role, carrier in _ROLES.items()
        }
    finally:
        db.close()


async def _all(
    caller: Stranger, keys: dict[str, list[str]], wanted: list[Try]
) -> tuple[dict[str, list[str]], Counter[str]]:
    """By role: what was answered otherwise than an unknown id; how many were tried."""
    turn = {role: itertools.cycle(own) for role, own in keys.items()} | {"": itertools.cycle([None])}
    unknown: dict[tuple[str, Operation], tuple[int, str]] = {}
    wrong: dict[str, list[str]] = {each.role: [] for each in wanted}
    done: Counter[str] = Counter()
    for role, operation, said in wanted:
        if (role, operation) not in unknown:
            answer = await operation.by(caller, next(turn[role]), str(NOWHERE))
            unknown[role, operation] = _plain(answer, str(NOWHERE))
        answer = await operation.by(caller, next(turn[role]), said, written)
        done[role] += 1
        nobodys, theirs = unknown[role, operation], _plain(answer, said)
        if theirs != nobodys or theirs[0] not in _REFUSED:
            wrong[role].append(
                f"{operation.method} {operation.at(said, written)}: {theirs[0]}, not {nobodys[0]}"
            )
    return wrong, done


def _plain(answer: Answer, said: str) -> tuple[int, str]:
    """Without the name of the key that asked, which a page's head has."""
    status, body = without_id(answer, said)
    return status, _NAMES.sub("", body)
