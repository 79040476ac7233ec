"""The whole life of a campaign over HTTP against real processes, from upload to verified report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from app.core.states import DeliveryState
from app.devtools.sample_data import write_sample
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import other_by_hand
from tests.faults.journey import Api, reported
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View

SUBSCRIBERS = 600
BEHAVIOUR = {
    "viettel": SmscBehaviour(
        receipt_delay_s=0.2, outcomes="UNDELIV/001=0.05,EXPIRED/027=0.03", out_of_order=True
    ),
    "vnpt": SmscBehaviour(receipt_delay_s=0.1, early=0.5, twice=0.2, throttle=0.1),
    "mobifone": SmscBehaviour(unanswered=0.1, refusals="0x0B=0.05", receipt_delay_s=0.3),
}


@contextlib.asynccontextmanager
async def centres() -> AsyncIterator[dict[str, Smsc]]:
    """One message centre for each carrier, each with behaviour of its own."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(Smsc(behaviour)) for name, behaviour in BEHAVIOUR.items()
        }


@other_by_hand
async def test_a_campaign_goes_from_three_files_to_a_verified_report(home: Home) -> None:
    files = write_sample(home.folder / "files", SUBSCRIBERS, seed=3)
    async with centres() as smscs:
        links = {n: smpp_link(n, s.port, response_timeout_s=2.0) for n, s in smscs.items()}
        home.configure(links, lease_seconds=2)
        key = (await home.command("key", "add", "journey")).splitlines()[-1]
        chief = (await home.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
        programs = home.all()
        async with httpx.AsyncClient(base_url=home.base, headers={"Authorization": f"Bearer {key}"}) as http:
            await home.until(lambda: all("listening" in p.words() for p in programs[:1]), "the API listens")
            api = Api(http, home, chief)
            batches = {carrier: await api.upload(carrier, file) for carrier, file in files.items()}
            runs = await api.approved(batches)
            for run in runs.values():
                await _foreseen(api, run)
                assert (await api.post(f"/v1/runs/{run}/start"))["state"] == "running"
            await api.wait({f"/v1/runs/{run}": "finished" for run in runs.values()})
            for carrier, run in runs.items():
                await _counted(api, run, batches[carrier], smscs[carrier])
        for program in programs:
            assert await program.stop() == 0, program.words()
        assert all(smsc.binds() == 0 for smsc in smscs.values())
    view = View(home.url)
    assert (view.leases(), view.listed()) == (0, set())
    verdict = json.loads((await home.command("verify", "--json")).splitlines()[-1])
    assert verdict["differences"] == []


async def _foreseen(api: Api, run: int) -> None:
    forecast = await api.get(f"/v1/runs/{run}/forecast")
    assert forecast["segments"] >= forecast["subscribers"] > 0


async def _counted(api: Api, run: int, batch: dict[str, Any], smsc: Smsc) -> None:
    """The report's figures are those that the carrier's own centre counted."""
    general = await reported(api, run, batch)
    seen = smsc.report()
    assert seen["copies_max"] == 1
    assert (await api.get(f"/v1/runs/{run}/unknown"))["items"] == []
    assert seen["distinct_numbers"] + seen["refused"] == general["sent_messages"]
    assert (
        len(View(api.home.url).phones(DeliveryState.DELIVERED) & set(smsc.numbers()))
        == (general["received_by_handset_messages"])
    )
    assert seen["receipts_outstanding"] == 0
