"""Routes of comparisons: rounds, carriers against the norm, areas of two campaigns."""

from __future__ import annotations

from app.api.dependencies import Db, Id, Routes, Who
from app.reports.build import comparison
from app.reports.figures.by_area import MixedRow
from app.security import tenant_scope

router = Routes(prefix="/v1/campaigns/{campaign_id}", tags=["comparisons"])


@router.get("/rounds")
def get_rounds(campaign_id: Id, db: Db, who: Who) -> list[comparison.Round]:
    """The campaigns with the same text under the same directive, in order of their start."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.read(comparison.rounds, campaign_id, who.carrier)


@router.get("/carriers")
def compare_carriers(campaign_id: Id, db: Db, who: Who) -> comparison.Comparison:
    """A campaign's carriers against each other and QCVN 82:2014; sources of figures stand apart."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.read(comparison.carriers, campaign_id, who.carrier)


@router.get("/areas")
def get_areas(campaign_id: Id, db: Db, who: Who) -> list[MixedRow]:
    """A campaign by the areas of its day: districts until 06-2025, communes since."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.read(comparison.areas_of, campaign_id, who.carrier)


@router.get("/areas/beside/{other_id}")
def compare_areas(campaign_id: Id, other_id: Id, db: Db, who: Who) -> comparison.AreasCompared:
    """Two campaigns area by area; by old districts where the areas of their days differ."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id, other_id=other_id)
    return db.read(comparison.compare_areas, campaign_id, other_id, who.carrier)
