"""Run the simulated MobiFone as a process: `python -m carriers.simulators.mobifone`."""

from __future__ import annotations

from carriers.simulators.mobifone import Mobifone
from carriers.simulators.web.command import run

raise SystemExit(run(Mobifone))
