"""A campaign's recordings: heard, read, added and removed."""

from __future__ import annotations

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Id, Routes
from app.campaigns import lifecycle, queries
from app.campaigns.recording_routes import FIELDS, read_recording
from app.core import audio
from app.core.errors import Conflict, Invalid, TooLarge, VersionChanged
from app.core.states import RunState
from app.security import tenant_scope
from app.web.forms.read_fields import Version, as_read
from app.web.rendering import (
    FormData,
    FormState,
    PageRequest,
    Visit,
    above,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
_REFUSALS = (Invalid, Conflict, VersionChanged)


@router.get("/campaigns/{campaign_id}/recordings")
async def page_recordings(campaign_id: Id, visit: Visit) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    return await _page(visit, campaign_id, FormState())


@router.post("/campaigns/{campaign_id}/recordings")
async def page_do_add_recording(campaign_id: Id, visit: Visit, version: Version = "") -> Response:
    """Take a recording as POST /v1/campaigns/{id}/recordings does."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    request, settings, entered = visit.request, visit.settings, FormData()
    folder = await run_in_threadpool(uploads.small_files, settings)
    try:
        async with uploads.taken(request, settings, folder, audio.MOST_BYTES, field_limit=FIELDS) as upload:
            entered = FormData({name: [value] for name, value in upload.fields.items()})
            content = await run_in_threadpool(upload.path.read_bytes)
            new = await run_in_threadpool(read_recording, upload.fields, content)

            def work(connection: Connection) -> None:
                as_read(connection, campaign_id, version)
                lifecycle.add_recording(connection, campaign_id, new, visit.who.name)

            await visit.db.awrite(work)
    except (*_REFUSALS, TooLarge) as error:
        return await _page(visit, campaign_id, refused(error, entered))
    return _done(visit, campaign_id, say("The recording is added."))


@router.post("/campaigns/{campaign_id}/recordings/{recording_id}/remove")
async def page_do_remove_recording(
    campaign_id: Id, recording_id: Id, visit: Visit, version: Version = ""
) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        as_read(connection, campaign_id, version)
        lifecycle.remove_recording(connection, campaign_id, recording_id, visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _page(visit, campaign_id, above(error))
    return _done(visit, campaign_id, say("The recording is removed."))


async def _page(visit: PageRequest, campaign_id: int, entered: FormState) -> Response:
    dossier = await visit.db.aread(queries.dossier, campaign_id)
    begun = any(run.state != RunState.PLANNED for run in dossier.runs)
    shown = {"campaign": dossier.campaign, "found": dossier.recordings, "begun": begun}
    return render(visit, "recordings.html", entered.status, entered=entered, **shown)


def _done(visit: PageRequest, campaign_id: int, sentence: Said) -> Response:
    return redirect_with_flash(visit, f"/campaigns/{campaign_id}/recordings", sentence)
