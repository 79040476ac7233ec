"""The description of the API, which costs a quarter of a second, made once in a process of tests."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_ALL: dict[str, Any] = {}


def described(application: FastAPI) -> dict[str, Any]:
    """Return what the API says of itself: of every application the same, since routes hang on no setting."""
    if not _ALL:
        _ALL.update(application.openapi())
    return _ALL
