"""Results that carriers have signed: verified, matched to their order, and kept as statements."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import Connection, Row, func, insert, select

from app.api.bodies import StrictBody
from app.core import areas, clock
from app.core.errors import Conflict, Invalid
from app.database.connection import shared_ms
from app.database.models import signed_orders, signed_results, statements
from app.operations import Transaction, operation
from app.reports.figures import by_area
from app.reports.figures.carrier_statement import (
    AreaCounts,
    CauseCounts,
    FigureSource,
    StatedCounts,
    StatedFigures,
    add,
)
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.figures import Cause
from app.reports.intake import statement_service
from app.reports.intake.statement_input import EXCLUDED, REASONS, PaperClaim, StatementInput
from app.security import kept_rows
from app.security.roles import EVERYBODY, Role
from app.signed_orders import formats, keys, loa_carrier, orders
from app.signed_orders.loa_carrier import COUNTS, RESULT, WITHHELD, Refused, Signed, moment
from app.signed_orders.orders import RunId
from carriers.contract import ReceiptLevel
from carriers.phrases import Phrase, join

TAG = keys.TAG

_CORRECTS = "Số liệu có chữ ký số của doanh nghiệp."  # where unsigned figures were stated before
_FIELDS = {  # of a result, by those of the statement that it becomes
    "general": "totals",
    "segments": "parts",
    "level": "proves",
    "reasons": "failed",
    "note": "remarks",
    "reason": "changes",
}
_NOT_IN_FORCE = {
    "asked": "The key {kid} of {holder} has not been approved yet. Ask for its approval by telephone.",
    "active": "The key {kid} is a key of {holder}, not of {carrier}. Sign with the carrier's key.",
    "ended": "The key {kid} of {holder} has expired. Sign with a valid key.",
    "revoked": "The key {kid} of {holder} was revoked. Sign with a valid key.",
    "altered": "The key {kid} of {holder} was altered outside Loa. Register a new key.",
}
LATE_DAYS = 180  # after its order's validity a result is not taken any more
_TAKERS = frozenset({Role.ADMIN, Role.APPROVER, Role.OPERATOR})
Text = Annotated[str, StringConstraints(max_length=loa_carrier.MOST_BYTES)]


class SignatureBody(StrictBody):
    """A signature over protected + "." + payload."""

    protected: Text = Field(examples=["eyJhbGciOiJFZERTQSIsImtpZCI6..."])
    signature: Text = Field(examples=["R0Yc3mGk..."])


class ResultBody(StrictBody):
    """A signed result as its file has it: docs/signed-orders.md."""

    payload: Text = Field(examples=["eyJhcmVhcyI6W10s..."])
    signatures: list[SignatureBody] = Field(max_length=10)


@dataclass(frozen=True, slots=True)
class SignedResult:
    """A result that was taken. statement: the version of the run's statement that it became."""

    version: int
    statement: int
    order: str
    final: bool
    sha256: str
    kid: str
    taken_at: datetime
    taken_by: str


@operation(
    "GET /v1/runs/{run_id}/results",
    roles=EVERYBODY,
    command="result list",
    columns=("version", "statement", "order", "final", "taken_at", "taken_by", "kid", "sha256"),
)
def list_results(tx: Transaction, run_id: RunId) -> list[SignedResult]:
    """List the accepted signed results of a run, oldest first."""
    statement_service.open_run(tx.connection, run_id, tx.who.carrier)
    return taken(tx.connection, run_id)


@operation(
    "POST /v1/runs/{run_id}/results",
    roles=_TAKERS,
    action="result.take",
    audit="accepted a signed result of {subject}",
    status=201,
)
def take_result(tx: Transaction, run_id: RunId, body: ResultBody) -> SignedResult:
    """Take a result that its carrier has signed; the body is the signed file itself."""
    connection, now = tx.connection, shared_ms(tx.connection)
    run = statement_service.open_run(connection, run_id, tx.who.carrier)
    content = json.dumps(body.model_dump(), indent=1).encode()
    signed = formats.read(content, RESULT)
    kid = _verified(connection, signed, run.carrier)
    formats.check(signed, clock.from_ms(now))
    order = _order(connection, signed, run_id)
    _check_turn(connection, signed, run_id, order, now)
    claim = _claim(connection, signed.content, run_id)
    try:
        stated = statement_service.state(connection, run_id, claim, tx.who.name, run.carrier)
    except Invalid as refusal:
        raise _by_fields_of_results(refusal) from None
    made = statements.c.run_id == run_id, statements.c.version == stated.paper.version
    row = {
        "statement_id": connection.execute(select(statements.c.id).where(*made)).scalar_one(),
        "order_id": order.id,
        "version": signed.content["version"],
        "sha256": signed.sha256,
        "kid": kid,
        "final": signed.content["final"],
    }
    connection.execute(insert(signed_results).values(**row, content=content, at=now, by=tx.who.name))
    kept = kept_rows.kept(connection, signed_results, signed_results.c.sha256 == signed.sha256)
    tx.note(f"run/{run_id}", version=row["version"], sha256=signed.sha256, kid=kid, kept=kept)
    return _view(_rows(connection, run_id)[-1])


