"""Run the simulated message centre as a process: `python -m carriers.simulators.smsc`."""

from __future__ import annotations

from carriers.simulators.process import run
from carriers.simulators.smsc import Smsc

raise SystemExit(run(Smsc))
