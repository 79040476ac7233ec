"""Health: made from openapi.json by `make client`."""

from __future__ import annotations

from loa_client.operation import Call, Operation


class HealthOperations:
    @Operation
    def healthz(self) -> Call[dict[str, str]]:
        """The process is alive."""
        return Call(method="GET", path="/healthz", answer=dict[str, str])

    @Operation
    def readyz(self) -> Call[dict[str, str]]:
        """The process can serve."""
        return Call(method="GET", path="/readyz", answer=dict[str, str])

    @Operation
    def metrics(self) -> Call[str]:
        """Prometheus metrics."""
        return Call(method="GET", path="/metrics", answer=str)
