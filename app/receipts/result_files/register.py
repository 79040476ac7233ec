"""Register uploaded result files; the same bytes of the same carrier are the same file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.core.errors import Conflict, Invalid
from app.core.states import BatchState
from app.database.connection import one_at_a_time, shared_ms
from app.database.models import receipt_files, runs
from app.file_import.leased_import import leased
from app.file_import.upload import UploadedFile
from app.ledger import erasure
from app.receipts.result_files.result_import_job import ResultFileImport
from app.security import audit
from carriers.contract import ReceiptLevel

LEVELS = {"operator": ReceiptLevel.OPERATOR, "handset": ReceiptLevel.HANDSET}
_C = receipt_files.c


@dataclass(frozen=True, slots=True)
class FileClaim:
    """What the uploader says of a file: its carrier, its campaign, and what it proves by contract."""

    carrier: str
    campaign_id: int | None = None  # None: whichever fits by number and time
    level: ReceiptLevel | None = None  # None: that of the sending link's receipts, at least operator


@dataclass(frozen=True, slots=True)
class RegisteredFile:
    """A file: `created` now or known before; `waiting` for its import, or its resumption."""

    id: int
    created: bool
    waiting: bool


# The level in the error about a known file.
_LEVELS = {
    None: "the level of its link",
    ReceiptLevel.OPERATOR: "operator level",
    ReceiptLevel.HANDSET: "handset level",
}


def read_level(value: str | None) -> ReceiptLevel | None:
    if not value:
        return None
    if value not in LEVELS:
        raise Invalid(
            "“{level}” is not a valid level. Choose operator or handset.", level=value[:40], field="level"
        )
    return LEVELS[value]


def register(connection: Connection, claim: FileClaim, file: UploadedFile, who: str) -> RegisteredFile:
    """Return the known file of these bytes, or a new one.

    Raises Conflict if it is known with another claim; Invalid without a run of the carrier, or of the
    campaign there.
    """
    # Simultaneous uploads of one file wait for the first, which none of the others may reject.
    one_at_a_time(connection, file.lock(f"receipts of {claim.carrier}"))
    known = _C.carrier == claim.carrier, _C.sha256 == file.sha256
    found = connection.execute(leased(receipt_files).where(*known)).first()
    if found is None:
        _check_carrier(connection, claim.carrier)
        _check_campaign(connection, claim)
        return _create(connection, claim, file, who)
    said = {"campaign_id": claim.campaign_id, "level": claim.level}
    other = {name: value for name, value in said.items() if value not in (None, found._mapping[name])}
    if other:
        _change_claim(connection, found, claim, other)
    erasure.require_none_of_file(connection, "receipt_file", found)
    waiting = ResultFileImport.await_again(connection, found)
    return RegisteredFile(found.id, created=False, waiting=waiting)


def _create(connection: Connection, claim: FileClaim, file: UploadedFile, who: str) -> RegisteredFile:
    said = {"carrier": claim.carrier, "campaign_id": claim.campaign_id, "level": claim.level}
    row = {
        "name": file.name[:200],
        "sha256": file.sha256,
        "bytes": file.size,
        "state": BatchState.IMPORTING,
        "created_at": shared_ms(connection),
        "created_by": who,
    }
    file_id = connection.execute(insert(receipt_files).values(said | row).returning(_C.id)).scalar_one()
    audit.note(connection, who, "receipts.register", f"receipt-file/{file_id}", sha256=file.sha256, **said)
    return RegisteredFile(file_id, created=True, waiting=True)


def _change_claim(connection: Connection, row: Row[Any], claim: FileClaim, other: dict[str, int]) -> None:
    """Change the claim of a failed file, of which nothing has been applied."""
    if row.state != BatchState.FAILED:
        raise Conflict(
            "This file was already uploaded as receipt file {file}, and its lines were applied to {what}. "
            "To apply some to another campaign, upload them as a separate file.",
            file=row.id,
            what=_words(row),
        )
    _check_campaign(connection, claim)
    connection.execute(update(receipt_files).where(_C.id == row.id).values(other))


def _words(file: Row[Any]) -> str:
    campaign = "any campaign" if file.campaign_id is None else f"campaign {file.campaign_id}"
    return f"{campaign}, {_LEVELS[file.level]}"


def _check_carrier(connection: Connection, carrier: str) -> None:
    known = connection.execute(select(runs.c.carrier).distinct().order_by(runs.c.carrier)).scalars().all()
    if carrier not in known:
        raise Invalid(
            "No campaign has a run at “{carrier}”, so its result file cannot be read. Choose one "
            "of: {known}.",
            carrier=carrier[:40],
            known=", ".join(known) or "none yet",
            field="carrier",
        )


def _check_campaign(connection: Connection, claim: FileClaim) -> None:
    if claim.campaign_id is None:
        return
    own = (runs.c.campaign_id == claim.campaign_id, runs.c.carrier == claim.carrier)
    if connection.execute(select(runs.c.id).where(*own)).first() is None:
        raise Invalid(
            "Campaign {campaign} has no run at {carrier}. Choose a campaign that has one, or none.",
            campaign=claim.campaign_id,
            carrier=claim.carrier,
            field="campaign",
        )
