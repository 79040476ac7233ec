"""`python -m carriers.simulators.mobifone`: the carrier as a process of its own."""

from __future__ import annotations

from carriers.simulators.mobifone import Mobifone
from carriers.simulators.web.command import run

raise SystemExit(run(Mobifone))
