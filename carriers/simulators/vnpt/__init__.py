"""Simulated VNPT SMS Marketing API: send_sms_list, the status calls and the account's lists.

`python -m carriers.simulators.vnpt --help` lists every flag.
"""

from __future__ import annotations

from carriers.simulators.vnpt.behaviour import VnptBehaviour
from carriers.simulators.vnpt.server import Vnpt

__all__ = ["Vnpt", "VnptBehaviour"]
