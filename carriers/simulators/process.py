"""Run a simulator as a process: a flag for each field of its behaviour, and a report in the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import math
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from carriers.simulators import randomness

POLL_S = 0.1


@dataclasses.dataclass(slots=True)
class Counters:
    """Event counters; the names say what is counted."""

    connections: int = 0
    connections_dropped: int = 0
    submits: int = 0
    answered: int = 0
    throttled: int = 0
    refused: int = 0
    never_answered: int = 0
    never_reported: int = 0
    receipts_due: int = 0
    receipts_sent: int = 0
    receipts_acknowledged: int = 0
    receipts_refused: int = 0
    receipts_refused_for_now: int = 0


class Simulator(ABC):
    """A server on one port; the fields of `behaviour_type` are defined by randomness.flag."""

    name: ClassVar[str]
    port_by_default: ClassVar[int]
    behaviour_type: ClassVar[type[Any]]
    epilog: ClassVar[str] = ""
    host: str
    port: int
    server: asyncio.Server | None = None

    async def start_accepting(self) -> None:
        """Listen, on the same port again after stop_accepting()."""
        self.server = await self.listen()
        self.port = self.server.sockets[0].getsockname()[1]

    def stop_accepting(self) -> None:
        """Refuse new connections; existing ones stay."""
        if self.server is not None:
            self.server.close()
            self.server = None

    @classmethod
    @abstractmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        """Add flags besides those of the behaviour."""

    @classmethod
    @abstractmethod
    def from_flags(cls, behaviour: Any, options: argparse.Namespace) -> Self: ...
    @abstractmethod
    async def listen(self) -> asyncio.Server: ...
    @abstractmethod
    async def __aenter__(self) -> Self: ...
    @abstractmethod
    async def __aexit__(self, *_: object) -> None: ...
    @abstractmethod
    def idle_s(self) -> float:
        """Return the seconds since the last request; 0 before the first submit and while anything is due."""

    @abstractmethod
    def report(self) -> dict[str, Any]: ...


def by_copies(copies: Iterable[int]) -> dict[str, object]:
    """Return how many numbers have how many copies of a message."""
    numbers = Counter(copies)
    return {
        "distinct_numbers": numbers.total(),
        "copies_max": max(numbers, default=0),
        "numbers_twice": sum(count for copies, count in numbers.items() if copies > 1),
        "numbers_by_copies": {str(copies): numbers[copies] for copies in sorted(numbers)},
    }


def run(simulator: type[Simulator], argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT, SIGTERM, --for or --until-idle; 0, or 2 for a wrong flag (SystemExit)."""
    parser = _parser(simulator)
    options = parser.parse_args(argv)
    try:
        server = simulator.from_flags(_behaviour(simulator.behaviour_type, options), options)
    except ValueError as error:
        parser.error(str(error))
    report = asyncio.run(_serve(server, options))
    width = max(map(len, report))
    for name, value in report.items():
        print(f"{name:<{width}}  {value}")
    if options.json:
        print(json.dumps(report))
    sys.stdout.flush()
    return 0


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _parser(simulator: type[Simulator]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"loa simulate {simulator.name}",
        description=simulator.__doc__,
        epilog=simulator.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    given = "0: chosen by the system; the first line printed names the port"
    add("--port", type=_port, default=simulator.port_by_default, help=given)
    add("--for", type=float, dest="for_s", metavar="SECONDS", help="stop after this many seconds")
    idle = "stop after this many seconds without a request"
    add("--until-idle", type=float, dest="idle_s", default=math.inf, metavar="SECONDS", help=idle)
    add("--json", action="store_true", help="the last line printed is the report as one JSON object")
    simulator.add_flags(parser)
    for field in dataclasses.fields(simulator.behaviour_type):
        kind = argparse.BooleanOptionalAction
        extra: dict[str, Any] = {"action": kind} if isinstance(field.default, bool) else {"metavar": "X"}
        shown = f"{field.metadata['help'].replace('%', '%%')} (default: {field.default})"
        add("--" + field.name.replace("_", "-"), dest=field.name, default=None, help=shown, **extra)
    return parser


def _behaviour(kind: type, options: argparse.Namespace) -> Any:
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(kind)}
    return kind(
        **{
            name: randomness.parse(kind, name, value) if isinstance(value, str) else value
            for name, value in given.items()
            if value is not None
        }
    )


async def _serve(server: Simulator, options: argparse.Namespace) -> dict[str, Any]:
    started, cpu = time.monotonic(), time.process_time()
    # Handle signals before the first line is printed: whoever reads it may send one.
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with server:
        print(f"listening on {server.host}:{server.port}", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.for_s):
                while not stop.is_set() and server.idle_s() < options.idle_s:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), POLL_S)
        took = {"elapsed_s": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
        return {**server.report(), **{name: round(value, 3) for name, value in took.items()}}
