"""The API's door, as callers meet it."""

from __future__ import annotations

import socket

from app.runtime.http_server import listen


def test_no_answer_waits_for_the_acknowledgement_of_its_first_segment() -> None:
    """Nagle's algorithm would hold the body back, until a caller that delays acknowledges the head."""
    with listen("127.0.0.1", 0) as door, socket.create_connection(door.getsockname()[:2]):
        line, _ = door.accept()
        with line:
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
