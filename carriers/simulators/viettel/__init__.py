"""Simulated Viettel web service (CcApi): submits, statuses, failures, reports and the account.

`python -m carriers.simulators.viettel --help` lists every flag.
"""

from __future__ import annotations

from carriers.simulators.viettel.behaviour import ViettelBehaviour
from carriers.simulators.viettel.server import Viettel

__all__ = ["Viettel", "ViettelBehaviour"]
