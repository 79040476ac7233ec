"""The named points of the code at which the drill kills: around each transaction that matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WHERE = ("before", "in", "after")  # "in": all is written, and the commit is still to come

# The function that a transaction runs -> what the drill calls it.
_NAMES = {
    "claim": "claim",
    "release": "release",
    "renew": "renewal",
    "apply": "receipts",
    "rematch": "settling",
    "fan_out_next": "fan-out",
    "advance": "advance",
    "fold_tallies": "tallies",
    "once": "order",
    "_store": "import",
    "_finish": "import end",
}
# Where a sender may die: "before record" is after the wire, with every answer in hand; "after receipts" is
# committed and not acknowledged; "after intend" and "after record" are declared and not sent.
SENDER = tuple(
    f"{where} {name}"
    for name in ("claim", "intend", "record", "receipts", "release", "advance", "settling", "tallies")
    for where in WHERE
)
FAN_OUT = tuple(f"{where} fan-out" for where in WHERE)
IMPORT = tuple(f"{where} {name}" for name in ("import", "import end") for where in WHERE)
ORDER = tuple(f"{where} order" for where in WHERE)
# Where the database's server may stop under a sender.
SERVER = ("before record", "in record", "after record", "in receipts", "after receipts", "in claim")


def name_of(work: Callable[..., Any], args: tuple[object, ...]) -> str | None:
    """What the drill calls this transaction; None where it has no name."""
    called = getattr(work, "__name__", "")
    if called == "record":
        return "record" if args[2] else "intend"  # without outcomes it declares, and records nothing
    return _NAMES.get(called)
