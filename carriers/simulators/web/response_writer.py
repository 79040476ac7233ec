"""Says a simulated carrier's answer, in order or with the trouble that was drawn for it."""

from __future__ import annotations

import asyncio
import gzip
import random
from dataclasses import replace

from carriers.simulators.web.exchange import SimulatedReply
from carriers.simulators.web.faults import ERRORS, HttpTrouble
from carriers.simulators.web.http_server import BreakableConnection
from carriers.simulators.web.state import CarrierState

HUGE = 10_000_000
HTML = "text/html; charset=UTF-8"
PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>The server is not available"
    b"</h1><p>Apache Tomcat/7.0</p></body></html>"
)


async def write_response(
    line: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, desk: CarrierState
) -> None:
    """Answer with `reply`, or with what the trouble makes of it (None: nothing was taken)."""
    delay_s = desk.answer_delay_s()
    if delay_s:
        await asyncio.sleep(delay_s)
    if await _is_broken_off(line, trouble, reply, desk):
        desk.tally.never_answered += 1
        return
    said = _spoilt(trouble, reply or SimulatedReply(b"", ""), desk)
    desk.tally.answer(said.code)
    await line.answer(said, 3 if trouble is HttpTrouble.CHUNKED else 1)


async def _is_broken_off(
    line: BreakableConnection, trouble: HttpTrouble, reply: SimulatedReply | None, desk: CarrierState
) -> bool:
    match trouble:
        case HttpTrouble.HANG:
            await line.gone()
        case HttpTrouble.BREAK_BEFORE | HttpTrouble.BREAK_AFTER:
            desk.tally.connections_dropped += 1
            await line.drop()
        case HttpTrouble.CUT:
            await line.cut(reply or SimulatedReply(PAGE, "cut"))
        case HttpTrouble.NOISE:
            await line.noise(desk.tally.requests)
        case _:
            return False
    return True


def _spoilt(trouble: HttpTrouble, reply: SimulatedReply, desk: CarrierState) -> SimulatedReply:
    """What another status, or another body, makes of the answer."""
    if trouble in ERRORS:
        return SimulatedReply(PAGE, f"http {ERRORS[trouble]}", ERRORS[trouble], HTML)
    match trouble:
        case HttpTrouble.UNAVAILABLE | HttpTrouble.TOO_MANY:
            status = 503 if trouble is HttpTrouble.UNAVAILABLE else 429
            later = (("retry-after", str(desk.manners.retry_after_s)),)
            return SimulatedReply(PAGE, f"http {status}", status, HTML, later)
        case HttpTrouble.REDIRECT:
            return SimulatedReply(b"", "http 302", 302, HTML, (("location", "/elsewhere"),))
        case HttpTrouble.PAGE:
            return SimulatedReply(PAGE, "page", content_type=HTML)
        case HttpTrouble.EMPTY:
            return replace(reply, body=b"", code="empty")
        case HttpTrouble.GARBAGE:
            noise = random.Random(desk.tally.requests).randbytes(512)  # noqa: S311 - no secret
            return replace(reply, body=noise, code="garbage")
    return _wrapped(trouble, reply)


def _wrapped(trouble: HttpTrouble, reply: SimulatedReply) -> SimulatedReply:
    """The right answer, in another guise."""
    match trouble:
        case HttpTrouble.HUGE:
            return replace(reply, body=reply.body + b" " * HUGE)
        case HttpTrouble.GZIP | HttpTrouble.BOMB:
            return _packed(reply, HUGE if trouble is HttpTrouble.BOMB else 0)
        case HttpTrouble.WRONG_TYPE:
            return replace(reply, content_type="image/png")
    return reply


def _packed(reply: SimulatedReply, blanks: int) -> SimulatedReply:
    body = gzip.compress(reply.body + b" " * blanks, 6)
    return replace(reply, body=body, headers=(*reply.headers, ("content-encoding", "gzip")))
