"""The register of test telephones: number, carrier, commune and day of consent; never a name.

Only the office reads it. A carrier that knew the numbers could serve them better than all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from app.api.bodies import LINE, Carrier, NumberBody, StrictBody
from app.api.pasted_table import LINE_WRONG, Day, read_table
from app.core import areas, clock
from app.core.carrier_check import check_carrier
from app.core.errors import Conflict, Invalid, no_such
from app.core.ids import Number
from app.core.phone import mask, one_mobile
from app.database.connection import shared_ms
from app.database.models import panel_answers, panel_telephones
from app.operations import OfCarrier, Transaction, operation
from app.security import audit, kept_rows, row_stamps
from app.security.roles import ADMINS, AUTHORS, OFFICE

TAG = "telephone panel"
PAGE = "/panel"
MOST_TELEPHONES = 2000
_T = panel_telephones.c

Area = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=LINE)]


class TelephoneBody(NumberBody):
    """A telephone whose holder has agreed to say whether texts arrive."""

    carrier: Carrier = Field(description="the carrier that serves the number today", examples=["viettel"])
    area: Area = Field(description="code or name of the commune", examples=["03646"])
    consent_on: Day = Field(description="day of the holder's written consent", examples=["2026-11-02"])


class PanelImportBody(StrictBody):
    """A table of telephones, with the names of the fields in its first line."""

    table: Annotated[str, StringConstraints(min_length=1, max_length=200_000)] = Field(
        description="CSV; commas, semicolons or tabulators",
        examples=["phone,carrier,area,consent_on\n0912 345 678,viettel,03646,2026-11-02\n"],
    )


@dataclass(frozen=True, slots=True)
class PanelTelephone:
    """A test telephone; its number is masked."""

    id: int
    phone: str
    carrier: str
    area: str
    consent_on: date
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True)
class ImportedTelephones:
    """How many telephones an import added, and how many were in the panel already."""

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class GatewaySecret:
    """What a gateway app on the telephone needs: where to send received messages, and the signing key."""

    telephone_id: int
    path: str
    key: str


@operation(
    "GET /v1/panel-telephones",
    roles=OFFICE,
    command="panel list",
    columns=("id", "phone", "carrier", "area", "consent_on", "added_at"),
)
def list_panel_telephones(tx: Transaction, carrier: OfCarrier = None) -> list[PanelTelephone]:
    """List the test telephones, numbers masked."""
    return telephones(tx.connection, carrier)


@operation(
    "POST /v1/panel-telephones",
    roles=AUTHORS,
    command="panel add",
    audit="added {subject} to the test telephones",
    done="Telephone {id} is in the panel.",
    page=PAGE,
    form=PAGE,
    hidden=("phone",),
    status=201,
    keyed=False,
)
def add_panel_telephone(tx: Transaction, body: TelephoneBody) -> PanelTelephone:
    """Add a telephone to the panel. It counts for runs that start from now on."""
    number = _add(tx, body)
    if number is None:
        raise Conflict("This number is already in the panel.", field="phone")
    return _get(tx.connection, number)


@operation(
    "POST /v1/panel-telephones/import",
    roles=AUTHORS,
    command="panel import",
    table="table",
    audit="imported test telephones",
    done="Telephones added: {added}; in the panel already: {known}.",
    page=PAGE,
    form="/panel/import",
    hidden=("table",),
    keyed=False,
)
def import_panel_telephones(tx: Transaction, body: PanelImportBody) -> ImportedTelephones:
    """Import a table of telephones; one wrong line rejects the whole table. Known numbers are unchanged."""
    rows = read_table(body.table, TelephoneBody)
    added = 0
    for line, telephone in rows:
        try:
            added += _add(tx, telephone) is not None
        except Invalid as error:
            raise Invalid(LINE_WRONG, line=line, detail=error.detail, field="table") from None
    return ImportedTelephones(added, len(rows) - added)


@operation(
    "DELETE /v1/panel-telephones/{telephone_id}",
    roles=AUTHORS,
    command="panel remove",
    audit="removed {subject} from the test telephones",
    done="The telephone is removed. Its answers are still counted, without the number.",
    page=PAGE,
    form="/panel/{telephone_id}/remove",
)
def remove_panel_telephone(tx: Transaction, telephone_id: Number) -> None:
    """Remove a telephone and its number, for example when its holder withdraws consent."""
    telephone = _get(tx.connection, telephone_id)
    erase(tx.connection, telephone_id)
    tx.note(f"panel/{telephone_id}", phone=telephone.phone, carrier=telephone.carrier)


@operation(
    "POST /v1/panel-telephones/{telephone_id}/gateway",
    roles=ADMINS,
    command="panel gateway",
    audit="read the gateway key of {subject}",
    status=200,
    keyed=False,
)
def read_panel_gateway(tx: Transaction, telephone_id: Number) -> GatewaySecret:
    """Get the settings with which an SMS gateway app on the telephone reports received texts."""
    row = row_of(tx.connection, telephone_id)
    key = row_stamps.make(tx.connection, gateway_content(row))
    if key is None:
        raise Conflict("There is no secret_key to derive the gateway's key from. Set secret_key first.")
    tx.note(f"panel/{telephone_id}", phone=mask(row.phone))
    return GatewaySecret(telephone_id, f"/v1/panel-gateway/{telephone_id}", key)


def telephones(connection: Connection, carrier: str | None = None) -> list[PanelTelephone]:
    """Return the telephones of one carrier, or all, by carrier."""
    query = select(panel_telephones).order_by(_T.carrier, _T.id)
    rows = connection.execute(query if carrier is None else query.where(_T.carrier == carrier))
    return [_view(row) for row in rows]


def row_of(connection: Connection, telephone_id: int) -> Row[Any]:
    """Return one telephone's row. Raises NotFound."""
    row = connection.execute(select(panel_telephones).where(_T.id == telephone_id)).first()
    if row is None:
        raise no_such("test telephone", telephone_id)
    return row


