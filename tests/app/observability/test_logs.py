"""No whole phone number and no secret gets into a log, whoever writes it and however."""

from __future__ import annotations

import io
import json
import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.core.config import Settings
from app.database.connection import Database
from app.observability import logs
from app.security import create_key
from tests.app.client import Client


def captured(log_format: str = "json", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format, log_level=level), stream)
    return stream


@dataclass
class Parcel:
    phone: int
    password: str


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0912345601", "8491*****01"),
        ("to 84912345601.", "to 8491*****01."),
        ("+84912345601", "8491*****01"),
        ("0084912345601", "8491*****01"),
        ("091 234 56 01", "8491*****01"),
        ("0912.345.601", "8491*****01"),
        ("+84 91-234-5601", "8491*****01"),
        ("091\u00a0234\u00a05601", "8491*****01"),
        ("01234567801", "8483*****01"),
        ("GRANT loa_two_f0143856475b_work", "GRANT loa_two_f0143856475b_work"),
        ("loa_0a1b2c3d_0912345601 is 0912345601", "loa_0a1b2c3d_[redacted] is 8491*****01"),
        ("0912345601,0987654302", "8491*****01,8498*****02"),
        ("order 1707109200000 of 20240205070000", "order 1707109200000 of 20240205070000"),
        ("Bearer loa_0a1b2c3d_s3cr3t", "Bearer [redacted]"),
        ("key loa_0a1b2c3d_s3cr3t!", "key loa_0a1b2c3d_[redacted]"),
        ("postgresql://loa:s3cr3t@host/db", "postgresql://loa:[redacted]@host/db"),
        ("Basic czNjcjN0", "Basic [redacted]"),
    ],
)
def test_text_is_masked(written: str, read: str) -> None:
    assert logs.mask_text(written) == read


@pytest.mark.longer
@given(
    st.integers(960_000_000, 989_999_999),
    st.sampled_from(["0", "84", "+84", "0084"]),
    st.text(" .-", max_size=1),
)
def test_no_way_of_writing_a_number_passes(national: int, prefix: str, gap: str) -> None:
    digits = str(national)
    written = f"to {prefix}{gap}{digits[:2]}{gap}{digits[2:5]}{gap}{digits[5:]} now"
    assert re.sub(r"\D", "", logs.mask_text(written)) == f"84{digits[:2]}{digits[-2:]}"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_values_of_every_kind_are_clean(log_format: str) -> None:
    stream = captured(log_format)
    log = structlog.get_logger("loa.test")
    log.info(
        "parcel 0912345601",
        phone=84912345601,
        phones=[84912345601, "0912345601"],
        nested={"84912345601": {"to": (84912345601,)}, "Authorization": "s3cr3t"},
        parcel=Parcel(84912345601, "x"),
        bind={"system_id": "loa", "password": "s3cr3t"},
        password="s3cr3t",
        api_key="s3cr3t",
        apipass="s3cr3t",
        sid="s3cr3t",
        client_secret="s3cr3t",
        raw=b"0912345601",
        n=3,
        ratio=0.5,
        halted=False,
        nothing=None,
    )
    text = stream.getvalue()
    assert "8491*****01" in text
    assert "s3cr3t" not in text
    assert "912345601" not in text
    assert "system_id" in text


def test_a_number_of_a_kind_of_its_own_is_compared_with_no_other() -> None:
    """A range would look for it among all of its nine hundred million, for a quarter of a minute."""

    class Level(int):
        __hash__ = int.__hash__

        def __eq__(self, other: object) -> bool:
            raise AssertionError

    assert str(logs._clean(Level(200))) == "200"
    assert logs._clean(Level(84_912_345_678)) == "8491*****78"


def test_a_line_of_json_has_fixed_words_and_fields() -> None:
    stream = captured()
    with structlog.contextvars.bound_contextvars(request_id="r1", run_id=7):
        structlog.get_logger("loa.test").info("run started", segments=3, halted=False)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "run started",
        "level": "info",
        "logger": "loa.test",
        "request_id": "r1",
        "run_id": 7,
        "segments": 3,
        "halted": False,
    }


def test_the_standard_library_s_logs_are_clean_too() -> None:
    stream = captured()
    logging.getLogger("some.library").warning("sent to %s with %s", "0912345601", {"password": 1})
    try:
        raise ValueError("0912345601 was refused by postgresql://loa:s3cr3t@host/db")
    except ValueError:
        logging.getLogger("some.library").exception("failed for %d", 84912345601)
    text = stream.getvalue()
    assert "912345601" not in text
    assert "s3cr3t" not in text
    assert "ValueError" in text


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("error", 0)])
def test_the_level_is_the_setting_s(level: str, lines: int) -> None:
    stream = captured(level=level)
    structlog.get_logger().info("one")
    structlog.get_logger().debug("two")
    assert len(stream.getvalue().splitlines()) == lines


@pytest.mark.longer
def test_requests_are_logged_with_their_id_and_without_what_is_private(
    stranger: Client, db: Database
) -> None:
    key = db.write(create_key, "phone room")
    stream = captured(level="debug")
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "r1"}
    stranger.get("/v1/runs?phone=0912345601", headers=headers)
    stranger.get("/v1/0912345601", headers=headers)
    stranger.post("/v1/campaigns", json={"name": "0912345601", "sender": 84912345601}, headers=headers)
    text = stream.getvalue()
    assert key.split("_", 2)[2] not in text
    assert "912345601" not in text
    requests: list[dict[str, Any]] = [
        line for line in map(json.loads, text.splitlines()) if line["event"] == "request"
    ]
    assert [(line["path"], line["status"], line["request_id"]) for line in requests] == [
        ("/v1/runs", 422, "r1"),
        ("/v1/8491*****01", 404, "r1"),
        ("/v1/campaigns", 422, "r1"),
    ]


def test_uvicorn_speaks_through_the_same_handler() -> None:
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    stream = captured()
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").info("GET / from somewhere")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "Started server process"
    ]


FORGED = '{"event": "request", "who": "admin", "status": 200}'


@pytest.mark.longer
@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x85", "\x0b", "\x1b[2K", "\x00"])
def test_nobody_writes_a_line_of_log(stranger: Client, log_format: str, end: str) -> None:
    """Whatever stands in a name, a path or a head: each request is one line, in which nothing begins anew."""
    stream = captured(log_format)
    word = f"x{end}{FORGED}"
    said = quote(word, safe="")
    stranger.get(f"/v1/{said}", headers={"X-Request-Id": quote(word), "User-Agent": quote(word)})
    stranger.get(f"/verify/{said}?next={said}", headers={"X-Forwarded-For": quote(word)})
    stranger.post("/v1/session", json={"name": word, "password": word})
    log = structlog.get_logger("loa.test")
    log.warning("carrier said", words=word, odd=[word])
    log.warning(word)
    logging.getLogger("some.library").warning("%s", word)
    try:
        raise ValueError(word)
    except ValueError:
        log.exception("failed")
    written = stream.getvalue()
    assert written.isascii() or not re.search("[\x7f-\x9f\u2028\u2029]", written)
    assert not [c for c in written if c != "\n" and ord(c) < 32]
    begun = [line for line in written.splitlines() if line and not line.startswith("    ")]
    assert len(begun) >= 7
    if log_format == "json":
        assert all({"timestamp", "level", "event"} <= json.loads(line).keys() for line in begun)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ \[|\{\"", line) for line in begun)
    assert not any(line.startswith(FORGED) for line in begun)
