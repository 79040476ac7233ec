"""The register of sender names and templates by carrier, and each carrier's rules for registering them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import Field, StringConstraints, field_validator
from sqlalchemy import Connection, Row, Select, case, delete, insert, select, update

from app.api.bodies import (
    LINE,
    PROSE,
    AnyKeptProse,
    Carrier,
    KeptLine,
    NoMobile,
    StrictBody,
)
from app.api.pasted_table import LINE_WRONG, Day, read_table
from app.core import clock, hashing
from app.core.carrier_check import check_carrier
from app.core.errors import Invalid, no_such
from app.core.ids import LARGEST, Exact
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time
from app.database.models import attachments, registration_rules, sender_names
from app.operations import OfCarrier, Transaction, operation
from app.security import kept_rows, tenant_scope
from app.security.roles import EVERYBODY, Role
from app.sender_names import NOT_A_NAME, SENDER
from carriers.text import template

TAG = "sender names"
KEEPERS = frozenset({Role.ADMIN, Role.APPROVER, Role.OPERATOR})
USUAL_LEAD_DAYS = 35  # what vendors say of names and templates in Vietnam: about five weeks
PAGE = "/sender-names"


class NameState(StrEnum):
    """How far a registration is at the carrier."""

    ASKED = "asked"
    REGISTERED = "registered"
    REFUSED = "refused"
    EXPIRED = "expired"  # also what is past its last day


class NamePurpose(StrEnum):
    """What a registration is for; the purposes of campaigns."""

    AWARENESS = "tuyen_truyen"
    URGENT_WARNING = "canh_bao_khan"


Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60, pattern=LINE), NoMobile]
# Sent along as ASCII.
TemplateCode = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=60, pattern=r"^[!-~]*$"), NoMobile
]
Contact = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=LINE)]
Template = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=PROSE)]


class NameBody(StrictBody):
    """A sender name at one carrier; with `template` one text that the carrier takes under it."""

    carrier: Carrier = Field(examples=["viettel"])
    name: Annotated[str, NoMobile] = Field(
        max_length=100, description="the sender name", examples=["CA SON LA"]
    )
    state: NameState = Field(NameState.ASKED, examples=["registered"])
    purpose: NamePurpose | None = Field(None, description="the purpose; default: all", examples=[None])
    template: Template | None = Field(
        None, description="text with placeholders such as {D,160}", examples=[None]
    )
    template_code: TemplateCode | None = Field(
        None, description="the carrier's id of the template", examples=[None]
    )
    certificate: Code | None = Field(None, examples=["1234/GCN-A05"])
    asked_on: Day | None = Field(None, examples=["2026-10-01"])
    valid_from: Day | None = Field(None, examples=["2026-11-05"])
    valid_to: Day | None = Field(None, examples=["2029-11-04"])
    contact: Contact | None = Field(None, description="contact person at the carrier", examples=[None])
    remarks: AnyKeptProse | None = Field(None, examples=[None])

    def columns(self) -> dict[str, Any]:
        """Return it as columns of the table. Raises Invalid for what does not fit together."""
        _check(self)
        days = ("asked_on", "valid_from", "valid_to")
        return dict(self) | {day: said.isoformat() if (said := getattr(self, day)) else None for day in days}


class PaperBody(StrictBody):
    """The paper behind a registration."""

    attachment: str = Field(
        pattern=hashing.PATTERN,
        description="sha256 of a file sent to /v1/attachments",
        examples=["2c26b4" * 10 + "2c26"],
    )


class ImportBody(StrictBody):
    """A table of registrations, with the names of the fields in its first line."""

    table: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)] = Field(
        description="CSV; commas, semicolons or tabulators",
        examples=["carrier,name,state,valid_to\nviettel,CA SON LA,registered,2029-11-04\n"],
    )


class RulesBody(StrictBody):
    """What registering takes at a carrier, and what it refuses."""

    lead_days: int = Field(
        ge=0, le=365, description="days from the request to the registration", examples=[35]
    )
    needs_template: bool = Field(
        False, description="whether it refuses texts that match no registered template", examples=[True]
    )
    forbidden_words: list[KeptLine] = Field(default=[], max_length=500, examples=[["trung thuong"]])

    @field_validator("forbidden_words", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Read one line of words with commas, as forms and commands have it."""
        return [each for each in value.split(",") if each.strip()] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class SenderName:
    """One registration. state: expired as well once its last day is past; paper: sha256 of the attachment."""

    id: int
    carrier: str
    name: str
    state: NameState
    purpose: str | None
    template: str | None
    template_code: str | None
    certificate: str | None
    asked_on: date | None
    valid_from: date | None
    valid_to: date | None
    contact: str | None
    remarks: str | None
    paper: str | None

    def covers(self, purpose: str) -> bool:
        return self.purpose in (None, purpose)