def taken(connection: Connection, run_id: int) -> list[SignedResult]:
    """Return the accepted signed results of a run, oldest first."""
    return [_view(row) for row in _rows(connection, run_id)]


def read_files(content: bytes) -> list[dict[str, Any]]:
    """Return the fields of each document of a file, the newest first as it has them. Raises Invalid."""
    try:
        documents = loa_carrier.documents(content)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    return [read_file(each) for each in documents]


def read_file(content: bytes) -> dict[str, Any]:
    """Return the fields of a signed file, for the body. Raises Invalid."""
    try:
        found = loa_carrier.parse(content)
        loa_carrier.read(content)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    return dict(found)


def _verified(connection: Connection, signed: Signed, carrier: str) -> str:
    """Return the key of the carrier that has signed. Raises Invalid."""
    trusted, signers = keys.trusted(connection, carrier), [key for key, *_ in signed.signatures]
    known = keys.holders(connection, signers)
    if known and not trusted.keys() & set(signers):
        kid, (state, holder) = next(iter(known.items()))
        raise Invalid(_NOT_IN_FORCE[state], field="file", kid=kid, carrier=carrier, holder=holder)
    try:
        return loa_carrier.verify(signed, trusted)[0]
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None


def _order(connection: Connection, signed: Signed, run_id: int) -> Row[Any]:
    """Return the order that the result is about: the run's, and the one that holds. Raises Conflict."""
    said = signed.content["order"]
    row = connection.execute(select(signed_orders).where(signed_orders.c.sha256 == said["sha256"])).first()
    if row is None:
        raise Conflict(
            "The result names an order {number} that was not issued here: no order has this SHA-256. "
            "Use the SHA-256 of the order's decoded payload.",
            field="file",
            number=said["number"],
        )
    if row.run_id != run_id:
        raise Conflict(
            "The result is about the order of run {run_id}. Submit it there.",
            field="file",
            run_id=row.run_id,
        )
    about = orders.document(row)
    try:
        loa_carrier.match(signed.content, about)
    except Refused as refusal:
        raise Conflict(refusal.template, **refusal.values, field="file") from None
    _check_areas(signed.content, about.content["content"])
    chain = orders.rows(connection, run_id)
    named = [each for each in chain if each.kind != orders.WITHDRAWAL][-1].serial
    if any(each.kind in ("order", "repeat") for each in chain if each.serial > row.serial):
        raise Conflict(
            "Order {number} was replaced by {run_id}-{named}. Report on that order.",
            field="file",
            number=said["number"],
            run_id=run_id,
            named=named,
        )
    first, began = orders.document(chain[0]).content["issued_at"], signed.content["began_at"]
    if began and moment(began) + loa_carrier.CLOCKS < moment(first):
        raise Conflict("The result says that sending began before the order was issued.", field="file")
    return row


