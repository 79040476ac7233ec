"""The register of sender names and templates: list, add, change, import, papers, each carrier's rules."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.concurrency import run_in_threadpool

from app.api import uploads
from app.api.dependencies import Id, Routes
from app.core import clock
from app.core.errors import Conflict, Invalid, TooLarge
from app.file_import.spool import folder_of
from app.operations import OPERATIONS
from app.reports.intake import attachments
from app.reports.intake.routes import FOLDER
from app.security.roles import may
from app.sender_names import checks, refusals, register, reminders
from app.sender_names.register import PaperBody, SenderName
from app.web import query_params
from app.web.forms import purposes, read_fields
from app.web.operation_forms import add_forms
from app.web.rendering import FormData, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
STATES: dict[str, Said] = {
    "asked": say("requested"),
    "registered": say("registered"),
    "refused": say("rejected by the carrier for registration"),
    "expired": say("expired"),
}
_TONES = {"asked": "wait", "registered": "good", "refused": "bad", "expired": "bad"}
_BLANK = FormState()


@router.get("/sender-names")
def page_sender_names(visit: Visit) -> Response:
    """List the register, with a form for a new entry and one for each carrier's rules."""
    return _list(visit)


@router.get("/sender-names/{sender_name_id}")
def page_sender_name(sender_name_id: Id, visit: Visit) -> Response:
    """Show one entry to change it, file its paper or remove it."""
    return _one(visit, sender_name_id)


@router.post("/sender-names/{sender_name_id}/paper")
async def page_do_set_sender_name_paper(sender_name_id: Id, visit: Visit) -> Response:
    """Keep an uploaded scan, and file it as the entry's paper."""
    db, settings = visit.db, visit.settings
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    try:
        async with uploads.taken(
            visit.request, settings, folder, settings.attachment_limit_mb * 1_048_576
        ) as upload:
            kept = await db.awrite(attachments.keep, upload.path, upload.file, visit.who.name)
            body = PaperBody(attachment=kept.sha256)
            ids = {"sender_name_id": sender_name_id}
            file = OPERATIONS["set_sender_name_paper"].run
            await run_in_threadpool(file, db, settings, visit.who, **ids, body=body)
    except (Conflict, Invalid, TooLarge) as error:
        return await run_in_threadpool(_one, visit, sender_name_id, refused(error, FormData()))
    return redirect_with_flash(visit, "/sender-names", say("The document was saved."))


def _list(visit: PageRequest, entered: FormState = _BLANK, **ids: str) -> Response:
    """Show the list. entered: a refused form, of a new entry, a table or a carrier's rules."""
    who, db = visit.who, visit.db
    found = db.read(register.names, who.carrier)
    rules = OPERATIONS["list_registration_rules"].run(db, visit.settings, who)
    refused = db.read(refusals.refusals, who.carrier)
    soon = {each.entry.id for each in db.read(reminders.ending, clock.now(), who.carrier)}
    lists = {"names_": found, "rules": rules, "soon": soon, "refused": refused}
    return render(visit, "sender_names.html", entered.status, entered=entered, **lists, **_words(visit))


def _one(visit: PageRequest, sender_name_id: int, entered: FormState | None = None) -> Response:
    entry = visit.db.read(register.get, sender_name_id)
    shown = _values(entry)
    if entered is None:
        entered = FormState(shown)
    elif not entered.values:
        entered = FormState(shown, entered.errors, entered.sentences, entered.slug, entered.status)
    return render(visit, "sender_name.html", entered.status, entered=entered, entry=entry, **_words(visit))


def _values(entry: SenderName) -> dict[str, str]:
    fields = register.NameBody.model_fields
    return {name: str(value) for name in fields if (value := getattr(entry, name)) is not None}


def _words(visit: PageRequest) -> dict[str, object]:
    carriers = query_params.carriers(visit.settings)
    own = carriers if visit.who.carrier is None else {visit.who.carrier: carriers[visit.who.carrier]}
    return {
        "carriers": own,
        "states": STATES,
        "tones": _TONES,
        "purposes": purposes.PURPOSES,
        "keeps": may(visit.who.role, "add_sender_name"),
    }


def _changed(visit: PageRequest, entered: FormState, sender_name_id: int) -> Response:
    return _one(visit, sender_name_id, entered)


def _rules(fields: FormData) -> dict[str, Any]:
    """Read a carrier's rules, whose words are one line with commas."""
    days = read_fields.needed(fields, "lead_days")
    words = fields.get("forbidden_words")
    return {"lead_days": days, "needs_template": bool(fields.get("needs_template")), "forbidden_words": words}


add_forms(
    router,
    register,
    checks,
    only={
        "add_sender_name": _list,
        "import_sender_names": _list,
        "set_registration_rules": _list,
        "change_sender_name": _changed,
        "remove_sender_name": None,
        "override_register": None,
    },
    reads={"set_registration_rules": _rules},
)
