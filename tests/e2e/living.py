"""A Loa that lives: the program itself in a process of its own, with its worker, beside a message centre."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.accounts.service import add_person
from app.database.connection import Database
from app.security.principal import at_keyboard
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.e2e import scene
from tests.faults.processes import PATIENCE_S, Home, smpp_link

# Slow enough to be watched: some seconds for a few hundred messages.
_RATE = {"segments_per_second": 50, "receipt_level": "handset"}


@dataclass(frozen=True, slots=True)
class Living:
    """Where its pages are, and what it sends to."""

    home: Home
    smsc: Smsc

    def until(self, true: Callable[[], object], what: str) -> None:
        """Look again and again, as long as the program lives; it fails when it takes too long."""
        end, program = time.monotonic() + PATIENCE_S, self.home.programs[-1]
        while not true():
            assert program.alive(), program.words()
            assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}\n{program.words()}"
            time.sleep(0.1)


@contextmanager
def living(home: Home, behaviour: SmscBehaviour) -> Iterator[Living]:
    """`loa up` with one link to a centre of this behaviour, and with the people of the scene."""
    _register(home.url)
    with centre(behaviour) as smsc:
        link = smpp_link("viettel", smsc.port, **_RATE)
        home.configure({"viettel-1": link}, environment="development", lease_seconds=2)
        found = Living(home, smsc)
        program = home.start("up")
        found.until(lambda: "listening" in program.words() and smsc.binds(), "it listens and is bound")
        yield found


def _register(url: str) -> None:
    db = Database(url)
    for person in scene.PEOPLE.values():
        db.write(add_person, person, scene.PASSWORD, at_keyboard("host"))
    db.close()


@contextmanager
def centre(behaviour: SmscBehaviour) -> Iterator[Smsc]:
    """A message centre in a thread with a loop of its own: in this one a browser's loop may stand still."""
    ready, stop = threading.Event(), threading.Event()
    smsc = Smsc(behaviour)

    async def run() -> None:
        async with smsc:
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield smsc
    finally:
        stop.set()
        thread.join()
