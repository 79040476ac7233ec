"""Typed client of Loa's API, used by `loa --server`."""

from app.cli.client.api_client import ApiClient, RequestRefused

__all__ = ["ApiClient", "RequestRefused"]
