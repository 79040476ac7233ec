"""The command that runs a simulated message centre until it is told to stop, and prints what it saw."""

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from carriers.simulators.smsc import Smsc
from carriers.simulators.smsc import manners as smsc_manners
from carriers.simulators.smsc.fates import BY_NUMBER
from carriers.simulators.smsc.manners import Manners

POLL_S = 0.1
ACTIONS = ("drop", "unbind", "close", "open")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT, SIGTERM, --for or --until-idle; 0, or 2 where a flag is wrong (SystemExit)."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        smsc = _smsc(options)
        steps = [_step(text) for text in options.at]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = asyncio.run(_serve(smsc, steps, options))
    _show(report, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {ending.decode()}  {special.what}" for ending, special in BY_NUMBER.items())
    parser = argparse.ArgumentParser(
        prog="loa simulate smsc",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"With --by-number the last four digits of the destination choose the fate:\n{table}",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add(
        "--port", type=int, default=2775, help="0: one that the system gives; the first line printed names it"
    )
    add(
        "--account",
        action="append",
        default=[],
        metavar="SYSTEM_ID:PASSWORD",
        help="without any, all may bind",
    )
    add("--for", type=float, dest="for_s", metavar="SECONDS", help="stop after so long")
    add(
        "--until-idle",
        type=float,
        dest="idle_s",
        default=math.inf,
        metavar="SECONDS",
        help="stop after so long without a word",
    )
    add("--at", action="append", default=[], metavar="SECONDS:NAME=VALUE|ACTION", help=f"later: {ACTIONS}")
    add("--json", action="store_true", help="the last line printed is the report as one JSON object")
    add("--out", type=Path, metavar="FILE", default=Path("build/smsc.json"), help="where the report is left")
    add("--tls-cert", metavar="FILE", help="certificate and key (PEM): speak TLS")
    for one in dataclasses.fields(Manners):
        flag, kind = "--" + one.name.replace("_", "-"), argparse.BooleanOptionalAction
        extra: dict[str, Any] = {"action": kind} if isinstance(one.default, bool) else {"metavar": "X"}
        shown = one.metadata["help"].replace("%", "%%")
        add(flag, dest=one.name, default=None, help=f"{shown} (default: {one.default})", **extra)
    return parser


def _smsc(options: argparse.Namespace) -> Smsc:
    given = {one.name: getattr(options, one.name) for one in dataclasses.fields(Manners)}
    manners = {
        name: smsc_manners.parse(name, value) if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }
    accounts = dict(_account(text) for text in options.account) or None
    tls = None
    if options.tls_cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls_cert)
    return Smsc(Manners(**manners), options.port, host=options.host, accounts=accounts, tls=tls)


def _account(text: str) -> tuple[str, str]:
    system_id, colon, password = text.partition(":")
    if not colon:
        raise ValueError(f"--account {text!r} must be SYSTEM_ID:PASSWORD")
    return system_id, password


def _step(text: str) -> tuple[float, str, Any]:
    """(seconds, name of a manner or action, value) of one --at."""
    try:
        seconds, what = text.split(":", 1)
        at = float(seconds)
    except ValueError:
        raise ValueError(f"--at {text!r} must be SECONDS:NAME=VALUE, or SECONDS:ACTION") from None
    name, equals, value = what.partition("=")
    if equals:
        parsed = smsc_manners.parse(name, value)
        dataclasses.replace(Manners(), **{name: parsed})  # refused now, not when its time comes
        return at, name, parsed
    if name not in ACTIONS:
        raise ValueError(f"--at {text!r}: {name!r} is no action; give one of {', '.join(ACTIONS)}")
    return at, name, None


async def _serve(
    smsc: Smsc, steps: Sequence[tuple[float, str, Any]], options: argparse.Namespace
) -> dict[str, Any]:
    started, cpu = time.monotonic(), time.process_time()
    with _told_to_stop() as stop:  # before the first line: whoever has read it may send a signal
        async with smsc:
            print(f"listening on {smsc.host}:{smsc.port}", flush=True)
            later = [asyncio.create_task(_act(smsc, *step)) for step in steps]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.for_s):
                    await _until(stop, smsc, options.idle_s)
            for task in later:
                task.cancel()
            elapsed_s, cpu_s = time.monotonic() - started, time.process_time() - cpu
            return {**smsc.report(), "elapsed_s": round(elapsed_s, 3), "cpu_s": round(cpu_s, 3)}


@contextlib.contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    try:
        yield stop
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


async def _until(stop: asyncio.Event, smsc: Smsc, idle_s: float) -> None:
    """Return when told to stop, or when the ESMEs have had their say and all their receipts."""
    while not stop.is_set() and smsc.idle_s() < idle_s:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_S)


async def _act(smsc: Smsc, at_s: float, name: str, value: Any) -> None:
    await asyncio.sleep(at_s)
    if value is not None:
        smsc.change(**{name: value})
    elif name == "drop":
        smsc.drop_all()
    elif name == "unbind":
        smsc.unbind_all()
    elif name == "close":
        smsc.stop_accepting()
    else:
        await smsc.start_accepting()


def _show(report: dict[str, Any], options: argparse.Namespace) -> None:
    width = max(map(len, report))
    for name, value in report.items():
        print(f"{name:<{width}}  {value}")
    line = json.dumps(report)
    with contextlib.suppress(OSError):  # a read-only folder: it is said all the same
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(line + "\n", encoding="utf-8")
    if options.json:
        print(line)
    sys.stdout.flush()
