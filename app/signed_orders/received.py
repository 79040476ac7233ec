"""At a carrier's Loa: the order becomes a campaign over the carrier's own list, and the ledger its result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from app.api.bodies import AnyKeptProse, StrictBody
from app.campaigns import directives, lifecycle, optimistic_lock
from app.campaigns.directives import DirectiveFields
from app.campaigns.drafts import Draft, TextForm
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb, act
from app.core import clock
from app.core.errors import AppError, Conflict, Invalid, no_such
from app.core.ids import LARGEST, Number
from app.core.masking import one_line
from app.core.states import SENDS_NO_MORE, SENT, CampaignState, DeliveryState, NotSent, RunState
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time, savepoint, shared_ms
from app.database.models import directives as letters
from app.database.models import exported_results, received_orders, replacements
from app.ledger import standing, unreached
from app.operations import Transaction, operation
from app.reports.counting import carrier_report
from app.reports.figures import tally
from app.reports.figures.figures import AreaRow, CarrierReport, Figures
from app.security import kept_rows
from app.security.roles import EVERYBODY, SENDERS, Role
from app.signed_orders import formats, keys, loa_carrier
from app.signed_orders.loa_carrier import FAILED, ORDER, PROVES, RESULT, Refused, Signed, moment
from app.signed_orders.orders import WITHDRAWAL, RunId, SignedDocument, as_document
from app.signed_orders.results import ResultBody
from carriers import text as sms
from carriers.contract import ReceiptLevel
from carriers.phrases import Phrase

TAG = keys.TAG

OrderNumber = Annotated[
    str, StringConstraints(pattern=loa_carrier.WHICH["pattern"]), Field(examples=["12-3"])
]
_AUTHORS = frozenset({Role.ADMIN, Role.APPROVER})
_TIMES = ("report_by", "valid_until", "areas_of")  # of an order: these alone differ in a change
_WRITTEN = tuple(state for state in SENT if state is not DeliveryState.REJECTED)


class OrderState(StrEnum):
    """Whether a received document counts: of one order only the newest does."""

    IN_FORCE = "in_force"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class ReceivedOrder:
    """A document that was received, and the run that it made or changed, if any.

    state: only the newest document of an order is in force, whenever it came. problem: why an order in force
    is not being carried out yet, or not to everybody.
    """

    number: str
    kind: str
    state: OrderState
    campaign_id: int | None
    run_id: int | None
    run_state: str | None
    sha256: str
    problem: str | None = None


class OrderBody(ResultBody):
    """A signed order as its file has it, and the carrier's own batches that it is sent to."""

    batch_ids: list[Number] = Field([], max_length=100, examples=[[7]])


class RepeatBody(StrictBody):
    """How many people get the text although they were written to under an earlier document."""

    people: int = Field(ge=1, le=LARGEST, description="how many people are written to again", examples=[1250])


class ExportBody(StrictBody):
    """What a result says beside its figures. changes: needed from the second one on."""

    changes: AnyKeptProse = Field("", examples=["Thêm biên nhận đến muộn."])
    remarks: AnyKeptProse = Field("", examples=["Không có khiếu nại."])


@operation(
    "GET /v1/received-orders",
    roles=EVERYBODY,
    command="order received",
    columns=("number", "kind", "state", "campaign_id", "run_id", "run_state", "sha256"),
)
def list_received_orders(tx: Transaction) -> list[ReceivedOrder]:
    """At a carrier: list the documents received from the police, the newest first."""
    query = select(received_orders).order_by(received_orders.c.chain.desc(), received_orders.c.serial.desc())
    found, newest = [], dict[int, int]()
    for row in tx.connection.execute(query).all():
        state = OrderState.REPLACED if row.chain in newest else OrderState.IN_FORCE
        newest.setdefault(row.chain, row.serial)
        if tx.who.carrier in (None, _document(row).content["carrier"]):
            found.append(_view(tx.connection, row, state))
    return found


