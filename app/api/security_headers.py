"""Security headers, Content-Security-Policies and CORS."""

from __future__ import annotations

from typing import Any

_NOTHING = (
    "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _NOTHING,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
# Documentation pages: a style sheet of our own, no script.
PAGE_POLICY = _NOTHING.replace(";", "; style-src 'self';", 1)
# Pages of app/web: scripts, styles, images and sound from here, and forms and streams to here only.
PAPER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"
)
# Sent when a session ends, so that browsers drop cached pages.
FORGET = {"Clear-Site-Data": '"cache", "storage"'}

# Pages of other origins must use a key; the session cookie is never sent from there.
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": [
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Last-Event-ID",
        "X-Request-Id",
    ],
    "expose_headers": [
        "ETag",
        "Idempotency-Replayed",
        "Link",
        "Location",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "Retry-After",
        "X-Request-Id",
    ],
}
