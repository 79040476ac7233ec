"""At a carrier's Loa: the order becomes a campaign over the carrier's own list, and the ledger its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, func, insert, select

from app.api.bodies import AnyKeptProse, StrictBody
from app.campaigns import directives, lifecycle, optimistic_lock
from app.campaigns.directives import DirectiveFields
from app.campaigns.drafts import Draft, TextForm
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb, act
from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.ids import Number
from app.core.states import RunState
from app.database.connection import shared_ms
from app.database.models import directives as letters
from app.database.models import exported_results, received_orders
from app.operations import Transaction, operation
from app.reports.counting import carrier_report
from app.reports.figures.figures import CarrierReport, Figures
from app.security.roles import SENDERS, Role
from app.signed_orders import formats, keys, loa_carrier
from app.signed_orders.loa_carrier import FAILED, ORDER, PROVES, RESULT, Refused, Signed, moment
from app.signed_orders.orders import DocumentSignature, RunId, SignedDocument
from app.signed_orders.results import ResultBody
from carriers import text as sms
from carriers.contract import ReceiptLevel

TAG = keys.TAG

_AUTHORS = frozenset({Role.ADMIN, Role.APPROVER})
_OVER = (RunState.CANCELLED, RunState.CANCELLING, RunState.SENT, RunState.FINISHED)


@dataclass(frozen=True, slots=True)
class ReceivedOrder:
    """An order or withdrawal that was received, and the run that it is about."""

    number: str
    kind: str
    campaign_id: int
    run_id: int
    run_state: str
    sha256: str


class OrderBody(ResultBody):
    """A signed order as its file has it, and the carrier's own batches that it is sent to."""

    batch_ids: list[Number] = Field([], max_length=100, examples=[[7]])


class ExportBody(StrictBody):
    """What a result says beside its figures. changes: needed from the second one on."""

    changes: AnyKeptProse = Field("", examples=["Thêm biên nhận đến muộn."])
    remarks: AnyKeptProse = Field("", examples=["Không có khiếu nại."])


@operation(
    "POST /v1/received-orders",
    roles=_AUTHORS,
    action="order.receive",
    audit="received an order: {subject}",
    status=201,
)
def receive_order(tx: Transaction, body: OrderBody) -> ReceivedOrder:
    """Receive the police's signed order at a carrier: it becomes a campaign over the carrier's own batches.

    The campaign has the police's text, sender, window and hours, and waits for another person's approval. A
    withdrawal cancels the run that was made of its order.
    """
    content = json.dumps(body.model_dump(include={"payload", "signatures"}), indent=1).encode()
    now = shared_ms(tx.connection)
    signed = formats.read(content, ORDER)
    try:
        kid = loa_carrier.verify(signed, keys.trusted(tx.connection, None))[0]
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    formats.check(signed, clock.from_ms(now))
    if _known(tx.connection, signed.sha256):
        raise Conflict(
            "Order {number} has already been received.", field="file", number=signed.content["number"]
        )
    withdraws = signed.content["kind"] == "withdrawal"
    run_id = _stop_replaced(tx, signed) if withdraws else _run(tx, signed, body.batch_ids)
    row = {"number": signed.content["number"], "kind": signed.content["kind"], "run_id": run_id, "kid": kid}
    row |= {"sha256": signed.sha256, "content": content, "at": now, "by": tx.who.name}
    tx.connection.execute(insert(received_orders).values(row))
    tx.note(f"run/{run_id}", number=row["number"], kind=row["kind"], sha256=signed.sha256, kid=kid)
    run = optimistic_lock.run(tx.connection, run_id)
    return ReceivedOrder(row["number"], row["kind"], run.campaign_id, run_id, run.state, signed.sha256)


