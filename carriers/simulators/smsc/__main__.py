"""Run the simulated message centre as a process: `python -m carriers.simulators.smsc`."""

from __future__ import annotations

from carriers.simulators.smsc.command import main

raise SystemExit(main())
