"""The list of batches, and upload of a new one: streamed to disk, imported in the background."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from fastapi.concurrency import run_in_threadpool

from app.api import uploads
from app.api.dependencies import Routes
from app.batches import queries
from app.batches.importer import folder_of, register
from app.batches.routes import begin, carrier_of
from app.core.carrier_check import check_carrier
from app.core.errors import Forbidden, Invalid, TooLarge
from app.core.states import BatchState
from app.file_import.spool import spool_path
from app.web import query_params
from app.web.forms.list_export import ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import FormData, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import say
from app.web.view_models import traffic_light

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
FILE = ListFile(
    "batches",
    {
        say("No."): "id",
        say("Batch"): "name",
        say("Carrier"): carrier_name,
        say("State"): "state",
        say("Lines"): "lines",
        say("Subscribers"): "accepted",
        say("Bad lines"): "rejected",
        say("Repeated in the file"): "repeated",
        say("Uploaded at"): "created_at",
        say("Uploaded by"): "created_by",
    },
)


@router.get("/batches")
async def page_batches(
    visit: Visit, query: Annotated[ListQuery, Depends()], state: str = "", carrier: str = ""
) -> Response:
    """List batches, newest first; invalid filters are ignored."""
    own = visit.who.carrier
    asked = {"state": state if state in list(BatchState) else "", "carrier": own or carrier[:40]}
    wanted = queries.BatchFilter(
        asked["carrier"] or None, BatchState(asked["state"]) if asked["state"] else None
    )
    request = query.request(queries.COLUMNS.orders)
    if wants_file(query):
        return list_file(visit, FILE, request, partial(queries.listed, wanted=wanted))
    found = await visit.db.aread(queries.listed, request, ON_A_PAGE, wanted)
    known = {} if own else query_params.carriers(visit.settings)
    asked = asked | {"carrier": ""} if own else asked
    shown = list_view(visit, query, found, asked)
    values: dict[str, Any] = {"states": list(BatchState), "carriers": known}
    return render(visit, "batches.html", list=shown, verdict=traffic_light, **values)


@router.get("/batches/new")
def page_new_batch(visit: Visit) -> Response:
    return _form(visit, FormState())


@router.post("/batches/new")
async def page_do_upload_batch(visit: Visit) -> Response:
    """Accept a file as POST /v1/batches does; the batch's page shows the progress."""
    request, who = visit.request, visit.who
    limit = visit.settings.upload_limit_mb * 1_048_576
    folder = await run_in_threadpool(folder_of, visit.settings.data)
    fields = FormData()
    try:
        async with uploads.taken(request, visit.settings, folder, limit) as upload:
            fields = FormData({name: [value] for name, value in upload.fields.items()})
            if not upload.file.size:
                raise Invalid("Choose a file that is not empty.", field="file")
            carrier = await run_in_threadpool(check_carrier, visit.settings, carrier_of(who, upload))
            found = await visit.db.awrite(register, carrier, upload.named, who.name)
            begin(visit.db, found, upload, spool_path(folder, carrier, upload.file.sha256))
    except (Invalid, Forbidden, TooLarge) as error:
        return _form(visit, refused(error, fields))
    flash = (
        say("The file has come; it is being read.") if found.created else say("This file is known already.")
    )
    return redirect_with_flash(visit, f"/batches/{found.id}", flash)


def _form(visit: PageRequest, entered: FormState) -> Response:
    known, limit = query_params.carriers(visit.settings), visit.settings.upload_limit_mb
    return render(visit, "new_batch.html", entered.status, entered=entered, carriers=known, limit=limit)