@operation(
    "POST /v1/runs/{run_id}/exported-results",
    roles=SENDERS,
    action="result.export",
    audit="signed a result of {subject}",
    status=201,
)
def export_result(tx: Transaction, run_id: RunId, body: ExportBody) -> SignedDocument:
    """Sign the result of a run that was made of a received order: figures of the ledger, its own key."""
    connection, now = tx.connection, shared_ms(tx.connection)
    run = optimistic_lock.run(connection, run_id)
    orders = _rows(connection, run_id, "order")
    if not orders:
        raise Conflict(
            "Run {run_id} was not created from a signed order, so there is no result to sign.", run_id=run_id
        )
    order = _document(orders[-1])
    campaign = optimistic_lock.campaign(connection, run.campaign_id)
    asked = order.content["content"]
    if (campaign.texts, campaign.sender) != ({"": asked["texts"][0]["text"]}, asked["sender"]):
        raise Conflict(
            "The campaign no longer has the text and sender of the order, so the result cannot be signed."
        )
    private = keys.own_key(connection, tx.settings, run.carrier)
    count = select(func.count()).select_from(exported_results).where(exported_results.c.run_id == run_id)
    said = {"version": connection.execute(count).scalar_one() + 1, **body.model_dump()}
    result = _result(carrier_report.build(connection, run_id, now), order, now) | said
    try:
        loa_carrier.check_result(result)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values) from None
    signed = loa_carrier.sign(result, private)
    row = {"run_id": run_id, "version": said["version"], "sha256": loa_carrier.read(signed).sha256, "at": now}
    row |= {"kid": loa_carrier.kid(private.public_key()), "content": signed, "by": tx.who.name}
    connection.execute(insert(exported_results).values(row))
    tx.note(f"run/{run_id}", version=row["version"], sha256=row["sha256"], kid=row["kid"])
    outer = loa_carrier.parse(signed)
    return SignedDocument(outer["payload"], [DocumentSignature(**each) for each in outer["signatures"]])


def _known(connection: Connection, sha256: str) -> Row[Any] | None:
    return connection.execute(select(received_orders).where(received_orders.c.sha256 == sha256)).first()


def _rows(connection: Connection, run_id: int, kind: str) -> list[Row[Any]]:
    r = received_orders.c
    query = select(received_orders).where(r.run_id == run_id, r.kind == kind).order_by(r.id)
    return list(connection.execute(query).all())


def _document(row: Row[Any]) -> Signed:
    signed = loa_carrier.read(bytes(row.content))
    if signed.sha256 != row.sha256:
        raise Conflict("A signed order differs from what was stored. Compare the database with a backup.")
    return signed


def _stop_replaced(tx: Transaction, signed: Signed) -> int:
    """Cancel the run of the order that this document replaces, and return it. Raises Conflict if unknown."""
    row = _known(tx.connection, signed.content["replaces"]["sha256"])
    if row is None:
        number = signed.content["replaces"]["number"]
        raise Conflict(
            "The order {number}, which this document replaces, has not been received here.",
            field="file",
            number=number,
        )
    if optimistic_lock.run(tx.connection, row.run_id).state not in _OVER:
        act(tx.connection, Verb.CANCEL, row.run_id, tx.who.name)
        tx.wake()
    return int(row.run_id)


def _run(tx: Transaction, signed: Signed, batch_ids: list[int]) -> int:
    """Make campaign and run, submitted for approval, and return the run."""
    order, asked = signed.content, signed.content["content"]
    if not batch_ids:
        raise Invalid("Choose the batches to which the order is to be sent.", field="batch_ids")
    (text, *others) = asked["texts"]
    if others or text["language"]:
        raise Invalid(
            "The order has several texts, but Loa sends one text. Carry the order out in another way.",
            field="file",
        )
    if order["replaces"] and _known(tx.connection, order["replaces"]["sha256"]):
        _stop_replaced(tx, signed)
    draft = Draft(
        name=f"Yêu cầu {order['number']} ({signed.sha256[:8]})",
        purpose=asked["purpose"],
        sender=asked["sender"],
        form=TextForm.UNACCENTED if sms.unaccent(text["text"]) == text["text"] else TextForm.ACCENTED,
        text=text["text"],
        directive_id=_letter(tx, asked),
        window_start=_at(asked["begins_at"]),
        window_end=_at(asked["ends_at"]),
        day_starts=asked["day_begins"],
        day_ends=asked["day_ends"],
    )
    hours = DayHours(tx.settings.day_starts, tx.settings.day_ends)
    campaign_id = lifecycle.create(tx.connection, draft, hours, tx.who.name)
    if optimistic_lock.campaign(tx.connection, campaign_id).texts != {"": text["text"]}:
        raise Invalid(
            "Loa would send the text with different characters, so the order is refused.", field="file"
        )
    run_id = lifecycle.add_run(tx.connection, campaign_id, order["carrier"], batch_ids, tx.who.name)
    lifecycle.submit(tx.connection, campaign_id, tx.who.name)
    return run_id