@operation(
    "POST /v1/received-orders",
    roles=_AUTHORS,
    action="order.receive",
    audit="received an order: {subject}",
    status=201,
)
def receive_order(tx: Transaction, body: OrderBody) -> ReceivedOrder:
    """Receive a signed document of the police at a carrier: an order becomes a campaign over its own batches.

    Of one order only the newest document counts, in whatever order they arrive: it stops every older one, and
    an older one that comes later is stored and changes nothing. The campaign has the police's text, sender,
    window and hours, waits for another person's approval, and leaves out everybody whom a campaign of an
    older document has written to. Repeating it changes nothing, or makes up for what was missing.
    """
    content = json.dumps(body.model_dump(include={"payload", "signatures"}), indent=1).encode()
    now = shared_ms(tx.connection)
    signed = formats.read(content, ORDER)
    try:
        kid = loa_carrier.verify(signed, keys.trusted(tx.connection, None))[0]
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    formats.check(signed, clock.from_ms(now), expired=True)
    one_at_a_time(tx.connection, AdvisoryLock.RECEIVED_ORDER)
    number, kind = signed.content["number"], signed.content["kind"]
    chain, serial = formats.place(number)
    if not _is_known(_chain(tx.connection, chain), signed):
        row = {"number": number, "chain": chain, "serial": serial, "kind": kind, "kid": kid}
        row |= {"sha256": signed.sha256, "content": content, "at": now, "by": tx.who.name}
        tx.connection.execute(insert(received_orders).values(row))
    every = _chain(tx.connection, chain)
    own, problem = next(row for row in every if row.serial == serial), None
    if own is every[-1]:
        problem = _carry_out(tx, every, signed, body.batch_ids, now)
        own = _chain(tx.connection, chain)[-1]
    subject = f"order/{number}" if own.run_id is None else f"run/{own.run_id}"
    kept = kept_rows.kept(tx.connection, received_orders, received_orders.c.chain == chain)
    tx.note(subject, number=number, kind=kind, sha256=signed.sha256, kid=kid, kept=kept)
    state = OrderState.IN_FORCE if own.serial == every[-1].serial else OrderState.REPLACED
    return _view(tx.connection, own, state, problem)


@operation(
    "POST /v1/received-orders/{number}/repeat",
    roles=_AUTHORS,
    command="order repeat",
    arguments=("people",),
    action="order.repeat",
    audit="had an order sent again to people already written to: {subject}",
    done="Order {number}: people who were already written to get the text again.",
)
def repeat_order(tx: Transaction, number: OrderNumber, body: RepeatBody) -> ReceivedOrder:
    """At a carrier: write again to people whom earlier documents of an order wrote to, if it asks for that.

    Enter how many people these are. Possible until another person has approved the campaign.
    """
    connection, place = tx.connection, formats.place(number)
    one_at_a_time(connection, AdvisoryLock.RECEIVED_ORDER)
    every = _chain(connection, place[0])
    row = next((row for row in every if row.serial == place[1]), None)
    if row is None:
        raise no_such("received order", number)
    if row is not every[-1] or row.kind != "repeat" or row.run_id is None:
        raise Conflict(
            "Order {number} does not ask to write again to people who were already written to.", number=number
        )
    run = optimistic_lock.run(connection, row.run_id)
    campaign = optimistic_lock.campaign(connection, run.campaign_id)
    if campaign.state != CampaignState.SUBMITTED or run.state != RunState.PLANNED:
        raise Conflict("Campaign {campaign} is no longer waiting for its approval.", campaign=campaign.id)
    for earlier in _run_ids(every):
        if optimistic_lock.run(connection, earlier).state in (RunState.RUNNING, RunState.CANCELLING):
            raise Conflict("Run {run} is still being stopped. Try again when it is cancelled.", run=earlier)
    people = unreached.count_written(connection, campaign.id)
    if body.people != people:
        raise Conflict(
            "{people} people would get the text again. Enter this number to confirm it.",
            people=people,
            field="people",
        )
    connection.execute(delete(replacements).where(replacements.c.campaign_id == campaign.id))
    tx.note(f"run/{run.id}", number=number, people=people)
    return _view(connection, row, OrderState.IN_FORCE)


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
    rows, every = _asking(connection, run_id)
    if not rows:
        raise Conflict(
            "Run {run_id} was not created from a signed order, so there is no result to sign.", run_id=run_id
        )
    if rows[-1] is not every[-1]:
        raise Conflict(
            "Order {number} was replaced by {named}. Sign the result of that order.",
            number=rows[-1].number,
            named=every[-1].number,
        )
    order, chained = _document(rows[-1]), _run_ids(every)
    campaign = optimistic_lock.campaign(connection, run.campaign_id)
    asked = order.content["content"]
    if (campaign.texts, campaign.sender) != ({"": asked["texts"][0]["text"]}, asked["sender"]):
        raise Conflict(
            "The campaign no longer has the text and sender of the order, so the result cannot be signed."
        )
    private = keys.own_key(connection, tx.settings, run.carrier)
    last = select(func.max(exported_results.c.version)).where(exported_results.c.run_id.in_(chained))
    said = {"version": (connection.execute(last).scalar() or 0) + 1, **body.model_dump()}
    report = _whole(connection, carrier_report.build(connection, run_id, now), chained, now)
    result = _result(report, order, now) | said
    try:
        loa_carrier.check_result(result)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values) from None
    signed = loa_carrier.sign(result, private)
    row = {"run_id": run_id, "version": said["version"], "sha256": loa_carrier.read(signed).sha256, "at": now}
    row |= {"kid": loa_carrier.kid(private.public_key()), "content": signed, "by": tx.who.name}
    connection.execute(insert(exported_results).values(row))
    kept = kept_rows.kept(connection, exported_results, exported_results.c.sha256 == row["sha256"])
    tx.note(f"run/{run_id}", version=row["version"], sha256=row["sha256"], kid=row["kid"], kept=kept)
    return as_document(signed)


