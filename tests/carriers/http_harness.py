"""A harness of contract_cases for every adapter over HTTP, against that carrier's simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from carriers.contract import Carrier, LinkOptions
from carriers.simulators.web import WebSimulator
from tests.carriers.contract_cases import Behaviour

PASSWORD = "s3cr3t-w0rd"  # what adapters log in with, and no log may have
# Well under a second where the far end keeps silent; nothing else may meet a deadline on a busy machine.
PATIENT = {"connect_timeout_s": 10, "write_timeout_s": 10, "answer_timeout_s": 10}
DEADLINES: Mapping[Behaviour, Mapping[str, object]] = {
    Behaviour.SILENT: PATIENT | {"answer_timeout_s": 0.4},
    Behaviour.MUTE: {"connect_timeout_s": 0.3, "write_timeout_s": 0.3, "answer_timeout_s": 0.4},
}

BEHAVIOUR: Mapping[Behaviour, Mapping[str, Any]] = {
    Behaviour.TAKE: {},
    Behaviour.REFUSE_SEVENS: {"refused": "7"},
    Behaviour.THROTTLE: {"throttle": 1.0},
    Behaviour.DIE: {"break_after": 1.0},
    Behaviour.SILENT: {"hang": 1.0},
    Behaviour.CUT: {"cut": 1.0},
    Behaviour.HUGE: {"huge": 1.0},
    Behaviour.NOISE: {"noise": 1.0},
    Behaviour.GARBAGE: {"garbage": 1.0},
    Behaviour.WRONG_TYPE: {"page": 1.0},
    Behaviour.WRONG_PASSWORD: {"account": "somebody:else"},
}


class HttpHarness:
    """`options` are the adapter's own required settings, without base_url and password."""

    def __init__(
        self,
        make: Callable[[LinkOptions], Carrier],
        simulator: type[WebSimulator],
        options: Mapping[str, object],
        given: Mapping[str, Any] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.secrets = (PASSWORD, *secrets)
        self._make, self._simulator_type, self._options = make, simulator, options
        self._given = given or {}
        self.simulator: WebSimulator | None = None

    def messages_read(self) -> int:
        """How many messages the simulator was handed, whatever became of them."""
        return self.simulator.report()["submits"] if self.simulator else 0

    @asynccontextmanager
    async def link(self, behaviour: Behaviour, answer_s: float | None = None) -> AsyncIterator[Carrier]:
        deadlines = DEADLINES.get(behaviour, PATIENT)
        if answer_s is not None:
            deadlines = {**deadlines, "answer_timeout_s": answer_s}
        if behaviour is Behaviour.MUTE:
            async with mute() as port, self._open(f"https://127.0.0.1:{port}/", deadlines) as carrier:
                yield carrier
            return
        given = {**self._given, **BEHAVIOUR.get(behaviour, {})}
        simulator = self._simulator_type(self._simulator_type.behaviour_type(**given))
        async with simulator, self._open(simulator.url, deadlines) as carrier:
            self.simulator = simulator
            if behaviour is Behaviour.AWAY:
                simulator.stop_accepting()
            yield carrier

    @asynccontextmanager
    async def _open(self, base_url: str, deadlines: Mapping[str, object]) -> AsyncIterator[Carrier]:
        options = {**deadlines, **self._options, "base_url": base_url, "password": PASSWORD}
        carrier = self._make(LinkOptions("test-1", "test", 1000.0, options))
        await carrier.open()
        try:
            yield carrier
        finally:
            await carrier.close()


@asynccontextmanager
async def mute() -> AsyncIterator[int]:
    """The port of a server that lets everybody connect, reads, and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
