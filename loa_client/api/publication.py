"""Publication: made from openapi.json by `make client`."""

from __future__ import annotations

from loa_client.operation import Call, Operation, place


class PublicationOperations:
    @Operation
    def get_kit(self, campaign_id: int) -> Call[bytes]:
        """Get the approved text for every other channel."""
        return Call(method="GET", path=place("/v1/campaigns/{}/kit", campaign_id), answer=bytes)
