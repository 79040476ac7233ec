"""The base of simulated carriers over HTTP: real servers with configurable misbehaviour.

A carrier's simulator inherits `WebSimulator` and implements `handle`, one request and its answer:

    async with Mobifone(MobifoneBehaviour(hang=0.1)) as carrier:
        ...                                # base_url = carrier.url
        carrier.change(hang=0)             # change the behaviour from now on
        carrier.next(HttpTrouble.CUT, 2)   # what happens to the next two submits
        carrier.report()["distinct_numbers"]
"""

from __future__ import annotations

from carriers.simulators.web.behaviour import WebBehaviour
from carriers.simulators.web.exchange import SimulatedReply, SimulatedRequest
from carriers.simulators.web.faults import HttpTrouble
from carriers.simulators.web.messages import WebMessage
from carriers.simulators.web.server import WebSimulator

__all__ = ["HttpTrouble", "SimulatedReply", "SimulatedRequest", "WebBehaviour", "WebMessage", "WebSimulator"]
