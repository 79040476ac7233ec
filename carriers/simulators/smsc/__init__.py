"""A real SMPP 3.4 message centre for tests, demo and bench, with configurable misbehaviour.

    async with Smsc(SmscBehaviour(throttle=0.1)) as smsc:
        ...                       # bind to 127.0.0.1:smsc.port
        smsc.change(throttle=0)   # change the behaviour from now on
        smsc.report()["distinct_numbers"]

`python -m carriers.simulators.smsc --help` lists every flag and every number with a special outcome.
"""

from __future__ import annotations

from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.server import Smsc

__all__ = ["Smsc", "SmscBehaviour"]
