"""One campaign over all four interfaces, against real processes: simulators, ledger and report agree."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.devtools.sample_data import write_sample
from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from carriers.simulators.web import WebSimulator
from carriers.simulators.web.webhook import Webhook
from tests.faults.journey import Api, content, reported
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View

SUBSCRIBERS = 800
SHARES = {"viettel": 0.4, "vnpt": 0.3, "mobifone": 0.2, "vietnamobile": 0.1}
SECRET = "journey-0123456789abcdef"  # of this test alone
FAILS = {"outcomes": "UNDELIV/001=0.05,EXPIRED/027=0.03"}
VNPT_ACCOUNT = {"user": "loa", "portal_user": "SONLA_CA", "agent_id": "999", "contract_id": "70001"}
VNPT_ACCOUNT |= {"label_id": "900101", "label": "CA SON LA", "traffic": "cskh"}


@contextlib.asynccontextmanager
async def carriers(home: Home) -> AsyncIterator[dict[str, WebSimulator | Smsc]]:
    """Every carrier with behaviour of its own; some answers are lost, some numbers are not theirs."""
    hook = Webhook(f"{home.base}/webhooks/viettel/viettel-1", SECRET)
    viettel = ViettelBehaviour(hang=0.01, early=0.1, twice=0.1, receipt_batch=20, gzip=0.3, **FAILS)
    vnpt = VnptBehaviour(hang=0.05, error_502=0.05, ported="07=3", refused="13", **FAILS)
    mobifone = MobifoneBehaviour(hang=0.01, session_age_s=1.0, refused="13", **FAILS)
    smsc = SmscBehaviour(receipt_delay_s=0.1, early=0.1, twice=0.1, **FAILS)
    async with (
        Viettel(viettel, webhook=hook) as one,
        Vnpt(vnpt) as two,
        Mobifone(mobifone) as three,
        Smsc(smsc) as four,
    ):
        yield {"viettel": one, "vnpt": two, "mobifone": three, "vietnamobile": four}


def links(found: dict[str, Any]) -> dict[str, dict[str, object]]:
    """One link to each, as loa.toml has them."""
    common = {"password": "loa-0", "segments_per_second": 2000, "answer_timeout_s": 1.0, "in_flight": 10}

    def link(kind: str, **own: object) -> dict[str, object]:
        return {"carrier": kind, "kind": kind, "base_url": found[kind].url, **common, **own}

    return {
        "viettel-1": link("viettel", user="loa", cp_code="SLA", receipt_level="handset", accented=False),
        "vnpt-1": link("vnpt", **VNPT_ACCOUNT, poll="all", poll_after_s=0.5, queries_per_second=500),
        "mobifone-1": link("mobifone", user="loa", session_s=0.7),
        "vietnamobile-1": smpp_link("vietnamobile", found["vietnamobile"].port),
    }


def tables(found: dict[str, Any]) -> str:
    """What a table in loa.toml has to hold besides."""
    return (
        f'\n[links.viettel-1.webhook]\nhmac_secret = "{SECRET}"\n'
        '\n[links.vnpt-1.templates]\n800123 = "{D,1000}"\n'
    )


@pytest.mark.prove
async def test_a_campaign_over_every_interface_agrees_to_the_last_message(home: Home) -> None:
    files = write_sample(home.folder / "files", SUBSCRIBERS, 3, SHARES)
    async with carriers(home) as found:
        home.configure(links(found), tables(found), lease_seconds=2)
        key = (await home.command("key", "add", "journey")).splitlines()[-1]
        chief = (await home.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
        programs = home.all()
        async with httpx.AsyncClient(base_url=home.base, headers={"Authorization": f"Bearer {key}"}) as http:
            await home.until(lambda: "listening" in programs[0].words(), "the API listens")
            api = Api(http, home, chief)
            batches = {carrier: await api.upload(carrier, file) for carrier, file in files.items()}
            runs = await api.approved(batches)
            for run in runs.values():
                assert (await api.post(f"/v1/runs/{run}/start"))["state"] == "running"
            own = {f"/v1/runs/{run}": "finished" for carrier, run in runs.items() if carrier != "mobifone"}
            await api.wait({f"/v1/runs/{runs['mobifone']}": "sent"})
            await results(api, home.folder, found["mobifone"])
            await api.wait(own)
            for carrier, run in runs.items():
                await agreed(api, run, batches[carrier], found[carrier])
        for program in programs:
            assert await program.stop() == 0, program.words()
    assert View(home.url).leases() == 0
    verdict = json.loads((await home.command("verify", "--json")).splitlines()[-1])
    assert verdict["differences"] == []


async def results(api: Api, folder: Path, mobifone: Mobifone) -> None:
    """MobiFone brings no receipts: what became of its messages comes in a file of its own."""
    file = folder / "mobifone-results.csv"
    mobifone.write_results(file)
    sent = {"files": {"file": (file.name, content(file), "text/csv")}}
    told = await api.post("/v1/receipt-files", **sent, data={"carrier": "mobifone", "level": "handset"})
    await api.wait({f"/v1/receipt-files/{told['id']}": "ready"})


async def agreed(api: Api, run: int, batch: dict[str, Any], carrier: WebSimulator | Smsc) -> None:
    """The report's figures are those of the ledger and of the carrier's own book."""
    general = await reported(api, run, batch)
    seen = carrier.report()
    assert seen["copies_max"] == 1
    received = general["received_by_handset_messages"] + general["taken_by_operator_messages"]
    unknown, refused = general["unknown_messages"], general["failed_messages"]
    taken = seen["distinct_numbers"]
    assert taken <= general["sent_messages"]
    if isinstance(carrier, Smsc):
        assert (taken, unknown) == (general["sent_messages"], 0)
        return
    fates = Counter(message.outcome.status for message in carrier.messages)
    # Whatever was taken and has a fate has been heard of, unknown ones included.
    assert received == fates["DELIVRD"]
    never_taken = general["sent_messages"] - taken
    assert refused + unknown == fates["UNDELIV"] + fates["EXPIRED"] + never_taken
