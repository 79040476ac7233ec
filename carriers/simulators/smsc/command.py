"""Run a simulated message centre until it is stopped, then print what it saw."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carriers.simulators import process
from carriers.simulators.process import Step
from carriers.simulators.smsc import Smsc
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.outcomes import BY_NUMBER

ACTIONS = ("drop", "unbind", "close", "open")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT, SIGTERM, --for or --until-idle; 0, or 2 for a wrong flag (SystemExit)."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        smsc = _smsc(options)
        steps = [process.read_step(text, SmscBehaviour, ACTIONS) for text in options.at]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    process.show(asyncio.run(_serve(smsc, steps, options)), options)
    return 0


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {ending.decode()}  {special.what}" for ending, special in BY_NUMBER.items())
    parser = argparse.ArgumentParser(
        prog="loa simulate smsc",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"With --by-number the last four digits of the destination choose the outcome:\n{table}",
    )
    process.add_flags(parser, 2775, Path("build/smsc.json"), str(ACTIONS))
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="SYSTEM_ID:PASSWORD",
        help="without any, all may bind",
    )
    process.add_behaviour_flags(parser, SmscBehaviour)
    return parser


def _smsc(options: argparse.Namespace) -> Smsc:
    behaviour = SmscBehaviour(**process.read_behaviour(options, SmscBehaviour))
    accounts = dict(_account(text) for text in options.account) or None
    tls = process.tls_context(options)
    return Smsc(behaviour, options.port, host=options.host, accounts=accounts, tls=tls)


def _account(text: str) -> tuple[str, str]:
    system_id, colon, password = text.partition(":")
    if not colon:
        raise ValueError(f"--account {text!r} must be SYSTEM_ID:PASSWORD")
    return system_id, password


async def _serve(smsc: Smsc, steps: Sequence[Step], options: argparse.Namespace) -> dict[str, Any]:
    with (
        process.measured() as took,
        process.stop_event() as stop,
    ):  # before the first line is printed: whoever reads it may send a signal
        async with smsc:
            print(f"listening on {smsc.host}:{smsc.port}", flush=True)
            later = [asyncio.create_task(_act(smsc, step)) for step in steps]
            await process.wait_to_stop(stop, smsc.idle_s, options)
            for task in later:
                task.cancel()
            return {**smsc.report(), **took()}


async def _act(smsc: Smsc, step: Step) -> None:
    await asyncio.sleep(step.at_s)
    if step.value is not None:
        smsc.change(**{step.name: step.value})
    elif step.name == "drop":
        smsc.drop_all()
    elif step.name == "unbind":
        smsc.unbind_all()
    elif step.name == "close":
        smsc.stop_accepting()
    else:
        await smsc.start_accepting()