@dataclass(frozen=True, slots=True)
class Rules:
    """A carrier's rules. known: false while nobody has entered them, and these are the usual ones."""

    carrier: str
    lead_days: int
    needs_template: bool
    forbidden_words: list[str]
    known: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import changed: registrations added, and known ones that it replaced."""

    added: int
    replaced: int


NameId = Annotated[int, Interval(ge=1, le=LARGEST), Exact]


def _check(body: NameBody) -> None:
    if not re.fullmatch(SENDER, body.name) or body.name != body.name.strip():
        raise Invalid(NOT_A_NAME, field="name")
    if body.valid_from and body.valid_to and body.valid_to < body.valid_from:
        raise Invalid("The last day is before the first day.", field="valid_to")
    if body.template_code and not body.template:
        raise Invalid("A template code requires its template.", field="template")
    try:
        template.parse("", body.template or "")
    except ValueError as error:
        raise Invalid("The template {error}.", error=error, field="template") from None


def names(connection: Connection, carrier: str | None = None, today: date | None = None) -> list[SenderName]:
    """Return the registrations at one carrier, or at all, by carrier and name, names before templates."""
    c = sender_names.c
    query = _query().order_by(c.carrier, c.name, c.template.is_not(None), c.id)
    on = today or clock.local(clock.now()).date()
    rows = connection.execute(query if carrier is None else query.where(c.carrier == carrier))
    return [_view(row, on) for row in rows]


def rules(connection: Connection, carrier: str) -> Rules:
    """Return the carrier's rules, or the usual ones."""
    row = connection.execute(
        select(registration_rules).where(registration_rules.c.carrier == carrier)
    ).first()
    if row is None:
        return Rules(carrier, USUAL_LEAD_DAYS, needs_template=False, forbidden_words=[], known=False)
    return Rules(carrier, row.lead_days, row.needs_template, row.forbidden_words, known=True)


@operation(
    "GET /v1/sender-names",
    roles=EVERYBODY,
    command="sender-name list",
    columns=(
        "id",
        "carrier",
        "name",
        "state",
        "purpose",
        "template_code",
        "certificate",
        "valid_to",
        "contact",
    ),
)
def list_sender_names(tx: Transaction, carrier: OfCarrier = None) -> list[SenderName]:
    """List registered sender names and templates; an operator sees those of its carrier."""
    return names(tx.connection, carrier)


@operation(
    "POST /v1/sender-names",
    roles=KEEPERS,
    command="sender-name add",
    audit="entered {subject}",
    done="{name} was added to the register.",
    page=PAGE,
    status=201,
)
def add_sender_name(tx: Transaction, body: NameBody) -> SenderName:
    """Add a sender name or template that has been requested or registered at a carrier."""
    check_carrier(tx.settings, body.carrier)
    tx.headers["Location"] = "/v1/sender-names"
    number = tx.connection.execute(
        insert(sender_names).values(body.columns() | _changed(tx)).returning(sender_names.c.id)
    ).scalar_one()
    return _noted(tx, number)


