"""Bodies of published addresses."""

from __future__ import annotations

from pydantic import Field

from app.api.bodies import KeptLine, StrictBody
from app.core.ids import Number
from app.directives.publication.published import PublicationClaim


class PublicationBody(StrictBody):
    """Where an addressee has published the text of a campaign."""

    addressee: KeptLine = Field(description="as in the letter", examples=["Sở Tư pháp"])
    campaign_id: Number = Field(description="an approved campaign under the directive", examples=[1])
    url: str = Field(max_length=2000, examples=["https://stp.example.gov.vn/canh-bao"])

    def claim(self) -> PublicationClaim:
        return PublicationClaim(self.addressee, self.campaign_id, self.url)
