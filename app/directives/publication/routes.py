"""API routes of the kit, and of addresses at which the text was published."""

from __future__ import annotations

from fastapi import Response

from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotent_route import Acts
from app.directives.publication import kit, published
from app.directives.publication.schemas import PublicationBody
from app.reports.figures import addressees, publications
from app.reports.figures.publications import Publication
from app.security import tenant_scope

router = Routes(prefix="/v1", tags=["publication"], route_class=Acts)
ZIP = "application/zip"


@router.get("/campaigns/{campaign_id}/kit", response_class=Response, responses={200: {"content": {ZIP: {}}}})
def get_kit(campaign_id: Id, db: Db, settings: Config, who: Who) -> Response:
    """Get the approved text for every other channel: SMS, page, articles, broadcast, poster, CAP."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    packed = kit.build(db.read(kit.source, campaign_id, settings))
    headers = {"Content-Disposition": f'attachment; filename="{kit.file_name(campaign_id)}"'}
    return Response(packed, media_type=ZIP, headers=headers)


@router.get("/directives/{directive_id}/publications")
def list_publications(directive_id: Id, db: Db, who: Who) -> list[Publication]:
    """List where the text was published, and what was found there when it was read last."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    db.read(addressees.of_directive, directive_id)
    return db.read(publications.of_directive, directive_id)


@router.post("/directives/{directive_id}/publications", status_code=201)
def report_publication(
    directive_id: Id, body: PublicationBody, db: Db, settings: Config, who: Who
) -> Publication:
    """Report an address; it is read now and at intervals, and its words compared with what is approved."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return db.write(published.report, directive_id, body.claim(), settings, who.name)


@router.post("/directives/{directive_id}/publications/withdraw", status_code=204)
def withdraw_publication(directive_id: Id, body: PublicationBody, db: Db, who: Who) -> None:
    """Take back an address that was reported by mistake: it is read no more, and later reports lack it."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    db.write(published.withdraw, directive_id, body.claim(), who.name)