def _check_areas(result: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    """Raise Invalid for codes that do not exist, are counted twice, or lack, by what lies in what."""
    names = [row["area"] for row in result["areas"]] + result["withheld"]["areas"]
    codes = sorted({*names} - {"?", WITHHELD})
    unknown = next((code for code in codes if areas.normalise_area(code) != code), None)
    if unknown is not None:
        raise Invalid(
            "No area has the code {code}. Use a code from the official list, as text with leading zeros.",
            code=unknown,
            field="file",
        )
    home, anywhere = _containers()
    whole = next(((code, each) for code in codes for each in sorted(home[code]) if each in codes), None)
    if whole is not None:
        raise Invalid(
            "The area {part} is part of {code}, so its people are counted twice. Give only one of them.",
            part=whole[0],
            code=whole[1],
            field="file",
        )
    ordered = [area["code"] for area in order["areas"]] if codes else []
    reported = {*codes}.union(*(anywhere[code] for code in codes))
    lacks = next((code for code in ordered if code not in reported), None)
    if lacks is not None:
        raise Conflict(
            "The result has no row for the ordered area {area}. "
            "Add one, with zeros if it has no subscribers.",
            area=lacks,
            field="file",
        )
    odd = [code for code in codes if ordered and not ({code} | anywhere[code]) & {*ordered}]
    if odd and not result["remarks"].strip():
        raise Conflict(
            "The area {area} was not ordered. Explain in the remarks why it is in the result.",
            area=odd[0],
            field="file",
        )


def _containers() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return for each area what it lies in or became part of: its home alone, and all districts it was of."""
    home, anywhere = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for area in areas.every():
        districts = areas.old_districts(area.code, date.max)
        into = {area.district, areas.place(area.code, date.max)} - {None, area.code}
        home[area.code] |= {each for each in (*into, *districts[:1]) if each and each != area.code}
        anywhere[area.code] |= home[area.code] | {*districts}
    return home, anywhere


def _check_turn(connection: Connection, signed: Signed, run_id: int, order: Row[Any], now: int) -> None:
    """Raise Conflict for a result that was taken already, is older than one that was, or comes too late."""
    before = _rows(connection, run_id)
    kept_rows.require_whole(connection, signed_orders, orders.rows(connection, run_id), f"run/{run_id}")
    kept_rows.require_whole(connection, signed_results, before, f"run/{run_id}")
    same = next((each for each in before if each.sha256 == signed.sha256), None)
    if same is not None:
        raise Conflict(
            "This result has already been accepted, as version {version}.", field="file", version=same.version
        )
    last, version = max((each.version for each in before), default=0), signed.content["version"]
    if version <= last:
        raise Conflict(
            "Version {last} of the result has already been accepted, so version {version} is too "
            "old. Use a higher version.",
            field="file",
            last=last,
            version=version,
        )
    until = moment(orders.document(order).content["content"]["valid_until"]) + timedelta(days=LATE_DAYS)
    if clock.from_ms(now) > until:
        raise Conflict(
            "The result arrived more than {late_days} days after the order expired. Report it by letter.",
            field="file",
            late_days=LATE_DAYS,
        )


def _claim(connection: Connection, result: Mapping[str, Any], run_id: int) -> StatementInput:
    reason = result["changes"] or (_CORRECTS if _stated(connection, run_id) else None)
    began, ended, cutoff = (
        None if result[name] is None else clock.to_ms(moment(result[name]))
        for name in ("began_at", "ended_at", "cutoff_at")
    )
    return StatementInput(
        kind=FigureSource.STATED,
        level=ReceiptLevel[result["proves"].upper()],
        figures=_figures(result),
        cutoff_ms=cutoff or 0,
        paper=PaperClaim(EntrySource.SIGNED, note=result["remarks"] or None, reason=reason),
        began_ms=began,
        ended_ms=ended,
    )


def _by_fields_of_results(refusal: Invalid) -> Invalid:
    """Return the refusal of a statement with the names that its fields have in a result."""
    if not refusal.faults:
        return refusal
    steps = [(field.partition("."), why) for field, why in refusal.faults]
    faults = [(_FIELDS.get(first, first) + dot + rest, why) for (first, dot, rest), why in steps]
    named = (Phrase("{field}: {why}", field=field, why=why) for field, why in faults[:10])
    return Invalid(join(named), faults=faults)


def _stated(connection: Connection, run_id: int) -> bool:
    query = select(func.count()).select_from(statements).where(statements.c.run_id == run_id)
    return bool(connection.execute(query).scalar())


def _figures(result: Mapping[str, Any]) -> StatedFigures:
    on = clock.local(moment(result["began_at"] or result["cutoff_at"])).date()
    rows = {row["area"]: _counts(row) for row in result["areas"]}
    places = [
        AreaCounts(code, by_area.label(code, on), counts)
        for code, counts in rows.items()
        if code not in ("?", WITHHELD)
    ]
    hidden = [counts for code, counts in rows.items() if code in ("?", WITHHELD)]
    if hidden:  # one row, as forms have it
        codes = ", ".join(result["withheld"]["areas"])
        note = f"gồm các địa bàn có ô dưới 5 người: {codes}" if codes else ""
        places.append(AreaCounts(None, by_area.label(None, on), add(hidden), note))
    return StatedFigures(
        general=_counts(result["totals"]),
        segments=result["parts"],
        excluded=tuple(
            Cause(each["cause"], EXCLUDED[each["cause"]], each["count"]) for each in result["excluded"]
        ),
        areas=tuple(places),
        reasons=tuple(
            CauseCounts(each["cause"], REASONS[each["cause"]], each["count"]) for each in result["failed"]
        ),
    )


def _counts(row: Mapping[str, Any]) -> StatedCounts:
    return StatedCounts(*(row[name] for name in COUNTS))


def _rows(connection: Connection, run_id: int) -> list[Row[Any]]:
    s = statements.c
    query = select(signed_results, signed_orders.c.serial, s.version.label("statement"), s.run_id)
    query = query.join(signed_orders, signed_orders.c.id == signed_results.c.order_id)
    query = query.join(statements, statements.c.id == signed_results.c.statement_id)
    return list(connection.execute(query.where(s.run_id == run_id).order_by(signed_results.c.id)).all())


def _view(row: Row[Any]) -> SignedResult:
    order, at = f"{row.run_id}-{row.serial}", clock.moment(row.at)
    return SignedResult(row.version, row.statement, order, row.final, row.sha256, row.kid, at, row.by)
