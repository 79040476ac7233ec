"""Style sheet, script and icon: under addresses that hold their hash, so that browsers keep them for good."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import Request, Response

from app.api.dependencies import Routes
from app.core.errors import NotFound

FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_HASH = 12
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

router = Routes(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with its type, its hash and its compressed form, made once."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def assets() -> dict[str, Asset]:
    """Every static file by its name."""
    return {file.name: _asset(file) for file in sorted(FOLDER.iterdir()) if file.suffix in _TYPES}


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    tag = hashlib.sha256(body).hexdigest()[:_HASH]
    return Asset(body, gzip.compress(body, mtime=0), _TYPES[file.suffix], tag)


def address(name: str) -> str:
    """Where a page finds this file as it is now."""
    return f"/static/{assets()[name].tag}/{name}"


@router.get("/static/{tag}/{name}")
def page_static(tag: str, name: str, request: Request) -> Response:
    """A file; of an older or newer release there is nothing here."""
    found = assets().get(name)
    if found is None or found.tag != tag:
        raise NotFound("There is no such file.")
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = _FOR_GOOD | {"Content-Encoding": "gzip"}
        return Response(found.packed, headers=headers, media_type=found.media_type)
    return Response(found.body, headers=_FOR_GOOD, media_type=found.media_type)
