"""Run the simulated VNPT as a process: `python -m carriers.simulators.vnpt`."""

from __future__ import annotations

from carriers.simulators.vnpt import Vnpt
from carriers.simulators.web.command import run

raise SystemExit(run(Vnpt))