def _chain(connection: Connection, chain: int) -> list[Row[Any]]:
    """Return what was received of one order, in the order of its numbers, whenever it came."""
    query = select(received_orders).where(received_orders.c.chain == chain)
    return list(connection.execute(query.order_by(received_orders.c.serial)).all())


def _asking(connection: Connection, run_id: int) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Return the documents that made or changed a run, and all of its order that ask for sending."""
    r = received_orders.c
    own = connection.execute(select(r.chain).where(r.run_id == run_id)).first()
    every = [row for row in _chain(connection, own.chain) if row.kind != WITHDRAWAL] if own else []
    return [row for row in every if row.run_id == run_id], every


def _run_ids(rows: Iterable[Row[Any]]) -> list[int]:
    return sorted({row.run_id for row in rows if row.run_id is not None})


def _is_known(every: Iterable[Row[Any]], signed: Signed) -> bool:
    """Return whether a document was received before. Raises Conflict for one that contradicts another."""
    number, before = signed.content["number"], signed.content["replaces"] or {}
    for row in every:
        if row.serial == formats.place(number)[1]:
            if row.sha256 == signed.sha256:
                return True
            raise Conflict(
                "Another document {number} has already been received.", field="file", number=number
            )
        after = _document(row).content["replaces"] or {}
        names, named = row.number == before.get("number"), number == after.get("number")
        if (names and row.sha256 != before["sha256"]) or (named and signed.sha256 != after["sha256"]):
            raise Conflict(
                "Documents {number} and {other} are not of the same order. Ask the police which one counts.",
                field="file",
                number=number,
                other=row.number,
            )
    return False


def _document(row: Row[Any]) -> Signed:
    signed = loa_carrier.read(bytes(row.content))
    if signed.sha256 != row.sha256:
        raise Conflict("A signed order differs from what was stored. Compare the database with a backup.")
    return signed


def _view(
    connection: Connection, row: Row[Any], state: OrderState, problem: str | None = None
) -> ReceivedOrder:
    run = None if row.run_id is None else optimistic_lock.run(connection, row.run_id)
    if run is None:
        return ReceivedOrder(row.number, row.kind, state, None, None, None, row.sha256, problem)
    return ReceivedOrder(row.number, row.kind, state, run.campaign_id, run.id, run.state, row.sha256, problem)


def _carry_out(
    tx: Transaction, every: Sequence[Row[Any]], signed: Signed, batch_ids: list[int], now: int
) -> str | None:
    """Stop what older documents started, and make the newest one's run; return what prevents that."""
    newest = every[-1]
    if newest.run_id is not None:
        return None
    going = _going_on(tx.connection, every, signed) if newest.kind == "change" else None
    earlier = [run_id for run_id in _run_ids(every) if run_id != going]
    for run_id in earlier:
        if optimistic_lock.run(tx.connection, run_id).state not in SENDS_NO_MORE:
            act(tx.connection, Verb.CANCEL, run_id, tx.who.name)
            tx.wake()
    own = received_orders.c.id == newest.id
    if newest.kind == WITHDRAWAL:
        stopped = next((row.run_id for row in reversed(every) if row.run_id is not None), None)
        tx.connection.execute(update(received_orders).where(own).values(run_id=stopped))
        return None
    try:
        with savepoint(tx.connection):
            formats.require_valid(signed.content, clock.from_ms(now))
            run_id = _run(tx, signed, batch_ids) if going is None else going
            _set_deadline(tx, signed)
    except Refused as refusal:
        return Phrase(refusal.template, **refusal.values)
    except AppError as refusal:
        return refusal.detail
    tx.connection.execute(update(received_orders).where(own).values(run_id=run_id))
    if going is not None:
        return None
    campaign_id = optimistic_lock.run(tx.connection, run_id).campaign_id
    rounds = [
        {"campaign_id": campaign_id, "replaced_id": each} for each in _campaigns(tx.connection, earlier)
    ]
    if rounds:
        tx.connection.execute(insert(replacements), rounds)
    if newest.kind == "repeat" and rounds:
        return Phrase(
            "The order asks to write again to people who were already written to. They are left out unless "
            "you confirm how many they are."
        )
    return None


