"""The API route of the kit."""

from __future__ import annotations

from fastapi import Response

from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotent_route import Acts
from app.directives.publication import kit, kit_source
from app.security import tenant_scope

router = Routes(prefix="/v1", tags=["publication"], route_class=Acts)
ZIP = "application/zip"


@router.get("/campaigns/{campaign_id}/kit", response_class=Response, responses={200: {"content": {ZIP: {}}}})
def get_kit(campaign_id: Id, db: Db, settings: Config, who: Who) -> Response:
    """Get the approved text for every other channel: SMS forms, page, poster, letter."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    packed = kit.build(db.read(kit_source.read, campaign_id, settings))
    headers = {"Content-Disposition": f'attachment; filename="{kit.file_name(campaign_id)}"'}
    return Response(packed, media_type=ZIP, headers=headers)
