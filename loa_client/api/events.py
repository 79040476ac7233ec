"""Events: made from openapi.json by `make client`."""

from __future__ import annotations

from loa_client.operation import Call, Event, Iteration, place


class EventsOperations:
    @Iteration
    def watch_run(self, run_id: int) -> Call[Event]:
        """Follow a run."""
        return Call(method="GET", path=place("/v1/runs/{}/events", run_id), answer=Event)

    @Iteration
    def watch_campaign(self, campaign_id: int) -> Call[Event]:
        """Follow a campaign."""
        return Call(method="GET", path=place("/v1/campaigns/{}/events", campaign_id), answer=Event)
