"""Settings of links that are changed after the approval: label, template, sender, spelling of the text."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from app.devtools.sample_data import write_sample
from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from tests.attack.host import Attacked, host
from tests.attack.outcome import Outcome
from tests.faults.journey import Api
from tests.faults.processes import smpp_link
from tests.faults.test_http_journey import VNPT_ACCOUNT

ATTACK = "settings changed after the approval"
SUBSCRIBERS = 30
_SHARES = {"viettel": 0.25, "vnpt": 0.25, "mobifone": 0.25, "vietnamobile": 0.25}
_TEMPLATES = {"800123": "{D,1000}"}
_QUIET_S = 3.0
# By carrier: what each setting is changed to that bears on text or sender.
CHANGES: dict[str, dict[str, Any]] = {
    "vnpt": {
        "contract_id": "70002",
        "label_id": "900102",
        "label": "CA SON LB",
        "traffic": "qc",
        "templates": {"800124": "{D,1000}"},
    },
    "viettel": {"cp_code": "SLB", "command_code": "bulk2", "accented": True, "plain_type": "F"},
    "mobifone": {"bind_mode": "X", "ucs2": False},
    "vietnamobile": {
        "source_ton": 1,
        "source_npi": 1,
        "service_type": "CMT",
        "ucs2": False,
        "gsm_data_coding": 1,
        "gsm_alphabet": "latin1",
    },
}
_SHORT = {"vnpt": ("label_id", "templates")}
Taken = Callable[[], int]


@contextlib.asynccontextmanager
async def centres() -> AsyncIterator[dict[str, Any]]:
    """One of each kind, which take everything."""
    async with (
        Viettel(ViettelBehaviour()) as viettel,
        Vnpt(VnptBehaviour()) as vnpt,
        Mobifone(MobifoneBehaviour()) as mobifone,
        Smsc(SmscBehaviour()) as smsc,
    ):
        yield {"viettel": viettel, "vnpt": vnpt, "mobifone": mobifone, "vietnamobile": smsc}


def taken(centre: Any) -> int:
    """How many messages it was given."""
    return int(centre.taken()) if isinstance(centre, Smsc) else len(centre.messages)


def configure(home: Attacked, found: dict[str, Any], changed: str = "", **settings: Any) -> None:
    """A link to each, and of that carrier these settings."""
    common = {"password": "loa-0", "segments_per_second": 2000, "answer_timeout_s": 5.0}
    links: dict[str, dict[str, object]] = {
        "viettel": {"user": "loa", "cp_code": "SLA", "receipt_level": "handset", "accented": False},
        "vnpt": dict(VNPT_ACCOUNT),
        "mobifone": {"user": "loa"},
    }
    links = {
        name: {"carrier": name, "kind": name, "base_url": found[name].url, **common, **own}
        for name, own in links.items()
    }
    links["vietnamobile"] = smpp_link("vietnamobile", found["vietnamobile"].port)
    templates = settings.pop("templates", _TEMPLATES)
    if changed:
        links[changed] |= settings
    told = "\n".join(f'{number} = "{text}"' for number, text in templates.items())
    more = f"\n[links.vnpt-1.templates]\n{told}\n"
    home.configure({f"{name}-1": link for name, link in links.items()}, more)


async def attack(engine: str, short: bool) -> list[Outcome]:
    """One approval, then one change after the other; at last the settings of then, by which all goes out."""
    wanted = _SHORT if short else {carrier: tuple(own) for carrier, own in CHANGES.items()}
    with host(engine) as home:
        async with centres() as found:
            runs = await _approved(home, found)
            outcomes = []
            for carrier, names in wanted.items():
                for name in names:
                    configure(home, found, carrier, **{name: CHANGES[carrier][name]})
                    outcomes.append(await _started(home, found[carrier], runs[carrier], f"{carrier}: {name}"))
            configure(home, found)
            outcomes.append(await _put_back(home, found, {each: runs[each] for each in wanted}))
    return [each._replace(attack=f"{ATTACK}, {engine}") for each in outcomes]


_KEYS: dict[str, str] = {}


async def _approved(home: Attacked, found: dict[str, Any]) -> dict[str, int]:
    """A campaign with a run at each carrier."""
    files = write_sample(home.folder / "files", SUBSCRIBERS, 3, _SHARES)
    configure(home, found)
    for name, role in (("author", "admin"), ("chief", "approver")):
        _KEYS[name] = (await home.said("key", "add", name, "--role", role)).split()[-1]
    program = await home.up()
    async with _http(home) as http:
        api = Api(http, home, _KEYS["chief"])
        runs = await api.approved({name: await api.upload(name, file) for name, file in files.items()})
    await program.stop()
    return runs


def _http(home: Attacked) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {_KEYS['author']}"}
    return httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30)


async def _ordered(http: httpx.AsyncClient, run: int) -> str:
    """Start it, or resume it once it was stopped; its state."""
    state = (await http.get(f"/v1/runs/{run}")).json()["state"]
    await http.post(f"/v1/runs/{run}/{'start' if state == 'planned' else 'resume'}")
    return str((await http.get(f"/v1/runs/{run}")).json()["state"])


async def _started(home: Attacked, centre: Any, run: int, what: str) -> Outcome:
    """Nothing goes out by the changed link, the run is stopped, and the doctor names it."""
    before = taken(centre)
    program = await home.up()
    async with _http(home) as http:
        state = await _ordered(http, run)
        quiet = time.monotonic() + _QUIET_S
        while state == "running" and time.monotonic() < quiet:
            await asyncio.sleep(0.1)
            state = (await http.get(f"/v1/runs/{run}")).json()["state"]
    await program.stop()
    doctor = (await home.said("doctor", "--offline")).splitlines()
    named = [line[4:].strip() for line in doctor if line.startswith("BAD") and f"un {run} " in line]
    named += [line[4:].strip() for line in doctor if line.startswith("BAD   links")]
    went = taken(centre) - before
    said = f"{went} sent, the run is {state}, {'the doctor names it' if named else 'NOBODY names it'}"
    return Outcome("", what, 1, said, not went and bool(named))


async def _put_back(home: Attacked, found: dict[str, Any], runs: dict[str, int]) -> Outcome:
    """With the settings of then all of it goes out, so nothing but the change was in the way."""
    await home.up()
    async with _http(home) as http:
        for carrier, run in runs.items():
            for link in (await http.get("/v1/links")).json():
                if link["carrier"] == carrier and link["state"] == "halted":
                    await http.post(f"/v1/links/{link['id']}/resume")
            await _ordered(http, run)
        with contextlib.suppress(AssertionError):
            await home.until(lambda: all(taken(found[each]) for each in runs), "all send")
    went = {each: taken(found[each]) for each in runs}
    return Outcome("", "none, so that it can be seen to send", len(runs), f"sent {went}", all(went.values()))
