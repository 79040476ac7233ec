"""An event loop whose time jumps to the next timer, for programs that can be frozen and killed.

Callbacks run in asyncio's own order. What a seed decides is when things happen: how long the network, the
database and people take (network.py, database.py, world.py).
"""

from __future__ import annotations

import asyncio
import heapq
import os
import random
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any

_MIDNIGHT_S = 1_804_438_800.0  # 8 March 2027, 00:00 in Vietnam
DAY_S = 86_400.0
_RESOLUTION_S = 1e-9
_BOOT_S = 1000.0  # the clock since boot at the start


class Program:
    """One run of a program. While it is frozen its callbacks wait; once it is killed they never run.

    A killed program runs no `finally` and cancels nothing, as after kill -9.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.killed = False
        self.frozen = False
        self.waiting: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []  # kept, so that no `finally` runs when it is collected

    def context(self) -> Context:
        """Return a context whose callbacks belong to this program."""
        context = copy_context()
        context.run(_owner.set, self)
        return context


_owner: ContextVar[Program | None] = ContextVar("program", default=None)


def _run(handle: asyncio.Handle) -> None:
    owner = handle._context.get(_owner)
    if owner is None or not (owner.killed or owner.frozen):
        handle._run()
    elif owner.frozen and not owner.killed:
        owner.waiting.append(handle)


class Stalled(Exception):
    """Nothing is left to run, yet the simulation is not at its end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop of one simulation; `network` makes its connections (network.py)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.now = 0.0
        self._number = 0
        self.network = network
        self.problems: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, problem: self.problems.append(problem))

    def time(self) -> float:
        return self.now

    def start(self, program: Program, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` as a task of this program."""
        task = self.create_task(work, context=program.context())
        program.tasks.append(task)
        task.add_done_callback(self._look_at)
        return task

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append({"message": "a program ended with a fault", "exception": error})

    def thaw(self, program: Program) -> None:
        """Let a frozen program go on with all that has waited for it."""
        program.frozen = False
        for handle in program.waiting:
            self._ready.append(handle)
        program.waiting.clear()

    # Of BaseEventLoop: no selector, no threads, no real network; a turn costs little, as there are thousands.

    def _run_once(self) -> None:
        """Run what is ready, or go on to the next timer: waiting is a jump of the clock."""
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0][2]._cancelled:
            heapq.heappop(scheduled)
        if not ready:
            if not scheduled:
                raise Stalled("nothing is left to run")
            self.now = max(self.now, scheduled[0][0])
        until = self.now + _RESOLUTION_S
        while scheduled and scheduled[0][0] < until:
            ready.append(heapq.heappop(scheduled)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                _run(handle)

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._number += 1  # those of one moment run in the order in which they were set
        heapq.heappush(self._scheduled, (when, self._number, timer))
        return timer

    def call_soon_threadsafe(
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: list[object]) -> None:
        """Nothing: data comes by timers."""

    def _write_to_self(self) -> None:
        """Nothing: there are no threads to wake the loop for."""

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        return await self.network.connect(protocol_factory, int(port))

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = 0, **_: Any) -> Any:
        return self.network.listen(protocol_factory, int(port))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run the function in the next turn of the loop: a thread that takes no time."""
        future: asyncio.Future[Any] = self.create_future()
        self.call_soon(_work, future, func, args)
        return future


def _work(future: asyncio.Future[Any], func: Any, args: Any) -> None:
    if future.cancelled():
        return
    try:
        future.set_result(func(*args))
    except Exception as error:
        future.set_exception(error)


class WallClock:
    """The wall clock, which faults may step."""

    def __init__(self, loop: VirtualLoop, starts_s: float) -> None:
        self._loop = loop
        self.ahead_s = starts_s  # seconds after midnight at the start

    def time(self) -> float:
        return _MIDNIGHT_S + self._loop.now + self.ahead_s

    def time_of_day_s(self) -> float:
        return (self._loop.now + self.ahead_s) % DAY_S

    def to_morning(self) -> None:
        """Go on to eight o'clock of the next morning."""
        self.ahead_s += DAY_S - self.time_of_day_s() + 8 * 3600


@contextmanager
def no_chance(seed: int) -> Iterator[None]:
    """Have everything that is drawn in this process follow from the seed."""
    drawn, real = random.Random(f"entropy {seed}"), os.urandom
    random.seed(f"all {seed}")
    os.urandom = random._urandom = drawn.randbytes  # type: ignore[attr-defined]  # SystemRandom reads it there
    try:
        yield
    finally:
        os.urandom = random._urandom = real  # type: ignore[attr-defined]


@contextmanager
def simulated_time(loop: VirtualLoop, clock: WallClock) -> Iterator[None]:
    """Have `time` tell the simulation's time to everything in this process."""
    real = {name: getattr(time, name) for name in ("time", "time_ns", "monotonic", "clock_gettime", "sleep")}

    def clock_gettime(which: int) -> float:
        return clock.time() if which == time.CLOCK_REALTIME else _BOOT_S + loop.now

    time.time = clock.time
    time.time_ns = lambda: round(clock.time() * 1e9)
    time.monotonic = lambda: _BOOT_S + loop.now
    time.clock_gettime = clock_gettime
    time.sleep = lambda _: None
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(time, name, function)
