"""How Python is set in a process that stays."""

from __future__ import annotations

import json
import subprocess
import sys

_SETTLED = """
import gc, json, sys
from app.core import gc_tuning
made = [[] for _ in range(1000)]
gc_tuning.exempt_loaded()
left = [*made]
del made
print(json.dumps([gc.get_freeze_count(), gc.isenabled(), gc.get_threshold()[0], sys.getswitchinterval()]))
"""


def test_what_is_there_at_the_start_is_frozen_and_the_rest_is_still_collected() -> None:
    """In a process of its own: what it changes is the whole interpreter's."""
    done = subprocess.run([sys.executable, "-c", _SETTLED], capture_output=True, text=True, check=True)
    frozen, collects, threshold, switch_s = json.loads(done.stdout)
    assert frozen >= 1000
    assert collects
    assert threshold > 700
    assert switch_s < 0.005
