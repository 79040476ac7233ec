"""Operations on batches; upload and download of files are routes (routes.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy import update

from app.api.bodies import KeptLine, StrictBody
from app.batches import importer, queries
from app.batches.queries import BadLine, Batch
from app.core.ids import Number
from app.core.states import BatchState
from app.database.listing import ListPart
from app.database.models import batches
from app.operations import OfCarrier, Paging, Since, Transaction, operation
from app.security.roles import EVERYBODY, WORKERS

TAG = "batches"
State = Annotated[BatchState | None, Field(description="only in this state", examples=["ready"])]


@operation(
    "GET /v1/batches",
    roles=EVERYBODY,
    command="batch list",
    columns=(
        "id",
        "carrier",
        "name",
        "state",
        "percent",
        "lines",
        "accepted",
        "rejected",
        "repeated",
        "error",
    ),
)
def list_batches(
    tx: Transaction, paging: Paging, carrier: OfCarrier = None, state: State = None, since: Since = None
) -> ListPart[Batch]:
    """List batches in order of arrival."""
    wanted = queries.BatchFilter(carrier, state, since)
    return queries.listed(tx.connection, paging.request, paging.limit, wanted)


@operation("GET /v1/batches/{batch_id}", roles=EVERYBODY, command="batch show")
def get_batch(tx: Transaction, batch_id: Number) -> Batch:
    """Get one batch; during the import, `percent` is its progress."""
    return queries.get(tx.connection, batch_id)


class NewNameBody(StrictBody):
    name: KeptLine = Field(description="the new name", examples=["Quang Nam, January"])


@operation(
    "PUT /v1/batches/{batch_id}/name",
    roles=WORKERS,
    command="batch rename",
    arguments=("name",),
    audit="renamed {subject}",
    done="Batch {batch_id} is now called {name}.",
    page="/batches/{batch_id}",
)
def rename_batch(tx: Transaction, batch_id: Number, body: NewNameBody) -> Batch:
    """Rename a batch. Its subscribers, runs and approvals stay as they are."""
    before = queries.get(tx.connection, batch_id).name
    tx.connection.execute(update(batches).where(batches.c.id == batch_id).values(name=body.name))
    tx.note(f"batch/{batch_id}", before=before, name=body.name)
    return queries.get(tx.connection, batch_id)


@operation(
    "DELETE /v1/batches/{batch_id}",
    roles=WORKERS,
    command="batch discard",
    audit="discarded {subject}",
    done="Batch {batch_id} was discarded.",
    facts=lambda result: {"batch": result["batch_id"], "discarded": True},
    page="/batches",
    form="/batches/{batch_id}/discard",
)
def discard_batch(tx: Transaction, batch_id: Number) -> None:
    """Discard a failed batch; lists leave it out. Uploading the same file later imports it again."""
    importer.discard(tx.connection, batch_id, tx.who.name)


@operation("GET /v1/batches/{batch_id}/bad-lines", roles=EVERYBODY)
def list_bad_lines(tx: Transaction, batch_id: Number, paging: Paging) -> ListPart[BadLine]:
    """List lines that gave no subscriber, in the order of the file; `next` is a line number."""
    queries.get(tx.connection, batch_id)
    return queries.bad_lines_page(tx.connection, batch_id, paging.request, paging.limit)
