"""The network of a simulation: connections with delays, partitions and resets, as TCP shows them.

A direction of a connection has bytes in the sender's transport, and bytes that the systems have taken. A
partition holds back what the systems have taken; what a killed program had in its transport is gone.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from tests.simulate.virtual_loop import Program, VirtualLoop, _owner

SYSTEM_TAKES = 4096  # bytes of a direction that the two systems hold
GIVES_UP_S = 30.0  # how long a system repeats what nobody acknowledges
_FIRST_PORT = 40_000


@dataclass(slots=True)
class Listener:
    """A port that a program listens on."""

    factory: Callable[[], asyncio.BaseProtocol]
    program: Program | None
    context: Context
    port: int
    open: bool = True

    @property
    def sockets(self) -> list[Any]:
        return [_Socket(("10.0.0.1", self.port))]

    def close(self) -> None:
        self.open = False

    async def wait_closed(self) -> None:
        """Nothing to wait for."""


@dataclass(slots=True)
class Network:
    """All connections between programs; `delay_s` is drawn for each write."""

    chance: random.Random
    loop: VirtualLoop = field(init=False)
    delay_s: tuple[float, float] = (0.001, 0.02)
    listeners: dict[int, Listener] = field(default_factory=dict)
    connections: list[tuple[Transport, Transport]] = field(default_factory=list)
    cut: set[int] = field(default_factory=set)  # ports that cannot be reached
    _port: int = _FIRST_PORT

    def listen(self, factory: Any, port: int) -> Listener:
        known = self.listeners.get(port)
        if known is not None and known.open:
            raise OSError(98, "the port is in use")
        found = Listener(factory, _owner.get(), copy_context(), port)
        self.listeners[port] = found
        return found

    async def connect(self, factory: Any, port: int) -> Any:
        await asyncio.sleep(self.chance.uniform(*self.delay_s))
        while port in self.cut:  # noqa: ASYNC110 - as a system that repeats its request
            await asyncio.sleep(0.5)
        listener = self.listeners.get(port)
        if listener is None or not listener.open or (listener.program and listener.program.killed):
            raise ConnectionRefusedError(111, "Connection refused")
        self._port += 1
        near = Transport(self, ("10.0.0.2", self._port), ("10.0.0.1", port), copy_context(), port)
        far = Transport(self, ("10.0.0.1", port), ("10.0.0.2", self._port), listener.context, port)
        near.peer, far.peer = far, near
        self.connections = [pair for pair in self.connections if not (pair[0].ended and pair[1].ended)]
        self.connections.append((near, far))
        protocol = factory()
        far.begin(listener.factory())
        near.protocol = protocol
        protocol.connection_made(near)
        return near, protocol

    def partition(self, port: int) -> None:
        """Hold back everything to and from this port."""
        self.cut.add(port)

    def heal(self, port: int) -> None:
        self.cut.discard(port)
        for pair in self.connections:
            for each in pair:
                each.flow()

    def reset(self, port: int) -> None:
        """Break every connection to this port; what is under way is lost."""
        for pair in self._of(port):
            for each in pair:
                each.lose(ConnectionResetError(104, "Connection reset by peer"))

    def end_of(self, program: Program) -> None:
        """Close what a killed program had open; what its system has taken still arrives."""
        for pair in self.connections:
            for each in pair:
                if each.context.get(_owner) is program:
                    each.die()

    def vanish(self, program: Program) -> None:
        """Cut the power of a program's machine: whoever writes to it hears nothing, not even a reset."""
        for pair in self.connections:
            for each in pair:
                if each.context.get(_owner) is program:
                    each.vanish()

    def _of(self, port: int) -> list[tuple[Transport, Transport]]:
        return [pair for pair in self.connections if pair[0].port == port and not pair[0].ended]


