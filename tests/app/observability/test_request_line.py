"""The line of a request is to a byte what structlog's own chain writes, in each format."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from app.api import middleware
from app.core.config import Settings
from app.observability import logs

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
FIELDS = [
    {
        "method": "POST",
        "path": "/webhooks/viettel/viettel-1",
        "status": 200,
        "ms": 1.5,
        "who": "",
        "origin": "",
    },
    {"method": "GET", "path": "/deliveries/0912345678", "status": 404, "ms": 0.0, "who": "An 0912 345 678"},
    {"path": "/a\x9b\u2028b\nc\x7f", "who": "Nguyễn Văn Ắ", "origin": "2001:db8::7", "status": 500},
    {"path": "/x?secret=abc", "who": "Bearer loa_0a1b2c3d_s3cr3t", "origin": "84.91.234.567", "token": "t"},
    {"path": "", "status": 84_912_345_678, "who": "b", "origin": "Bearer"},
]


def written(stream: io.StringIO) -> str:
    """What was written since, without the time."""
    found = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    assert len(_TIME.findall(found)) in (1, 2)  # a path may be one
    return _TIME.sub("then", found)


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize(
    "request_id", ["0123456789abcdef" * 2, "0" * 32, "0912345678", "a.b-c_0084912345678"]
)
def test_both_write_the_same(log_format: str, request_id: str) -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format), stream)
    for fields in FIELDS:
        with bound_contextvars(request_id=request_id):
            structlog.get_logger("app.api.middleware").info("request", **fields)
            usual = written(stream)
            middleware.write(dict(fields))
        assert written(stream) == usual
        assert "91234" not in usual
        if log_format == "json":
            assert json.loads(usual)["logger"] == "app.api.middleware"


OWN = middleware._PATH_ID


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("path", ["/a", "/100%s%(id)s%%", f"/{OWN}", "/987.654321", middleware._TIME])
def test_a_line_like_one_before_is_the_same_to_a_byte(log_format: str, path: str) -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format), stream)
    for ms, request_id in (
        (1.5, "0" * 32),
        (0.0, "ab" * 16),
        (1e22, OWN),
        (2.0, "ef" * 16),
        (4.0, "short"),
        (3, "cd" * 16),
    ):
        fields = {**FIELDS[0], "path": path, "ms": ms, "status": 200.0 if ms == 2.0 else 200}
        with bound_contextvars(request_id=request_id):
            structlog.get_logger("app.api.middleware").info("request", **fields)
            usual = written(stream)
            middleware.write(dict(fields))
        assert written(stream) == usual


def test_another_format_begins_with_lines_of_its_own() -> None:
    for log_format in ("json", "text", "json"):
        stream = io.StringIO()
        logs.configure(Settings(log_format=log_format), stream)
        middleware.write(dict(FIELDS[0]))
        assert stream.getvalue().startswith("{") == (log_format == "json")


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_level="warning"), stream)
    middleware.write(dict(FIELDS[0]))
    assert stream.getvalue() == ""


def test_who_captures_logs_gets_the_line_too() -> None:
    logs.configure(Settings(), io.StringIO())
    with capture_logs() as found:
        middleware.write(dict(FIELDS[0]))
    assert found == [{**FIELDS[0], "event": "request", "log_level": "info"}]


@pytest.mark.longer
@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_hexadecimal_id_is_never_a_number(said: str) -> None:
    assert logs.mask_text(said) == said


@given(st.text())
def test_letters_alone_are_neither_a_number_nor_a_secret(said: str) -> None:
    event: dict[str, Any] = {"who": said}
    assert logs.clean(None, "info", event) == {"who": logs.mask_text(said)}