def gateway_content(telephone: Row[Any]) -> bytes:
    """Return what the gateway's key is derived from; added_at: no later telephone gets the same key."""
    return f"panel gateway {telephone.id} {telephone.added_at}".encode()


def erase(connection: Connection, telephone_id: int) -> None:
    """Delete the number; its answers stay without it, so that a judgement does not change."""
    own = panel_answers.c.telephone_id == telephone_id
    connection.execute(update(panel_answers).where(own).values(telephone_id=None))
    connection.execute(delete(panel_telephones).where(_T.id == telephone_id))
    kept = kept_rows.deleted(panel_telephones, telephone_id)
    audit.note(connection, "panel", "panel.erase", f"panel/{telephone_id}", kept=kept)


def erase_number(connection: Connection, phone: int) -> int:
    """Delete a number whose holder asks for it; return how many telephones that were."""
    number = connection.execute(select(_T.id).where(_T.phone == phone)).scalar()
    if number is None:
        return 0
    erase(connection, number)
    return 1


def _add(tx: Transaction, body: TelephoneBody) -> int | None:
    """Add it, unless its number is in the panel; return its ID."""
    phone, area = one_mobile(body.phone), areas.normalise_area(body.area)
    check_carrier(tx.settings, body.carrier)
    today = clock.local(clock.now()).date()
    if area is None or areas.find(area, today) is None or areas.rows_of(area, today) != (area,):
        raise Invalid("This commune does not exist today. Enter its code or its full name.", field="area")
    if body.consent_on > today:
        raise Invalid("The day of consent is in the future.", field="consent_on")
    if tx.connection.execute(select(_T.id).where(_T.phone == phone)).first() is not None:
        return None
    if (tx.connection.scalar(select(func.count()).select_from(panel_telephones)) or 0) >= MOST_TELEPHONES:
        raise Conflict("The panel is full: it has {most} telephones.", most=MOST_TELEPHONES)
    row = {"phone": phone, "carrier": body.carrier, "area": area, "consent_on": body.consent_on.isoformat()}
    row |= {"added_at": shared_ms(tx.connection), "added_by": tx.who.name[:80]}
    number: int = tx.connection.execute(insert(panel_telephones).values(row).returning(_T.id)).scalar_one()
    said = {"phone": mask(phone), "carrier": body.carrier, "consent_on": row["consent_on"]}
    tx.note(f"panel/{number}", **said, kept=kept_rows.kept(tx.connection, panel_telephones, _T.id == number))
    return number


def _get(connection: Connection, telephone_id: int) -> PanelTelephone:
    return _view(row_of(connection, telephone_id))


def _view(row: Row[Any]) -> PanelTelephone:
    return PanelTelephone(
        row.id,
        mask(row.phone),
        row.carrier,
        row.area,
        date.fromisoformat(row.consent_on),
        clock.moment(row.added_at),
        row.added_by,
    )
