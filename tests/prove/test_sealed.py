"""Without rights and with a read-only file system Loa imports, sends, reports, and writes nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.devtools.sample_data import write_sample
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.journey import Api, reported
from tests.faults.processes import smpp_link
from tests.faults.sealed import ACCOUNT, SealedHome, folder, hindrance

SUBSCRIBERS = 120


@pytest.fixture(params=["by its rights", "by its mounts"])
def sealed(request: pytest.FixtureRequest) -> Iterator[SealedHome]:
    """A home for an account without rights; once with every other folder mounted read-only."""
    mounts = request.param == "by its mounts"
    if why := hindrance(sealed=mounts):
        pytest.skip(f"a sealed file system can't be shown here: {why}")
    with folder() as place:
        home = SealedHome(place, sealed=mounts)
        try:
            yield home
        finally:
            home.end()


async def test_a_campaign_goes_through_and_nothing_is_written_but_data(sealed: SealedHome) -> None:
    files = write_sample(sealed.folder / "files", SUBSCRIBERS, seed=3)
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as centre:
        sealed.configure({"viettel": smpp_link("viettel", centre.port)})
        author = (await sealed.command("key", "add", "author")).splitlines()[-1]
        chief = (await sealed.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
        program = sealed.start("up")
        await sealed.until(lambda: "listening" in program.words(), "the API listens")
        headers = {"Authorization": f"Bearer {author}"}
        async with httpx.AsyncClient(base_url=sealed.base, headers=headers, timeout=30) as http:
            await _journey(Api(http, sealed, chief), files["viettel"])
        assert await program.stop() == 0, program.words()
        assert centre.report()["copies_max"] == 1
    verdict = json.loads((await sealed.command("verify", "--json")).splitlines()[-1])
    assert verdict["differences"] == []
    assert sealed.strays() == []
    _only_the_ledger_is_left(sealed.folder / "data")


async def _journey(api: Api, file: Path) -> None:
    """From the upload to every form of the report."""
    batch = await api.upload("viettel", file)
    run = (await api.approved({"viettel": batch}))["viettel"]
    await api.post(f"/v1/runs/{run}/start")
    await api.wait({f"/v1/runs/{run}": "finished"})
    await reported(api, run, batch)
    for form in ("docx", "pdf", "xlsx", "csv"):
        answer = await api.http.get(f"/v1/runs/{run}/report?format={form}")
        assert answer.is_success, answer.text
        assert answer.content
    await api.post("/v1/reports", json={"run_id": run})


def _only_the_ledger_is_left(data: Path) -> None:
    """And heads of the audit, each with its time."""
    found = [each for each in data.rglob("*") if each.is_file()]
    assert {each.name.partition(".")[0] for each in found} == {"loa", "audit-heads"}
    assert {each.stat().st_uid for each in found} == {ACCOUNT}
    # Nothing in it is anybody else's to read.
    assert oct(os.stat(data).st_mode & 0o077) == "0o0"
