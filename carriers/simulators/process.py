"""Run a simulator as a process: common flags, stop signals, and the final report."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import math
import signal
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from carriers.simulators import randomness

POLL_S = 0.1
STOPPED_BY = (signal.SIGINT, signal.SIGTERM)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def add_flags(parser: argparse.ArgumentParser, port: int, out: Path, at: str) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    given = "0: one that the system gives; the first line printed names it"
    add("--port", type=_port, default=port, help=given)
    add("--for", type=float, dest="for_s", metavar="SECONDS", help="stop after this many seconds")
    add(
        "--until-idle",
        type=float,
        dest="idle_s",
        default=math.inf,
        metavar="SECONDS",
        help="stop after this many seconds without a request",
    )
    add("--at", action="append", default=[], metavar="SECONDS:NAME=VALUE|ACTION", help=f"later: {at}")
    add("--json", action="store_true", help="the last line printed is the report as one JSON object")
    add("--out", type=Path, metavar="FILE", default=out, help="where the report is left")
    add("--tls-cert", metavar="FILE", help="certificate and key (PEM): speak TLS")


def add_behaviour_flags(parser: argparse.ArgumentParser, behaviour: type) -> None:
    for field in dataclasses.fields(behaviour):
        named, kind = "--" + field.name.replace("_", "-"), argparse.BooleanOptionalAction
        extra: dict[str, Any] = {"action": kind} if isinstance(field.default, bool) else {"metavar": "X"}
        shown = field.metadata["help"].replace("%", "%%")
        parser.add_argument(
            named, dest=field.name, default=None, help=f"{shown} (default: {field.default})", **extra
        )


def read_behaviour(options: argparse.Namespace, behaviour: type) -> dict[str, Any]:
    """Return the given behaviour flags by field; ValueError for an invalid value."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(behaviour)}
    return {
        name: randomness.parse(behaviour, name, value) if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }


def tls_context(options: argparse.Namespace) -> ssl.SSLContext | None:
    if not options.tls_cert:
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.tls_cert)
    return tls


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One --at: a field of the behaviour with its value, or an action (value is None)."""

    at_s: float
    name: str
    value: Any


def read_step(text: str, behaviour: type, actions: tuple[str, ...]) -> Step:
    """Parse one --at; ValueError at once, not when it is due."""
    try:
        seconds, what = text.split(":", 1)
        at = float(seconds)
    except ValueError:
        raise ValueError(f"--at {text!r} must be SECONDS:NAME=VALUE, or SECONDS:ACTION") from None
    name, equals, value = what.partition("=")
    if equals:
        parsed = randomness.parse(behaviour, name, value)
        behaviour(**{name: parsed})
        return Step(at, name, parsed)
    if name not in actions:
        raise ValueError(f"--at {text!r}: {name!r} is no action; give one of {', '.join(actions)}")
    return Step(at, name, None)


async def wait_to_stop(stop: asyncio.Event, idle_s: Callable[[], float], options: argparse.Namespace) -> None:
    """Wait until told to stop, for --for, or until nothing was received for --until-idle."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.for_s):
            while not stop.is_set() and idle_s() < options.idle_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), POLL_S)


@contextlib.contextmanager
def stop_event() -> Iterator[asyncio.Event]:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for field in STOPPED_BY:
        loop.add_signal_handler(field, stop.set)
    try:
        yield stop
    finally:
        for field in STOPPED_BY:
            loop.remove_signal_handler(field)


@contextlib.contextmanager
def measured() -> Iterator[Callable[[], dict[str, float]]]:
    """Measure wall-clock and CPU seconds of the process from here on."""
    started, cpu = time.monotonic(), time.process_time()
    yield lambda: {
        "elapsed_s": round(time.monotonic() - started, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
    }


def show(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the report as a table, write it to --out, and with --json print it as the last line."""
    width = max(map(len, report))
    for name, value in report.items():
        print(f"{name:<{width}}  {value}")
    line = json.dumps(report)
    with contextlib.suppress(OSError):  # a read-only folder: it was printed anyway
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(line + "\n", encoding="utf-8")
    if options.json:
        print(line)
    sys.stdout.flush()