@operation(
    "POST /v1/sender-names/import",
    roles=KEEPERS,
    command="sender-name import",
    table="table",
    audit="imported the register of sender names",
    done="Register entries added: {added}; replaced: {replaced}.",
    page=PAGE,
    form="/sender-names/import",
)
def import_sender_names(tx: Transaction, body: ImportBody) -> Imported:
    """Import a table; one wrong line rejects the whole table. A known name or template code is replaced."""
    bodies = read_table(body.table, NameBody)
    one_at_a_time(tx.connection, AdvisoryLock.SENDER_NAMES)
    known = {_key(each): each.id for each in names(tx.connection)}
    added = replaced = 0
    lines: dict[tuple[Any, ...], int] = {}
    for line, each in bodies:
        if (first := lines.setdefault(_key(each), line)) != line:
            raise Invalid(
                "Lines {first} and {line} are the same registration. Keep one of them; "
                "enter a renewal separately.",
                first=first,
                line=line,
                field="table",
            )
        try:
            check_carrier(tx.settings, tenant_scope.named_carrier(tx.who, each.carrier))
            values = each.columns() | _changed(tx)
        except Invalid as error:
            raise Invalid(LINE_WRONG, line=line, detail=error.detail, field="table") from None
        number = known.get(_key(each))
        if number is None:
            row = insert(sender_names).values(values).returning(sender_names.c.id)
            known[_key(each)] = tx.connection.execute(row).scalar_one()
            added += 1
        else:
            tx.connection.execute(update(sender_names).where(sender_names.c.id == number).values(values))
            replaced += 1
    own = sender_names.c.id.in_([known[key] for key in lines])
    kept = kept_rows.kept(tx.connection, sender_names, own)
    tx.note("sender-names", added=added, replaced=replaced, kept=kept)
    return Imported(added, replaced)


@operation(
    "PUT /v1/sender-names/{sender_name_id}",
    roles=KEEPERS,
    command="sender-name change",
    audit="changed {subject}",
    done="{name} was changed in the register.",
    page=PAGE,
    form="/sender-names/{sender_name_id}",
)
def change_sender_name(tx: Transaction, sender_name_id: NameId, body: NameBody) -> SenderName:
    """Replace an entry of a sender name or template; its scan stays."""
    check_carrier(tx.settings, body.carrier)
    before = get(tx.connection, sender_name_id)
    own = update(sender_names).where(sender_names.c.id == sender_name_id)
    tx.connection.execute(own.values(body.columns() | _changed(tx)))
    return _noted(tx, sender_name_id, before=before.state.value, valid_to_before=_day(before.valid_to))


@operation(
    "PUT /v1/sender-names/{sender_name_id}/paper",
    roles=KEEPERS,
    action="sender-name.paper",
    audit="saved the document of {subject}",
    status=200,
)
def set_sender_name_paper(tx: Transaction, sender_name_id: NameId, body: PaperBody) -> SenderName:
    """File an uploaded scan as the paper behind a registration."""
    get(tx.connection, sender_name_id)
    a = attachments.c
    seen = (
        select(a.id)
        .where(a.sha256 == body.attachment)
        .order_by(case((a.created_by == tx.who.name, 0), else_=1))
    )
    if tx.who.carrier is not None:
        seen = seen.where(tenant_scope.own_attachments(tx.who.carrier))
    found = tx.connection.scalar(seen.limit(1))
    if found is None:
        raise Invalid(
            "There is no attachment with this sha256. Upload the file first (POST /v1/attachments).",
            field="attachment",
        )
    own = update(sender_names).where(sender_names.c.id == sender_name_id)
    tx.connection.execute(own.values(attachment_id=found, **_changed(tx)))
    return _noted(tx, sender_name_id, sha256=body.attachment)


@operation(
    "DELETE /v1/sender-names/{sender_name_id}",
    roles=KEEPERS,
    command="sender-name remove",
    audit="removed {subject}",
    done="The entry was removed from the register.",
    page=PAGE,
    form="/sender-names/{sender_name_id}/remove",
)
def remove_sender_name(tx: Transaction, sender_name_id: NameId) -> None:
    """Remove an entry from the register; the audit keeps its contents."""
    before = get(tx.connection, sender_name_id)
    if not tx.connection.execute(delete(sender_names).where(sender_names.c.id == sender_name_id)).rowcount:
        get(tx.connection, sender_name_id)  # removed by another meanwhile, which it says
    kept = kept_rows.deleted(sender_names, sender_name_id)
    facts = {"state": before.state.value, "certificate": before.certificate}
    tx.note(_subject(before), id=before.id, **facts, kept=kept)


