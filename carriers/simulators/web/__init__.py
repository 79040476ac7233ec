"""The base of simulated carriers over HTTP: real servers with configurable misbehaviour.

A carrier's simulator inherits `WebSimulator` and implements `handle`, one request and its answer:

    async with Mobifone(MobifoneBehaviour(hang=0.1)) as carrier:
        ...                                # base_url = carrier.url
        carrier.change(hang=0)             # change the behaviour from now on
        carrier.next(HttpTrouble.CUT, 2)   # what happens to the next two submits
        carrier.report()["distinct_numbers"]
"""

from __future__ import annotations

from carriers.simulators.web.behaviour import HttpTrouble, WebBehaviour
from carriers.simulators.web.connection import NOT_FOUND, SimulatedReply, SimulatedRequest
from carriers.simulators.web.server import WebSimulator
from carriers.simulators.web.webhook import WebMessage

__all__ = [
    "NOT_FOUND",
    "HttpTrouble",
    "SimulatedReply",
    "SimulatedRequest",
    "WebBehaviour",
    "WebMessage",
    "WebSimulator",
]
