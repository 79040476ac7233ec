"""What the simulators of carriers over HTTP share: a real server that behaves and misbehaves as it is told.

A carrier's simulator inherits `WebSimulator` and writes `handle`, one request and its answer:

    async with Mobifone(MobifoneManners(hang=0.1)) as carrier:
        ...                            # base_url = carrier.url
        carrier.change(hang=0)         # other manners from now on
        carrier.next(Trouble.CUT, 2)   # what the next two submits meet
        carrier.report()["distinct_numbers"]
"""

from __future__ import annotations

from carriers.simulators.web.behaviour import WebBehaviour
from carriers.simulators.web.exchange import SimulatedReply, SimulatedRequest
from carriers.simulators.web.faults import HttpTrouble
from carriers.simulators.web.messages import WebMessage
from carriers.simulators.web.server import WebSimulator

__all__ = ["HttpTrouble", "SimulatedReply", "SimulatedRequest", "WebBehaviour", "WebMessage", "WebSimulator"]