@operation(
    "GET /v1/registration-rules",
    roles=EVERYBODY,
    command="sender-name rules",
    columns=("carrier", "lead_days", "needs_template", "forbidden_words", "known"),
)
def list_registration_rules(tx: Transaction) -> list[Rules]:
    """List each carrier's rules: how long registration takes, and what it refuses."""
    return all_rules(tx)


@operation(
    "PUT /v1/registration-rules/{carrier}",
    roles=KEEPERS,
    command="sender-name set-rules",
    audit="changed the registration rules of {subject}",
    done="The registration rules of {carrier} were changed.",
    page=PAGE,
    form="/registration-rules/{carrier}",
)
def set_registration_rules(tx: Transaction, carrier: Carrier, body: RulesBody) -> Rules:
    """Set how long a carrier takes to register names, whether it needs templates, and its forbidden words."""
    check_carrier(tx.settings, carrier)
    c, values = registration_rules.c, dict(body) | _changed(tx)
    if not tx.connection.execute(
        update(registration_rules).where(c.carrier == carrier).values(values)
    ).rowcount:
        tx.connection.execute(insert(registration_rules).values(carrier=carrier, **values))
    kept = kept_rows.kept(tx.connection, registration_rules, c.carrier == carrier)
    tx.note(f"carrier/{carrier}", lead_days=body.lead_days, needs_template=body.needs_template, kept=kept)
    return rules(tx.connection, carrier)


def all_rules(tx: Transaction) -> list[Rules]:
    """Return the rules of every carrier that has links or an entry in the register."""
    found = {link.carrier for link in tx.settings.links.values()}
    found |= {each.carrier for each in names(tx.connection)}
    found |= set(tx.connection.execute(select(registration_rules.c.carrier)).scalars())
    own = found if tx.who.carrier is None else {tx.who.carrier}
    return [rules(tx.connection, carrier) for carrier in sorted(own)]


def get(connection: Connection, number: int) -> SenderName:
    """Return one registration. Raises NotFound."""
    row = connection.execute(_query().where(sender_names.c.id == number)).first()
    if row is None:
        raise no_such("sender name", number)
    return _view(row, clock.local(clock.now()).date())


def _changed(tx: Transaction) -> dict[str, Any]:
    return {"changed_at": clock.now_ms(), "changed_by": tx.who.name[:80]}


def _noted(tx: Transaction, number: int, **detail: Any) -> SenderName:
    made = get(tx.connection, number)
    facts = {"state": made.state.value, "certificate": made.certificate, "valid_to": _day(made.valid_to)}
    kept = kept_rows.kept(tx.connection, sender_names, sender_names.c.id == number)
    tx.note(_subject(made), id=number, template_code=made.template_code, **facts, **detail, kept=kept)
    return made


def _subject(entry: SenderName) -> str:
    return f"sender-name/{entry.carrier}/{entry.name}"


def _day(on: date | None) -> str | None:
    return on.isoformat() if on else None


def _key(entry: SenderName | NameBody) -> tuple[Any, ...]:
    """Return what makes an entry of a table the same as a known one."""
    code = entry.template_code or entry.template
    return entry.carrier, entry.name.casefold(), entry.purpose, code


def _query() -> Select[Any]:
    paper = attachments.c.sha256.label("paper")
    return select(sender_names, paper).outerjoin(
        attachments, attachments.c.id == sender_names.c.attachment_id
    )


def _view(row: Row[Any], today: date) -> SenderName:
    fields = SenderName.__dataclass_fields__
    values = {name: getattr(row, name) for name in fields} | {"state": NameState(row.state)}
    days = ("asked_on", "valid_from", "valid_to")
    values |= {day: date.fromisoformat(said) if (said := values[day]) else None for day in days}
    made = SenderName(**values)
    over = made.state is NameState.REGISTERED and made.valid_to is not None and made.valid_to < today
    return replace(made, state=NameState.EXPIRED) if over else made
