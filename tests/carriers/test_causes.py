"""A cause is told in our own words, whatever the interpreter or a library calls it."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from carriers.causes import cause_of
from tests.ports import refusing


class _NarrowerError(ConnectionResetError):
    """As a newer Python may raise one."""


def raised(*chain: BaseException) -> BaseException:
    """The first, caused by the second, and so on."""
    for outer, inner in pairwise(chain):
        outer.__cause__ = inner
    return chain[0]


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UnicodeError("label too long"), "the host name is not valid"),
        (UnicodeEncodeError("idna", "a", 0, 1, "label too long"), "the host name is not valid"),
        (REFUSED, "nothing is listening at this address and port"),
        (ConnectionResetError(104, "x"), "the connection was closed"),
        (_NarrowerError(104, "x"), "the connection was closed"),
        (BrokenPipeError(32, "x"), "the connection was closed"),
        (TimeoutError(), "no answer in time"),
        (raised(httpx.WriteTimeout(""), TimeoutError()), "sending the request timed out"),
        (httpx.ReadTimeout(""), "no answer in time"),
        (httpx.PoolTimeout(""), "all connections were busy"),
        (httpx.ConnectError("x"), "the host is unreachable"),
        (httpx.ReadError("x"), "the connection was closed"),
        (httpx.RemoteProtocolError("x"), "the connection was closed, or the answer is not HTTP"),
        (
            raised(httpx.ConnectError("x"), OSError("all failed"), REFUSED),
            "nothing is listening at this address and port",
        ),
        (
            raised(httpx.ConnectError("x"), ExceptionGroup("all", [REFUSED])),
            "nothing is listening at this address and port",
        ),
        (OSError("Multiple exceptions: [Errno 111], [Errno 101]"), "the host is unreachable"),
        (OSError(errno.ENETUNREACH, "x"), "the host's network is unreachable"),
        (OSError(errno.ENOSPC, "x"), "no space left on device"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "the host name cannot be resolved (Name or service not known)",
        ),
        (ssl.SSLError(8, "x"), "the connection was closed"),
        (PermissionError(13, "x", "/secret/place"), "this account has no permission"),
        (KeyError("0912345678"), "an error in Loa; see its log"),
        (None, "an error in Loa; see its log"),
    ],
)
def test_a_cause_is_told_in_words(error: BaseException | None, words: str) -> None:
    assert cause_of(error) == words


def test_causes_that_lead_in_a_circle_are_told_as_well() -> None:
    one, other = RuntimeError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert cause_of(one) == "an error in Loa; see its log"


async def test_real_connections_that_are_refused_are_told_alike_by_asyncio_and_httpx() -> None:
    with refusing() as port:
        with pytest.raises(ConnectionRefusedError) as asked:
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port)
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError) as posted:
                await client.get(f"http://127.0.0.1:{port}/")
    assert [cause_of(each.value) for each in (asked, posted)] == 2 * [
        "nothing is listening at this address and port"
    ]


@pytest.mark.longer
def test_no_name_of_a_class_is_a_cause_that_people_read() -> None:
    root = Path(__file__).parents[2]
    told = re.compile(r"type\((error|exc|answer|err)\)\.__name__|\{error!r\}|repr\(error\)")
    files = [file for folder in ("app", "carriers") for file in (root / folder).rglob("*.py")]
    # What nobody foresaw has no words of ours: app/observability/faults.py names its class.
    assert {file.name for file in files if told.search(file.read_text("utf-8"))} == {"faults.py"}
