"""`python -m carriers.simulators.smsc`: the message centre as a process of its own."""

from __future__ import annotations

from carriers.simulators.smsc.command import main

raise SystemExit(main())