def _at(written: str | None) -> Any:
    return None if written is None else clock.local(moment(written))


def _letter(tx: Transaction, letter: Mapping[str, Any]) -> int | None:
    """Return the directive behind the order; it is stored if it is not known."""
    said = letter["directive"]
    if said is None:
        return None
    known = select(letters.c.id).where(letters.c.number == said["number"])
    found: int | None = tx.connection.execute(known).scalar()
    if found is not None:
        return found
    fields = DirectiveFields(
        number=said["number"],
        issued_on=date.fromisoformat(said["issued_on"]),
        issuer=said["issuer"],
        subject="Nhắn tin theo yêu cầu ký số",
        report_deadline=_at(letter["report_by"]),
    )
    return directives.create(tx.connection, fields, tx.who.name)


# ---- The ledger's figures as those of a result


def _result(report: CarrierReport, order: Signed, now: int) -> dict[str, Any]:
    if report.general.waiting:
        raise Conflict("The run is still sending. Sign its result once everything is handed over.")
    head, level = report.header, ReceiptLevel(report.header.receipt_level or 0)
    rows = [{"area": each.code or "?"} | _counts(each.figures, level) for each in report.areas]
    if report.outside_areas:  # lines of the list that are no subscriber
        outside = _counts(Figures(eligible=report.outside_areas, excluded=report.outside_areas), level)
        unknown = next((row for row in rows if row["area"] == "?"), None)
        if unknown is None:
            rows.append({"area": "?"} | outside)
        else:
            unknown |= {n: unknown[n] + outside[n] for n in outside if unknown[n] is not None}
    lacks = loa_carrier.missing((row["area"] for row in rows), order.content)
    rows += [{"area": code} | _counts(Figures(), level) for code in lacks]
    shown, hidden = loa_carrier.withhold(rows)
    general = _counts(report.general, level)
    failed: dict[str, int] = {}
    for cause in report.reasons:
        key = cause.key if cause.key in FAILED else "other"
        failed[key] = failed.get(key, 0) + cause.n
    if sum(failed.values()) != general["failed"]:
        failed = {}
    return {
        "format": RESULT,
        "order": {"number": order.content["number"], "sha256": order.sha256},
        "carrier": order.content["carrier"],
        "final": head.run_state == RunState.FINISHED and not report.interim and head.ended_ms is not None,
        "made_at": _time(now),
        "began_at": _time(head.started_ms),
        "ended_at": _time(head.ended_ms),
        "cutoff_at": _time(now),
        "proves": PROVES[2 - level],
        "totals": general,
        "parts": report.general.segments if report.general.sent else None,
        "excluded": [],
        "failed": [{"cause": key, "count": n} for key, n in sorted(failed.items()) if n],
        "areas": shown,
        "withheld": {"rule": "fewer-than-5", "areas": hidden},
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else clock.from_ms(ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def _counts(figures: Figures, level: ReceiptLevel) -> dict[str, Any]:
    """Return the six counts: what is received by what the receipts prove, and never more."""
    received = figures.delivered if level is ReceiptLevel.HANDSET else figures.delivered + figures.relayed
    receipts = (received, figures.failed, figures.sent - received - figures.failed)
    if level is ReceiptLevel.NONE:
        receipts = (None, None, None)  # type: ignore[assignment]
    return dict(
        zip(loa_carrier.COUNTS, (figures.eligible, figures.excluded, figures.sent, *receipts), strict=True)
    )