class Transport(asyncio.Transport):
    """One end of a connection.

    What it writes goes from its buffer into the line: bytes that the systems have taken, each with the time
    at which it arrives. Nothing moves while the network is cut.
    """

    def __init__(
        self, network: Network, own: tuple[str, int], far: tuple[str, int], context: Context, port: int
    ) -> None:
        self._socket = _Socket(own)
        super().__init__({"sockname": own, "peername": far, "socket": self._socket})
        self.network, self.context, self.port = network, context, port
        self.peer: Transport
        self.protocol: Any = None
        self.ended = False
        self._closing = False
        self._buffer = bytearray()
        self._line: deque[tuple[float, float, bytes]] = deque()  # (taken at, arrives at, data); b"": the end
        self._in_line = 0
        self._timer: asyncio.TimerHandle | None = None
        self._high = 65_536
        self._is_paused = False
        self._reads = True
        self._is_gone = False

    def begin(self, protocol: Any) -> None:
        self.protocol = protocol
        self._soon(protocol.connection_made, self)

    def _soon(self, callback: Any, *args: Any) -> None:
        self.network.loop.call_soon(callback, *args, context=self.context)

    # What programs call

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        self._buffer += data
        self.flow()
        if len(self._buffer) > self._high and not self._is_paused:
            self._is_paused = True
            self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        self.peer.flow()

    def is_closing(self) -> bool:
        return self._closing or self.ended

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self.flow()

    def abort(self) -> None:
        """End at once with a reset: what has not left this system is lost."""
        if self.ended:
            return
        self._buffer.clear()
        if self.port in self.network.cut:
            self._drop_line()
        self._end(None)
        self._take(b"")

    def die(self) -> None:
        """Be without a program: the system sends what it has taken, and then the end."""
        if not self.ended:
            self.ended = True
            self._buffer.clear()
            self._take(b"")

    def vanish(self) -> None:
        self.ended = self._is_gone = True
        self._buffer.clear()
        self._drop_line()

    def lose(self, error: Exception) -> None:
        """Break, with all that is under way."""
        self._drop_line()
        if not self.ended:
            self._buffer.clear()
            self._end(error)

    # What the systems do

    def flow(self) -> None:
        """Let the system take from the buffer, and deliver what has arrived."""
        self._fill()
        now, loop = self.network.loop.now, self.network.loop
        while self._line and self._may_arrive() and self._line[0][1] <= now:
            taken, _, data = self._line.popleft()
            self._in_line -= len(data)
            if now - taken > self._socket.patience_s:  # TCP_USER_TIMEOUT: the system has given up
                self.lose(TimeoutError(110, "Connection timed out"))
                return
            self._deliver(data)
        self._fill()
        if self._line and self._may_arrive() and self._timer is None:
            self._timer = loop.call_at(self._line[0][1], self._arrived, context=_NOBODY)

    def _may_arrive(self) -> bool:
        return self.port not in self.network.cut and (self.peer._reads or self.peer.ended)

    def _arrived(self) -> None:
        self._timer = None
        self.flow()

    def _fill(self) -> None:
        while self._buffer and self._in_line < SYSTEM_TAKES:
            some = bytes(self._buffer[: SYSTEM_TAKES - self._in_line])
            del self._buffer[: len(some)]
            self._take(some)
        if self._buffer or self.ended:
            return
        if self._closing:
            self._end(None)
            self._take(b"")
        elif self._is_paused:
            self._is_paused = False
            self._soon(self.protocol.resume_writing)

    def _take(self, data: bytes) -> None:
        network = self.network
        at = network.loop.now + network.chance.uniform(*network.delay_s)
        if self._line:
            at = max(at, self._line[-1][1])
        self._line.append((network.loop.now, at, data))
        self._in_line += len(data)
        if self._timer is None and self._may_arrive():
            self._timer = network.loop.call_at(self._line[0][1], self._arrived, context=_NOBODY)

    def _deliver(self, data: bytes) -> None:
        peer = self.peer
        if peer.ended:
            if data and peer._is_gone:  # no answer at all: our system gives up in the end
                give_up = TimeoutError(110, "Connection timed out")
                self.network.loop.call_later(GIVES_UP_S, self.lose, give_up, context=_NOBODY)
            elif data:  # nobody is there: the system answers with a reset
                self.lose(ConnectionResetError(104, "Connection reset by peer"))
        elif data:
            peer._soon(peer._receive, data)
        else:
            peer._soon(peer._hear_end)

    def _receive(self, data: bytes) -> None:
        if not self.ended:
            self.protocol.data_received(data)

    def _hear_end(self) -> None:
        if not self.ended:
            self._buffer.clear()
            self._end(None)

    def _drop_line(self) -> None:
        self._line.clear()
        self._in_line = 0

    def _end(self, error: Exception | None) -> None:
        self.ended = True
        self._soon(self.protocol.connection_lost, error)


class _Socket:
    """What programs ask of the socket of a connection."""

    def __init__(self, own: tuple[str, int]) -> None:
        self._own = own
        self.family = socket.AF_INET
        self.patience_s = 900.0  # how long the system tries to send

    def getsockname(self) -> tuple[str, int]:
        return self._own

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Take TCP_USER_TIMEOUT; SO_LINGER says what abort() does here anyway."""
        if level == socket.IPPROTO_TCP and option == socket.TCP_USER_TIMEOUT:
            self.patience_s = value / 1000


_NOBODY = Context()