def _going_on(connection: Connection, every: Sequence[Row[Any]], signed: Signed) -> int | None:
    """Return the run that goes on under other times: the last one, if it has the same content."""
    last = next(
        (row for row in reversed(every[:-1]) if row.kind == WITHDRAWAL or row.run_id is not None), None
    )
    if last is None or last.kind == WITHDRAWAL:
        return None
    then, now = (
        {name: value for name, value in each.content["content"].items() if name not in _TIMES}
        for each in (_document(last), signed)
    )
    stopped = optimistic_lock.run(connection, last.run_id).state in (RunState.CANCELLING, RunState.CANCELLED)
    return None if stopped or then != now else int(last.run_id)


def _campaigns(connection: Connection, run_ids: Iterable[int]) -> list[int]:
    return sorted({optimistic_lock.run(connection, run_id).campaign_id for run_id in run_ids})


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


def _set_deadline(tx: Transaction, signed: Signed) -> None:
    """Give the directive the deadline that the order in force has."""
    said, due = signed.content["content"]["directive"], _at(signed.content["content"]["report_by"])
    if said is None:
        return
    row = tx.connection.execute(select(letters).where(letters.c.number == said["number"])).first()
    if row is not None and row.report_deadline != (None if due is None else clock.to_ms(due)):
        reason = signed.content["reason"] or signed.content["number"]
        directives.put_off(tx.connection, row.id, due, one_line(reason)[:200], tx.who.name)


# ---- The ledger's figures as those of a result


def _whole(connection: Connection, report: CarrierReport, chained: Sequence[int], now: int) -> CarrierReport:
    """Return the report with what was sent under older documents, to people who were not written to again.

    Each subscriber is counted once: what an older run only refused or did not send is left to the newest one.
    """
    header, general, failed = report.header, report.general, Counter({c.key: c.n for c in report.reasons})
    areas = {row.code: row.figures for row in report.areas}
    left_out = [c for c in tally.of_run(connection, header.run_id) if c.reason == NotSent.OTHER_ROUND]
    for row in carrier_report.areas_of(left_out, clock.moment(now).date()):
        n = -row.figures.eligible
        areas[row.code] += Figures(eligible=n, excluded=n)
        general += Figures(eligible=n, excluded=n)
    for run_id in _older(connection, header.campaign_id, chained):
        older = carrier_report.build(connection, run_id, now, brief=True)
        counts = [c for c in tally.of_run(connection, run_id) if c.state in _WRITTEN]
        for row in carrier_report.areas_of(counts, clock.moment(now).date()):
            areas[row.code] = areas.get(row.code, Figures()) + row.figures
            general += row.figures
        failed.update({c.key: c.n for c in carrier_report.reasons_of(counts)})
        if counts:
            levels = (header.receipt_level or 0, older.header.receipt_level or 0)
            began = [each for each in (header.started_ms, older.header.started_ms) if each is not None]
            header = replace(header, receipt_level=min(levels), started_ms=min(began, default=None))
            if standing.awaits_receipts(connection, run_id):
                header = replace(header, run_state=RunState.SENT)
    reasons = tuple(replace(cause, n=failed[cause.key]) for cause in report.reasons)
    rows = tuple(AreaRow(code, "", figures) for code, figures in areas.items())
    return replace(report, header=header, general=general, areas=rows, reasons=reasons)


def _older(connection: Connection, campaign_id: int, chained: Sequence[int]) -> list[int]:
    """Return the runs whose people this campaign leaves out, back to one that was sent to everybody."""
    found, replaced = list[int](), unreached.replaced(connection, campaign_id)
    for run_id in reversed(chained):
        own = optimistic_lock.run(connection, run_id).campaign_id
        if own in replaced:
            found.append(run_id)
            if not unreached.replaced(connection, own):
                break
    return found


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
