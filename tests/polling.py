"""Ask until an import has ended: with a pause, since what reads the file needs the processor meanwhile."""

from __future__ import annotations

import time
from typing import Any

from httpx import Client

_PAUSE_S = 0.01


def imported(client: Client, place: str) -> dict[str, Any]:
    """What is at this address once its state is no longer `importing`."""
    while (found := client.get(place).json())["state"] == "importing":
        time.sleep(_PAUSE_S)
    return dict(found)
