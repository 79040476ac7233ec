"""The claim: a service with a secret_key stamps what it approves and seals what it notes, as commands do."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select

from app.core.config import Settings
from app.database import audit_heads
from app.database.connection import Database
from app.database.models import approvals
from app.database.models import audit as acts
from app.devtools.sample_data import write_sample
from app.security import audit
from app.security.audit import KeptHeads
from app.security.secret_encryption import signing_keys
from tests.engines import other_by_hand
from tests.faults.journey import Api
from tests.faults.processes import Home

KEY = "K" * 43 + "="


@pytest.mark.prove
@other_by_hand
async def test_a_service_stamps_its_approvals_seals_its_audit_and_keeps_its_heads(home: Home) -> None:
    home.configure({}, secret_key=KEY)
    file = write_sample(home.folder / "files", 30, seed=3)["viettel"]
    author = (await home.command("key", "add", "author")).splitlines()[-1]
    chief = (await home.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
    programs = home.all()
    await home.until(lambda: "listening" in programs[0].words(), "the API listens")
    headers = {"Authorization": f"Bearer {author}"}
    async with httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30) as http:
        api = Api(http, home, chief)
        batch = await api.upload("viettel", file)
        await api.approved({"viettel": batch})
        said = (await http.get("/v1/audit/verification")).json()
        assert (said["fault"], said["sealed"]) == (None, True)
        assert said["compared"] >= 1
    assert "the head of the audit" in programs[0].words()
    for program in programs:
        assert await program.stop() == 0, program.words()
    assert "each sealed by secret_key" in await home.command("audit", "verify")
    _as_the_file_says(home)


def _as_the_file_says(home: Home) -> None:
    settings = Settings.model_validate({"secret_key": KEY})
    db = Database(home.url, keys=signing_keys(settings))
    try:
        stamps = db.read(lambda c: c.execute(select(approvals.c.stamp)).scalars().all())
        assert stamps
        assert None not in stamps
        kept = audit_heads.kept(home.folder / "audit-heads")
        assert db.read(audit.verify, KeptHeads(kept, 24)).fault is None
        done = select(acts.c.id).where(acts.c.action == "campaign.approved")
        approved = db.read(lambda c: c.execute(done).scalars().all())
        assert set(approved) <= {each.row for each in kept}
    finally:
        db.close()
