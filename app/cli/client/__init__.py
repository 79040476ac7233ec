"""Loa from another machine: a thin typed client of the API, which `loa --server` uses."""

from app.cli.client.api_client import ApiClient, RequestRefused

__all__ = ["ApiClient", "RequestRefused"]
