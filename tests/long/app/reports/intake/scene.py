"""Run 2, whose carrier holds the audience, beside run 1 which Loa sends."""

from __future__ import annotations

from typing import Any

from app.database import models as m
from app.database.connection import Database
from tests.long.app.reports.scene import DAY, T0, Scene

PDF = b"%PDF-1.7\n1 0 obj\n"


def held(db: Database, state: str = "sent") -> Scene:
    """Campaign 1: run 1 at vnpt over a batch, run 2 at viettel over the districts 116 and 125."""
    scene = Scene("finished")
    scene.run(2, "viettel", state, started_at=T0, ended_at=T0 + DAY)
    audience = {"areas": ["116", "125"], "area_basis": "dia_chi_dang_ky", "estimated": 1000}
    scene.add(m.audiences, run_id=2, **audience)
    return scene.save(db)


def body(**changes: Any) -> dict[str, Any]:
    """A right statement of run 2."""
    general = {"eligible": 1000, "sent": 970, "received": 900, "failed": 50, "segments": 1940}
    general |= {"causes": {"repeated": 10, "wrong_number": 20}}
    whole: dict[str, Any] = {
        "level": "handset",
        "began_at": "2024-01-29T09:00:00+07:00",
        "ended_at": "2024-01-30T09:00:00+07:00",
        "cutoff_at": "2024-02-21T17:00:00+07:00",
        "received_at": "2024-02-22T08:00:00+07:00",
        "number": "125/BC-VTSL",
        "dated_on": "2024-02-22",
        "general": general,
        "areas": [
            {"code": "116", "eligible": 600, "sent": 580, "received": 540, "failed": 30},
            {"code": "125", "eligible": 400, "sent": 390, "received": 360, "failed": 20},
        ],
        "days": [{"day": "2024-01-29", "hours": "09:00-17:00", "sent": 970, "received": 900}],
        "reasons": [{"key": "expired", "n": 50}],
    }
    return whole | changes
