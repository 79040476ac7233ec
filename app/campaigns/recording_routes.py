"""API routes of a campaign's recordings: what a carrier plays to subscribers whom it calls."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.bodies import filled
from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.idempotent_route import Acts
from app.api.uploads import Taking, answer, file_body, sent
from app.campaigns import approval, lifecycle, optimistic_lock, recordings
from app.campaigns.recordings import LONGEST_WORDING, NewRecording, Recording
from app.campaigns.schemas import LANGUAGE, RecordingBody
from app.core import audio
from app.core.errors import no_such
from app.security import Caller, tenant_scope

router = Routes(prefix="/v1/campaigns", tags=["campaigns"], route_class=Acts)

FIELDS = 20_000  # bytes of language, words and areas
_BETWEEN = re.compile(r"[\s,;]+")
_SOUND: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in audio.ENDINGS}}}


def read_recording(fields: Mapping[str, str], content: bytes) -> NewRecording:
    """Return what an upload hands in; areas: codes with blanks or commas between them. Raises Invalid."""
    areas = [code for code in _BETWEEN.split(fields.get("areas", "")) if code]
    said = {"language": fields.get("language", ""), "wording": fields.get("wording", ""), "areas": areas}
    body = filled(RecordingBody, said)
    return recordings.checked(body.language, body.areas, body.wording, content)


@router.get("/{campaign_id}/recordings")
def list_recordings(campaign_id: Id, db: Db, who: Who) -> list[Recording]:
    """List the campaign's recordings, by language; an operator sees those of a run that its carrier plays."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.read(_listed, campaign_id, who)


def _listed(connection: Connection, campaign_id: int, who: Caller) -> list[Recording]:
    optimistic_lock.campaign(connection, campaign_id)
    if who.carrier is not None:
        return recordings.played_at(connection, campaign_id, who.carrier)
    return recordings.of_campaign(connection, campaign_id)


@router.post(
    "/{campaign_id}/recordings",
    status_code=201,
    response_model=Recording,
    openapi_extra=file_body(
        ("language", "wording"),
        language={"pattern": LANGUAGE, "examples": ["vi"]},
        wording={"minLength": 1, "maxLength": LONGEST_WORDING},
        areas={},
    ),
)
async def add_recording(
    campaign_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Add a recording (WAV or MP3, 1 to 180 s, 10 MB at the most). An approval becomes void."""
    await db.aread(tenant_scope.require, who, campaign_id=campaign_id)
    folder = await run_in_threadpool(uploads.small_files, settings)
    async with uploads.taken(request, settings, folder, audio.MOST_BYTES, field_limit=FIELDS) as upload:
        content = await run_in_threadpool(upload.path.read_bytes)
        new = await run_in_threadpool(read_recording, upload.fields, content)

        def kept(connection: Connection) -> StoredAnswer:
            made = lifecycle.add_recording(connection, campaign_id, new, who.name)
            found = recordings.get(connection, campaign_id, made)
            return answer(201, Recording, found, f"/v1/campaigns/{campaign_id}/recordings/{made}/file")

        return sent(await db.awrite(taking.take, upload, kept))


@router.delete("/{campaign_id}/recordings/{recording_id}", status_code=204)
def remove_recording(campaign_id: Id, recording_id: Id, db: Db, who: Who) -> None:
    """Remove a recording with its bytes. An approval becomes void."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(lifecycle.remove_recording, campaign_id, recording_id, who.name)


@router.get("/{campaign_id}/recordings/{recording_id}/file", response_class=Response, responses=_SOUND)
def get_recording_file(campaign_id: Id, recording_id: Id, db: Db, who: Who) -> Response:
    """Get exactly the bytes that came; an operator does once they are approved, if its carrier plays them."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    found, content = db.read(_handed_out, campaign_id, recording_id, who)
    digest = base64.b64encode(bytes.fromhex(found.sha256)).decode()
    headers = {"Content-Disposition": f'attachment; filename="{found.file_name}"'}
    headers["Repr-Digest"] = f"sha-256=:{digest}:"
    return Response(content, media_type=found.media_type, headers=headers)


def _handed_out(
    connection: Connection, campaign_id: int, recording_id: int, who: Caller
) -> tuple[Recording, bytes]:
    """Return the file. Raises NotFound for an operator whose carrier doesn't play it; Conflict too early."""
    if who.carrier is not None:
        own = recordings.played_at(connection, campaign_id, who.carrier)
        if all(each.id != recording_id for each in own):
            raise no_such("recording", recording_id)
        approval.require_approved(connection, optimistic_lock.campaign(connection, campaign_id))
    return recordings.fetch(connection, campaign_id, recording_id)
