"""Run a simulated carrier over HTTP until it is stopped, then print what it saw."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carriers.simulators import process
from carriers.simulators.process import Step
from carriers.simulators.web.server import WebSimulator
from carriers.simulators.web.webhook import Webhook

ACTIONS = ("drop", "close", "open", "results")


def run(simulator: type[WebSimulator], argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT, SIGTERM, --for or --until-idle; 0, or 2 for a wrong flag (SystemExit)."""
    parser = _parser(simulator)
    options = parser.parse_args(argv)
    try:
        carrier = _carrier(simulator, options)
        steps = [process.read_step(text, simulator.behaviour_type, ACTIONS) for text in options.at]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    process.show(asyncio.run(_serve(carrier, steps, options)), options)
    return 0


def _parser(simulator: type[WebSimulator]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"loa simulate {simulator.name}", description=simulator.__doc__ or __doc__
    )
    out = Path(f"build/{simulator.name}.json")
    process.add_flags(parser, simulator.port_by_default, out, str(ACTIONS))
    add = parser.add_argument
    add("--webhook", metavar="URL", help="post receipts there; the URL may hold a login (Basic)")
    add(
        "--webhook-secret",
        metavar="SECRET",
        default="",
        help="sign them: X-Loa-Timestamp and X-Loa-Signature",
    )
    add(
        "--result-file",
        type=Path,
        metavar="FILE",
        help="write what became of every message there (CSV), in the end and at SIGUSR1",
    )
    process.add_behaviour_flags(parser, simulator.behaviour_type)
    return parser


def _carrier(simulator: type[WebSimulator], options: argparse.Namespace) -> WebSimulator:
    behaviour = simulator.behaviour_type(**process.read_behaviour(options, simulator.behaviour_type))
    webhook = Webhook(options.webhook, options.webhook_secret) if options.webhook else None
    tls = process.tls_context(options)
    return simulator(behaviour, options.port, host=options.host, tls=tls, webhook=webhook)


async def _serve(carrier: WebSimulator, steps: Sequence[Step], options: argparse.Namespace) -> dict[str, Any]:
    # Handle signals before the first line is printed: whoever reads it may send one.
    with process.measured() as took, process.stop_event() as stop:
        async with carrier:
            _write_at_signal(carrier, options.result_file)
            print(f"listening on {carrier.host}:{carrier.port}", flush=True)
            later = [asyncio.create_task(_act(carrier, step, options.result_file)) for step in steps]
            await process.wait_to_stop(stop, carrier.idle_s, options)
            for task in later:
                task.cancel()
            _write(carrier, options.result_file)
            return {**carrier.report(), **took()}


def _write_at_signal(carrier: WebSimulator, file: Path | None) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _write, carrier, file)


def _write(carrier: WebSimulator, file: Path | None) -> None:
    if file is not None:
        carrier.write_results(file)


async def _act(carrier: WebSimulator, step: Step, results: Path | None) -> None:
    await asyncio.sleep(step.at_s)
    if step.value is not None:
        carrier.change(**{step.name: step.value})
    elif step.name == "drop":
        carrier.drop_all()
    elif step.name == "close":
        carrier.stop_accepting()
    elif step.name == "results":
        _write(carrier, results)
    else:
        await carrier.start_accepting()
