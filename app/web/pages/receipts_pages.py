"""The receipt log, numbers masked; result files of carriers: upload, reconciliation, lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, select

from app.api import uploads
from app.api.dependencies import Id, Routes
from app.core.errors import Conflict, Forbidden, Invalid, SetupError, TooLarge
from app.database.listing import COUNTED, ListPart, ListRequest
from app.database.models import campaigns, runs
from app.file_import.spool import in_turn, spool_path
from app.file_import.upload import Upload
from app.receipts import receipt_log
from app.receipts.receipt_log import Before, QuarantineReason
from app.receipts.result_file_routes import claim_of
from app.receipts.result_files import queries
from app.receipts.result_files.register import RegisteredFile, register
from app.receipts.result_files.result_importer import folder_of, import_spooled
from app.receipts.result_files.status_words import words_of
from app.receipts.result_files.verdicts import WORDS, ResultVerdict
from app.security.roles import may
from app.web import display_names, query_params
from app.web.forms.list_export import Column, ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import FormData, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import Said, say
from app.web.view_models import delivery_labels

router = Routes(include_in_schema=False)
ON_A_PAGE = 50

WHY: dict[QuarantineReason, Said] = {
    QuarantineReason.NO_SUCH_REFERENCE: say(
        "No submission has this reference, and no message to this number is waiting for one."
    ),
    QuarantineReason.SEVERAL_HAVE_IT: say(
        "The carrier gave this reference to several messages, and the receipt has no number, so it "
        "is unclear which message is meant."
    ),
    QuarantineReason.NO_MESSAGE: say(
        "It has no reference, and either no message or several messages went to this number over "
        "these links recently."
    ),
    QuarantineReason.NOTHING_NAMED: say("It has neither a reference nor a number."),
}


_RECEIPT: dict[Said, Column] = {
    say("Received at"): "receipt.received_at",
    say("Link"): "receipt.link",
    say("Carrier"): lambda row, _: display_names.network(row.receipt.carrier),
    say("Reported result"): lambda row, speaker: speaker.say(delivery_labels.RECEIPTS[row.receipt.status]),
    say("Reason"): lambda row, speaker: speaker.say(delivery_labels.REASONS.get(row.receipt.reason, "")),
    say("Level"): lambda row, speaker: speaker.say(delivery_labels.LEVELS[row.receipt.level]),
    say("Carrier's code"): "receipt.code",
    say("Reference"): "receipt.reference",
    say("Phone number"): "receipt.phone",
    say("Carrier's time"): "receipt.done_at",
}
MATCHED = ListFile(
    "receipts",
    _RECEIPT
    | {
        say("Campaign"): "campaign_id",
        say("Batch"): "batch_id",
        say("Line"): "line",
    },
)
WAITING = ListFile(
    "quarantine",
    _RECEIPT
    | {
        say("Why it is unmatched"): lambda row, speaker: speaker.say(WHY[row.why]),
        say("Next attempt"): "try_at",
        say("Raw text"): "receipt.raw",
    },
)


@router.get("/receipts")
async def page_receipts(
    visit: Visit, query: Annotated[ListQuery, Depends()], link: str = "", kind: str = ""
) -> Response:
    """List receipts of one link or all, newest first; invalid parameters are ignored."""
    quarantined = kind == "quarantine"

    def links(connection: Connection) -> tuple[receipt_log.Names, receipt_log.Names]:
        known = receipt_log.links_of(connection, visit.who.carrier)
        return known, {number: row for number, row in known.items() if number == query_params.number(link)}

    def work(connection: Connection) -> tuple[dict[str, Any], ListPart[Any], dict[str, str]]:
        known, chosen = links(connection)
        asked = {"link": link if chosen else "", "kind": "quarantine" if quarantined else ""}
        values = {"links": known, "waiting": receipt_log.how_many_wait(connection, known)}
        return values, part(connection, query.request(), ON_A_PAGE, chosen or known), asked

    part = _waiting if quarantined else _matched
    if wants_file(query):
        known, chosen = await visit.db.aread(links)
        file = WAITING if quarantined else MATCHED
        return list_file(visit, file, query.request(), partial(part, names=chosen or known))
    values, found, asked = await visit.db.aread(work)
    values |= {"why": WHY, "days": visit.settings.retention_days, "labels": delivery_labels}
    shown = list_view(visit, query, found, asked)
    return render(visit, "receipts.html", quarantined=quarantined, list=shown, **values)


def _matched(
    connection: Connection, request: ListRequest, limit: int, names: receipt_log.Names
) -> ListPart[Any]:
    at, _, skip = request.after.partition("-")
    last = _last(request)
    place = Before(min(_number(at) or last, last), query_params.number(skip))
    found, following = receipt_log.matched(connection, names, place, limit, request.since_ms)
    total = receipt_log.how_many(connection, names, request.since_ms, last)
    return ListPart(found, total, f"{following.at}-{following.skip}" if following else "")


def _waiting(
    connection: Connection, request: ListRequest, limit: int, names: receipt_log.Names
) -> ListPart[Any]:
    times, below = (request.since_ms, _last(request)), _number(request.after) or receipt_log.LATEST
    found, following = receipt_log.waiting(connection, names, below, limit, times)
    return ListPart(found, receipt_log.how_many_wait(connection, names, times), str(following or ""))


def _last(request: ListRequest) -> int:
    """Return the last ms that is wanted."""
    return request.until_ms - 1 if request.until_ms else receipt_log.LATEST


def _number(text: str) -> int:
    """Parse a number that may exceed an id; 0 for anything else."""
    return min(int(text), receipt_log.LATEST) if text.isascii() and text.isdecimal() and len(text) < 17 else 0


_CAMPAIGNS = 100  # newest campaigns offered

LEVELS: Mapping[str, Said] = {
    "": say("the same as the link's receipts"),
    "operator": say("accepted by the carrier's centre (not the handset)"),
    "handset": say("delivered to the handset"),
}
# Short names of verdicts; the full sentence stands beside each.
VERDICTS: Mapping[str, Said] = {
    ResultVerdict.AGREED: say("agrees"),
    ResultVerdict.SETTLED: say("new result"),
    ResultVerdict.SAYS_DELIVERED: say("contradicts: delivered"),
    ResultVerdict.SAYS_UNDELIVERED: say("contradicts: not delivered"),
    ResultVerdict.OPEN: say("still open"),
    ResultVerdict.REPEATED: say("repeated"),
    ResultVerdict.UNSENT: say("not sent by Loa"),
    ResultVerdict.UNKNOWN: say("no matching message"),
    ResultVerdict.AMBIGUOUS: say("ambiguous"),
    ResultVerdict.BAD: say("not readable"),
}


FILE = ListFile(
    "result-files",
    {
        say("No."): "id",
        say("File"): "name",
        say("Carrier"): carrier_name,
        say("State"): "state",
        say("Lines"): "lines",
        **{words: f"reconciliation.{verdict}" for verdict, words in VERDICTS.items()},
        say("Received at"): "created_at",
        say("Entered by"): "created_by",
    },
)


@router.get("/receipt-files")
async def page_receipt_files(visit: Visit, query: Annotated[ListQuery, Depends()]) -> Response:
    asked = query.request(queries.ORDERS)
    if wants_file(query):
        return list_file(visit, FILE, asked, partial(queries.listed, carrier=visit.who.carrier))
    found = await visit.db.aread(queries.listed, asked, ON_A_PAGE, visit.who.carrier)
    sends = may(visit.who.role, "upload_receipt_file")
    return render(visit, "receipt_files.html", list=list_view(visit, query, found), sends=sends)


@router.get("/receipt-files/new")
def page_new_receipt_file(visit: Visit) -> Response:
    return _form(visit, FormState())


@router.post("/receipt-files/new")
async def page_do_upload_receipt_file(visit: Visit) -> Response:
    """Accept a file as POST /v1/receipt-files does; its page shows the verdicts."""
    request, settings = visit.request, visit.settings
    folder = await run_in_threadpool(folder_of, settings.data)
    limit = settings.upload_limit_mb * 1_048_576
    entered = FormData()
    try:
        async with uploads.taken(request, settings, folder, limit) as upload:
            entered = FormData({name: [value] for name, value in upload.fields.items()})
            found = await _take(visit, upload)
    except (Conflict, Forbidden, Invalid, SetupError, TooLarge) as error:
        return await run_in_threadpool(_form, visit, refused(error, entered))
    flash = (
        say("The file was uploaded and is being applied.")
        if found.created
        else say("This file was already uploaded.")
    )
    return redirect_with_flash(visit, f"/receipt-files/{found.id}", flash)


async def _take(visit: PageRequest, upload: Upload) -> RegisteredFile:
    """Register the upload, and start applying it in the background."""
    settings, who = visit.settings, visit.who
    if not upload.file.size:
        raise Invalid("The file is empty. Choose another file.", field="file")
    claim = claim_of(who, upload)
    words_of(settings.links.values(), claim.carrier)  # report wrong settings at once
    found = await visit.db.awrite(register, claim, upload.named, who.name)
    if found.waiting:
        path = upload.path.replace(spool_path(folder_of(settings.data), claim.carrier, upload.file.sha256))
        ledger = visit.request.app.state.ledger
        work = partial(import_spooled, visit.db, ledger, settings, found.id, path)
        in_turn(work)
    return found


@router.get("/receipt-files/{file_id}")
async def page_receipt_file(
    file_id: Id, visit: Visit, verdict: str = "", after: str = "", nth: str = ""
) -> Response:
    """Show the reconciliation and lines, of one verdict or all; invalid parameters are ignored."""
    asked = verdict if verdict in VERDICTS else ""

    def work(connection: Connection) -> tuple[queries.ReceiptFile, list[queries.ResultLineView]]:
        file = queries.get(connection, file_id, visit.who.carrier)
        only = ResultVerdict(asked) if asked else None
        lines = queries.lines_page(connection, file_id, query_params.number(after), ON_A_PAGE, only)
        return file, list(lines)

    file, lines = await visit.db.aread(work)
    counts = {each.name: getattr(file.reconciliation, each.name) for each in fields(file.reconciliation)}
    following = str(lines[-1].line) if len(lines) == ON_A_PAGE else ""
    part = ListPart(lines, min(counts[asked] if asked else file.lines, COUNTED + 1), following)
    shown = list_view(visit, ListQuery(after=after, nth=nth), part, {"verdict": asked})
    values: dict[str, Any] = {"verdicts": VERDICTS, "words": WORDS, "levels": LEVELS, "asked": asked}
    return render(visit, "receipt_file.html", file=file, counts=counts, list=shown, **values)


def _form(visit: PageRequest, entered: FormState) -> Response:
    named = visit.db.read(_campaigns, visit.who.carrier)
    values = {"carriers": query_params.carriers(visit.settings), "campaigns": named, "levels": LEVELS}
    limit = visit.settings.upload_limit_mb
    return render(visit, "new_receipt_file.html", entered.status, entered=entered, limit=limit, **values)


def _campaigns(connection: Connection, carrier: str | None) -> dict[int, str]:
    own = (
        select(runs.c.campaign_id)
        if carrier is None
        else select(runs.c.campaign_id).where(runs.c.carrier == carrier)
    )
    query = select(campaigns.c.id, campaigns.c.name).where(campaigns.c.id.in_(own))
    newest = query.order_by(campaigns.c.id.desc()).limit(_CAMPAIGNS)
    return {row.id: row.name for row in connection.execute(newest)}
