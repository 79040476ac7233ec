"""`python -m carriers.simulators.viettel`: the carrier as a process of its own."""

from __future__ import annotations

from carriers.simulators.viettel import Viettel
from carriers.simulators.web.command import run

raise SystemExit(run(Viettel))
