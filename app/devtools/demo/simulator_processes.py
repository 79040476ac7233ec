"""Simulated carriers as child processes that never outlive the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from app.core.errors import SetupError
from app.devtools.demo.scenario_smpp import DemoCarrier

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class SimulatorProcess:
    """A running simulator on a local port."""

    carrier: str
    process: subprocess.Popen[str]
    port: int

    def stop(self) -> dict[str, Any]:
        """Stop it and return its report (carriers/simulators)."""
        self.process.terminate()
        try:
            said, _ = self.process.communicate(timeout=_PATIENCE_S)
            return dict(json.loads(said.splitlines()[-1]))
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            raise SetupError(
                "The simulator of {carrier} ended without reporting its figures.", carrier=self.carrier
            ) from None


@contextmanager
def running_simulators(
    roles: Mapping[str, DemoCarrier], seed: int, log: Path, more: Mapping[str, Sequence[str]] | None = None
) -> Iterator[dict[str, SimulatorProcess]]:
    """Start a simulator per carrier, with the flags in `more`; all are stopped on exit."""
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("w", encoding="utf-8"))
        processes = {}
        for carrier, role in roles.items():
            flags = [*role.flags(seed), *(more or {}).get(carrier, ())]
            processes[carrier] = _start(role.simulator, flags, errors)
            stack.callback(_end, processes[carrier])
        yield {
            carrier: SimulatorProcess(carrier, one, _port(one, carrier, log))
            for carrier, one in processes.items()
        }


def _start(simulator: str, flags: Sequence[str], errors: TextIO) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own module, and no shell
        [sys.executable, "-m", f"carriers.simulators.{simulator}", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        # In a session of its own, so that Ctrl-C reaches only the demo, which then stops the simulators in
        # order.
        start_new_session=True,
    )


def _port(process: subprocess.Popen[str], carrier: str, log: Path) -> int:
    first = process.stdout.readline() if process.stdout else ""
    try:
        return int(first.rpartition(":")[2])
    except ValueError:
        raise SetupError(
            "The simulator of {carrier} did not start. See {log}.", carrier=carrier, log=log
        ) from None


def _end(process: subprocess.Popen[str]) -> None:
    with process:  # closes the pipe and waits
        if process.poll() is None:
            process.kill()
