"""What browsers are told: to guess and load nothing, to show no answer in a frame, and who else may ask."""

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
# For pages that are served from here with a style sheet of their own; still no script.
PAGE_POLICY = _NOTHING.replace(";", "; style-src 'self';", 1)
# For the pages of app/web: script, style and icon are files of ours, and forms and streams come here alone.
PAPER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"
)
# With the end of a session: what browsers keep of its pages goes with it.
FORGET = {"Clear-Site-Data": '"cache"'}

# Pages of other origins come with a key; a session's cookie is never sent from there.
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
