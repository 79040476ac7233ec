"""Simulated MobiFone brandname service over HTTP: login.jsp, send.jsp and send_2.jsp.

`python -m carriers.simulators.mobifone --help` lists every flag.
"""

from __future__ import annotations

from carriers.simulators.mobifone.server import Mobifone, MobifoneBehaviour

__all__ = ["Mobifone", "MobifoneBehaviour"]
