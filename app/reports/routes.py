"""Routes of frozen reports: freezing, whose answer is kept with the version; signed PDFs; public check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Config, Db, Id, LedgerDep, Routes, Who
from app.api.idempotency_store import IdempotencyClaim, StoredAnswer, find, once
from app.api.idempotent_route import get_claim, respond
from app.api.rate_limit import admit_stranger
from app.api.uploads import Taking, file_body, sent
from app.core import clock
from app.core.errors import Conflict
from app.file_import.spool import folder_of
from app.reports.archive_operations import require_own
from app.reports.frozen import archive, printed_code
from app.reports.frozen.archive import Frozen, ReportSubject
from app.reports.frozen.printed_code import PrintedReport
from app.reports.frozen.signed_papers import SignedPaper, SignedPapers
from app.reports.release.freeze import Freezer, freezer_of
from app.reports.schemas import FreezeBody

router = Routes(prefix="/v1/reports", tags=["reports"])

public = Routes(tags=["verify"])

_FROZEN = TypeAdapter(Frozen)


@dataclass(frozen=True, slots=True)
class FreezeOnce:
    """Freezes once for each idempotency claim. Building the report takes too long for one transaction, so the
    answer is stored in the transaction that writes the new version.
    """

    freezer: Freezer
    claim: IdempotencyClaim | None
    keep_ms: int

    def freeze(self, subject: ReportSubject, cutoff_ms: int | None) -> tuple[StoredAnswer, bool]:
        """Return the answer, and whether it is a stored one."""
        if known := self._known():
            return known, True
        try:
            report, new = replace(self.freezer, along=self._keep).freeze(subject, cutoff_ms)
        except Conflict:
            if known := self._known():  # a concurrent duplicate of the request won
                return known, True
            raise
        answer = _answer(report, new)
        return (answer, False) if new else self._once(self.freezer.db.write, answer)

    def _known(self) -> StoredAnswer | None:
        return self.freezer.db.read(find, self.claim, self.keep_ms) if self.claim else None

    def _keep(self, connection: Connection, report_id: int) -> None:
        answer = _answer(archive.get(connection, report_id), True)
        _, known = self._once(lambda work, *rest: work(connection, *rest), answer)
        if known:
            raise Conflict("The same request has just frozen this report.")

    def _once(
        self, write: Callable[..., tuple[StoredAnswer, bool]], answer: StoredAnswer
    ) -> tuple[StoredAnswer, bool]:
        return write(once, self.claim, self.keep_ms, lambda _: answer) if self.claim else (answer, False)


def _answer(report: Frozen, new: bool) -> StoredAnswer:
    headers = {"location": f"/v1/reports/{report.id}"}
    return StoredAnswer(201 if new else 200, headers, _FROZEN.dump_json(report))


def get_freezing(
    db: Db,
    ledger: LedgerDep,
    settings: Config,
    who: Who,
    claim: Annotated[IdempotencyClaim | None, Depends(get_claim)],
) -> FreezeOnce:
    freezer = freezer_of(db, ledger, settings, who.name)
    return FreezeOnce(freezer, claim, settings.idempotency_ms)


@router.post(
    "", status_code=201, response_model=Frozen, responses={200: {"model": Frozen, "description": "As it was"}}
)
def freeze_report(
    body: FreezeBody, db: Db, who: Who, freezing: Annotated[FreezeOnce, Depends(get_freezing)]
) -> Response:
    """Freeze: 201 for a new version; 200 if this cut-off is frozen already or no figure has changed."""
    db.read(require_own, who, body.subject)
    cutoff_ms = clock.to_ms(body.cut_off_at) if body.cut_off_at else None
    return respond(*freezing.freeze(body.subject, cutoff_ms))


# Signed papers


@router.post("/{report_id}/signed", status_code=201, response_model=SignedPaper, openapi_extra=file_body())
async def keep_signed_paper(
    report_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Keep a signed PDF that came back; say what its signatures prove. The same bytes are checked anew."""
    papers = SignedPapers(db, settings.signature_roots, who.name, who.carrier)
    if who.carrier is not None:  # others see every report, and the check looks for it
        await db.aread(archive.get, report_id, who.carrier)
    folder = await run_in_threadpool(folder_of, settings.data, "uploads")
    async with uploads.taken(request, settings, folder, settings.attachment_limit_mb * 1_048_576) as upload:
        if known := await db.aread(taking.found, upload):
            return sent((known, True))
        found = await papers.checked(report_id, upload.path)

        def kept(connection: Connection) -> StoredAnswer:
            made = papers.keep(connection, report_id, upload.path, found, upload.file.name)
            return uploads.answer(201, SignedPaper, made)

        return sent(await db.awrite(taking.take, upload, kept))


Code = Annotated[str, Query(description="as printed on its last page", examples=["7K3M-9Q2D-XW4T-0B5H"])]


@public.get("/v1/verify/reports")
def verify_report(code: Code, request: Request, db: Db) -> PrintedReport:
    """Show the frozen figures behind the code on a report's last page; open to everybody, within a limit."""
    admit_stranger(request)
    return db.read(printed_code.look, code)
