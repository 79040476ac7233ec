"""API route of a campaign's edit, which needs the version that was read; other acts are operations."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Depends, Response

from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotent_route import Acts, IfMatch
from app.api.if_match import versions_of
from app.campaigns import lifecycle, queries
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import CampaignBody
from app.core import ids
from app.core.errors import Invalid, VersionWanted

router = Routes(prefix="/v1", tags=["campaigns"], route_class=Acts)


class Edition(NamedTuple):
    """The campaign to edit, and the version that the editor has read."""

    campaign_id: int
    version: int


async def get_edition(campaign_id: Id, if_match: IfMatch = None) -> Edition:
    """Return the path's campaign and the version of If-Match. Raises VersionWanted without one."""
    if if_match is None:
        raise VersionWanted(
            "If-Match is required. Send the ETag of the campaign that you have read.", field="If-Match"
        )
    found = [number for each in versions_of(if_match) if (number := ids.read(each)) is not None]
    if len(found) != 1:
        raise Invalid("If-Match must contain exactly one version.", field="If-Match")
    return Edition(campaign_id, found[0])


Edited = Annotated[Edition, Depends(get_edition)]


@router.put("/campaigns/{campaign_id}")
def edit_campaign(
    edited: Edited, body: CampaignBody, db: Db, settings: Config, who: Who, response: Response
) -> queries.Dossier:
    """Replace the content; an approval becomes void. Not possible once a run has started."""
    default = DayHours(settings.day_starts, settings.day_ends)
    db.write(lifecycle.edit, edited.campaign_id, edited.version, body.draft(), default, who.name)
    found = db.read(queries.dossier, edited.campaign_id, who.carrier)
    response.headers["ETag"] = f'"{found.campaign.version}"'
    return found
