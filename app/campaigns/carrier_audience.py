"""The audience of a run at a carrier that sends to its own subscribers: areas and an estimate, no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from app.core.areas import Basis, normalise_area
from app.core.errors import Invalid
from app.database.models import audiences, runs

MOST_SUBSCRIBERS = 200_000_000  # more than the country has


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom to reach, and how the carrier locates a subscriber."""

    areas: tuple[str, ...]  # codes, none for the whole province
    area_basis: Basis
    estimated: int  # subscribers, roughly


def checked(areas: tuple[str, ...], area_basis: Basis, estimated: int) -> Audience:
    """Return the audience as stored: codes sorted and unique. Raises Invalid."""
    codes = []
    for raw in areas:
        code = normalise_area(raw)
        if code is None:
            raise Invalid(
                "Area “{area}” does not exist. Enter district or commune codes, for example 116 or 03646.",
                area=raw[:40],
                field="areas",
            )
        codes.append(code)
    if not 1 <= estimated <= MOST_SUBSCRIBERS:
        raise Invalid(
            "The estimate must be between 1 and {most} subscribers.", most=MOST_SUBSCRIBERS, field="estimated"
        )
    if area_basis is Basis.UNDIVIDED and codes:
        raise Invalid(
            "A carrier that cannot distinguish areas (khong_phan_dia_ban) sends to the whole "
            "province. Leave areas empty, or choose how the carrier distinguishes them.",
            field="area_basis",
        )
    return Audience(tuple(sorted(set(codes))), area_basis, estimated)


def keep(connection: Connection, run_id: int, audience: Audience) -> None:
    row = {"areas": list(audience.areas), "area_basis": str(audience.area_basis)}
    connection.execute(insert(audiences).values(run_id=run_id, estimated=audience.estimated, **row))


def drop(connection: Connection, run_id: int) -> None:
    connection.execute(delete(audiences).where(audiences.c.run_id == run_id))


def of_run(connection: Connection, run_id: int) -> Audience | None:
    row = connection.execute(select(audiences).where(audiences.c.run_id == run_id)).first()
    return None if row is None else of_row(row)


def of_campaign(connection: Connection, campaign_id: int) -> list[Audience]:
    query = select(audiences).join(runs, runs.c.id == audiences.c.run_id)
    rows = connection.execute(query.where(runs.c.campaign_id == campaign_id).order_by(runs.c.id))
    return [found for row in rows if (found := of_row(row)) is not None]


def of_row(row: Row[Any]) -> Audience | None:
    """Return the audience of a row with the columns of `audiences`; None where they are all empty."""
    if row.estimated is None:
        return None
    return Audience(tuple(row.areas), Basis(row.area_basis), row.estimated)
