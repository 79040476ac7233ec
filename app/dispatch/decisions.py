"""Deliveries whose outcome is unknown: the list, and writing them off; and what one person got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from app.api.bodies import AnyProse, NoMobile, NumberBody
from app.core import clock
from app.core.errors import Invalid
from app.core.ids import Exact, Number, Position
from app.core.phone import mask
from app.dispatch import find_person as person
from app.dispatch import unknown_decisions
from app.dispatch.find_person import FoundPerson
from app.operations import Transaction, Work, operation
from app.security.roles import EVERYBODY, SENDERS

TAG = "dispatch"


@dataclass(frozen=True, slots=True)
class UnknownView:
    """One delivery whose outcome is unknown; the phone is masked."""

    batch: int
    line: int
    phone: str
    since: datetime
    why: str
    written_off_by: str | None


@dataclass(frozen=True, slots=True)
class UnknownPage:
    """One page; `next` is the `after` of the following page, null on the last."""

    items: list[UnknownView]
    next: str | None


class UnknownSelection(BaseModel):
    """The unknown deliveries to decide on: [batch, line] pairs, or `all`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"lines": [[3, 1042]]}]})

    lines: list[tuple[Number, Position]] = Field(default_factory=list, max_length=10_000)
    all: bool = False

    def chosen(self) -> list[tuple[int, int]]:
        """Require exactly one of the two: an empty choice is a mistake, and `all` covers more."""
        if self.lines and self.all:
            raise Invalid(
                "Provide either `lines` or `all`, but not both; `all` covers more than these lines.",
                field="all",
            )
        if not self.lines and not self.all:
            raise Invalid(
                "Provide the deliveries as [batch, line] pairs, or set `all` to true.", field="lines"
            )
        return [] if self.all else self.lines


class WriteOffBody(UnknownSelection):
    """The unknown deliveries to write off: [batch, line] pairs, or `all`; and why, for the audit."""

    reason: Annotated[AnyProse, StringConstraints(max_length=500), NoMobile] | None = None


class Decided(BaseModel):
    """How many deliveries the decision changed, without those that were settled meanwhile."""

    deliveries: int


@operation("POST /v1/deliveries/find", roles=SENDERS, keyed=False, personal=True)
def find_person(tx: Transaction, body: NumberBody) -> FoundPerson:
    """Find every campaign's delivery to one exact number, masked in the answer; the audit keeps it."""
    return person.find_person(tx.connection, body.phone, tx.who)


@operation("GET /v1/runs/{run_id}/unknown", roles=EVERYBODY)
def list_unknown(
    tx: Transaction,
    run_id: Number,
    after: Annotated[
        str, Field(pattern=r"^[0-9]{1,9}-[0-9]{1,9}$", description="the `next` of the page before")
    ] = "0-0",
    limit: Annotated[int, Field(ge=1, le=1000, description="rows on a page"), Exact] = 100,
) -> UnknownPage:
    """List the run's deliveries whose answer was lost and that no receipt has settled yet."""
    batch, line = after.split("-")
    rows = unknown_decisions.listed(tx.connection, run_id, (int(batch), int(line)), limit)
    items = [_unknown(row) for row in rows]
    return UnknownPage(items, f"{items[-1].batch}-{items[-1].line}" if len(items) == limit else None)


def _unknown(row: Row[Any]) -> UnknownView:
    since = clock.moment(row.since)
    return UnknownView(row.batch_id, row.seq, mask(row.phone), since, row.why, row.written_off_by)


@operation(
    "POST /v1/runs/{run_id}/unknown/write-off",
    roles=SENDERS,
    action="unknown.write_off",
    audit="wrote off messages of unknown outcome of {subject}",
    flash="Written off: {deliveries} messages.",
    page="/runs/{run_id}",
)
def write_off_unknown(work: Work, run_id: Number, body: WriteOffBody) -> Decided:
    """Leave these unknown for good, counted under their own heading. Recorded under the caller's name.

    Many are done in slices. After an interruption, what is done stays done: repeat the request with the same
    key for the rest. `deliveries` counts all that were decided under the key.
    """
    chosen, who = body.chosen(), work.who.name
    order = unknown_decisions.UnknownOrder(run_id, who, chosen, body.reason or None, work.position)
    return Decided(deliveries=unknown_decisions.write_off(work.db, work.ledger, order, work.progress))
