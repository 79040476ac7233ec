"""Run the simulated Viettel as a process: `python -m carriers.simulators.viettel`."""

from __future__ import annotations

from carriers.simulators.viettel import Viettel
from carriers.simulators.web.command import run

raise SystemExit(run(Viettel))
