"""Shared parts of the HTTP API: idempotency, versions, limits, events, errors and the OpenAPI document."""
