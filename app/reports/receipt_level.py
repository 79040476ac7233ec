"""What a run's figures can prove: as much as its links' receipts, or the carrier's result files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.core.states import BatchState
from app.database.models import lanes, receipt_files
from carriers.contract import ReceiptLevel


def proved(connection: Connection, run: Row[Any], cutoff_ms: int) -> int | None:
    """The highest level of the run's receipts by then; None while its carrier has no link."""
    query = select(func.max(lanes.c.receipt_level)).where(lanes.c.carrier == run.carrier)
    links: int | None = connection.execute(query).scalar()
    if links is None:
        return None
    c = receipt_files.c
    came = (c.carrier == run.carrier, c.state != BatchState.FAILED, c.created_at <= cutoff_ms)
    files = connection.execute(select(c.level, c.campaign_id, c.runs).where(*came))
    told = [level for level, campaign_id, runs in files if _tells(campaign_id, runs, run)]
    # A file without a level of its own proves as much as the link, or that the operator has it.
    return max([links, *(level or links or ReceiptLevel.OPERATOR for level in told)])


def _tells(campaign_id: int | None, runs: Sequence[dict[str, int]] | None, run: Row[Any]) -> bool:
    """Whether a file names messages of the run; while it is being applied, whether it may."""
    if runs is None:
        return campaign_id in (None, run.campaign_id)
    return any(each["run_id"] == run.id and each["named"] for each in runs)
