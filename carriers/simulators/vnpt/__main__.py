"""`python -m carriers.simulators.vnpt`: the carrier as a process of its own."""

from __future__ import annotations

from carriers.simulators.vnpt import Vnpt
from carriers.simulators.web.command import run

raise SystemExit(run(Vnpt))
