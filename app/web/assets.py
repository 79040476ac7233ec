"""Static files under URLs that contain their hash, so that browsers cache them forever."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from fastapi import Request, Response

from app.api.dependencies import Routes
from app.core.config import Settings
from app.core.errors import NotFound

FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_HASH = 12
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

router = Routes(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, with its compressed form and the hash in its URL."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def assets() -> dict[str, Asset]:
    return {file.name: _asset(file) for file in sorted(FOLDER.iterdir()) if file.suffix in _TYPES}


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    tag = hashlib.sha256(body).hexdigest()[:_HASH]
    return Asset(body, gzip.compress(body, mtime=0), _TYPES[file.suffix], tag)


def address(name: str) -> str:
    return f"/static/{assets()[name].tag}/{name}"


@cache
def _own(file: Path) -> Asset:
    """Return a picture of the settings as it was when this process first showed it."""
    return _asset(file)


def crest(settings: Settings) -> str | None:
    """Return where the crest of the public page is, if the settings have one."""
    file = settings.crest
    return None if file is None else f"/static/{_own(file).tag}/crest{file.suffix}"


@router.get("/static/{tag}/{name}")
def page_static(tag: str, name: str, request: Request) -> Response:
    """Serve a file; 404 for the hash of another release."""
    file = cast(Settings, request.app.state.settings).crest
    found = _own(file) if file and name == f"crest{file.suffix}" else assets().get(name)
    if found is None or found.tag != tag:
        raise NotFound("File not found.")
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = _FOR_GOOD | {"Content-Encoding": "gzip"}
        return Response(found.packed, headers=headers, media_type=found.media_type)
    return Response(found.body, headers=_FOR_GOOD, media_type=found.media_type)
