"""The signed order of a held run: issued, replaced by a later one, withdrawn, and fetched by its carrier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import Field
from sqlalchemy import Connection, Row, insert, select

from app.api.bodies import AnyKeptProse, KeptProse, StrictBody
from app.campaigns import carrier_orders, optimistic_lock
from app.campaigns.carrier_orders import CarrierOrder
from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.core.ids import LARGEST, Exact
from app.core.masking import one_line
from app.core.states import SENDS_NO_MORE, RunState
from app.database.connection import shared_ms
from app.database.models import campaigns, directives, runs, signed_orders
from app.notifications import outbox
from app.notifications.outbox import Notice, NotificationChannel
from app.operations import Transaction, operation
from app.reports.figures import addressees
from app.reports.forms import letterhead
from app.reports.forms.letterhead import POLICE
from app.security import kept_rows
from app.security.roles import EVERYBODY
from app.signed_orders import formats, keys, loa_carrier
from app.signed_orders.keys import APPROVERS
from app.signed_orders.loa_carrier import ORDER, Refused, Signed, moment
from carriers.phrases import Phrase

TAG = keys.TAG

RunId = Annotated[int, Interval(ge=1, le=LARGEST), Exact]
MAILED = "order.signed"  # a notice's kind
WITHDRAWAL = "withdrawal"  # a document's kind
_OPEN_DAYS = 90  # how long an order without an end of sending and without a deadline is valid


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A document of an order as it was signed. sha256: of its payload, by which a result names it.

    kind: order, change (of its times alone), repeat (also to people written to before), withdrawal.
    """

    number: str
    kind: str
    sha256: str
    kid: str
    issued_at: datetime
    issued_by: str
    replaces: str | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class DocumentSignature:
    """A signature over protected + "." + payload."""

    protected: str
    signature: str


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A JWS in the general JSON serialization: docs/signed-orders.md."""

    payload: str
    signatures: list[DocumentSignature]


class OrderIssueBody(StrictBody):
    """Why the order takes the place of an earlier one; needed only then.

    repeat: the carrier also writes to people whom it wrote to under earlier documents of the order.
    """

    reason: AnyKeptProse = Field("", examples=["Đổi thời gian gửi."])
    repeat: bool = Field(
        False, description="write again to people who were written to under earlier documents"
    )


class WithdrawBody(StrictBody):
    """Why the order is withdrawn; the carrier reads it."""

    reason: KeptProse = Field(examples=["Dừng chiến dịch."])


@operation(
    "GET /v1/runs/{run_id}/orders",
    roles=EVERYBODY,
    command="order list",
    columns=("number", "kind", "issued_at", "issued_by", "valid_until", "replaces", "sha256"),
)
def list_orders(tx: Transaction, run_id: RunId) -> list[SignedOrder]:
    """List the documents signed for a run's carrier, oldest first."""
    optimistic_lock.run(tx.connection, run_id)
    return issued(tx.connection, run_id)


@operation("GET /v1/runs/{run_id}/orders/signed", roles=EVERYBODY, command="order get")
def get_signed_order(tx: Transaction, run_id: RunId) -> SignedDocument:
    """Get the latest signed document of a run: its order, or the order's withdrawal."""
    tx.headers["Content-Disposition"] = f'attachment; filename="loa-run-{run_id}-order.json"'
    return as_document(bytes(_fit(tx.connection, run_id)[-1].content))


@operation("GET /v1/runs/{run_id}/orders/chain", roles=EVERYBODY, command="order chain")
def get_order_chain(tx: Transaction, run_id: RunId) -> list[SignedDocument]:
    """Get all signed documents of a run's order, the newest first: only the newest one is in force."""
    tx.headers["Content-Disposition"] = f'attachment; filename="loa-run-{run_id}-orders.json"'
    return [as_document(bytes(row.content)) for row in reversed(_fit(tx.connection, run_id))]


def as_document(content: bytes) -> SignedDocument:
    """Return a stored document as it is handed out."""
    outer = loa_carrier.parse(content)
    return SignedDocument(outer["payload"], [DocumentSignature(**each) for each in outer["signatures"]])


def _fit(connection: Connection, run_id: int) -> Sequence[Row[Any]]:
    """Return what was signed for a run, oldest first. Raises Conflict if the newest may not be sent."""
    optimistic_lock.run(connection, run_id)
    found = rows(connection, run_id)
    kept_rows.require_whole(connection, signed_orders, found, f"run/{run_id}")
    if not found:
        raise no_such("signed order", Phrase("of run {run}", run=run_id))
    if found[-1].kind != WITHDRAWAL and not _is_approved(connection, found[-1]):
        raise Conflict(
            "Order {run_id}-{serial} no longer matches what was approved. Do not send it; "
            "wait until it is replaced or withdrawn.",
            run_id=run_id,
            serial=found[-1].serial,
        )
    return found


@operation(
    "POST /v1/runs/{run_id}/orders",
    roles=APPROVERS,
    command="order issue",
    audit="signed an order for {subject}",
    done="Order {number} is signed. The carrier can download it.",
    page="/runs/{run_id}",
)
def issue_order(tx: Transaction, run_id: RunId, body: OrderIssueBody) -> SignedOrder:
    """Sign the approved order of a run whose carrier sends itself. Repeating it returns the same order."""
    run = optimistic_lock.run(tx.connection, run_id)
    order = carrier_orders.order(tx.connection, run_id)
    private = keys.own_key(tx.connection, tx.settings)
    before = rows(tx.connection, run_id)
    last = before[-1] if before else None
    kid = loa_carrier.kid(private.public_key())
    now = shared_ms(tx.connection)
    same = last is not None and last.kind != WITHDRAWAL and last.digest == order.digest
    # Who has begun goes on; before that, other times alone are a change, which makes no second sending.
    begun = run.state != RunState.PLANNED or (last is not None and _has_times(last, order, now))
    if last is not None and same and last.kid == kid and begun and not body.repeat:
        return _view(last)
    if RunState(run.state) in SENDS_NO_MORE:
        raise Conflict(
            "Run {run_id} is {state}, so no further order can be issued.", run_id=run_id, state=run.state
        )
    if last is not None and not body.reason:
        raise Invalid("Enter the reason why the order replaces the earlier one.", field="reason")
    if last is None and body.repeat:
        raise Invalid("The first order of a run cannot repeat an earlier one.", field="repeat")
    kind = "repeat" if body.repeat else "change" if same else "order"
    content = _content(tx.connection, order, now)
    return _sign(tx, run_id, order.carrier, before, order.digest, body.reason, content, kind)


@operation(
    "POST /v1/runs/{run_id}/orders/withdraw",
    roles=APPROVERS,
    command="order withdraw",
    audit="withdrew the order for {subject}",
    done="Withdrawal {number} is signed. Tell the carrier to download it.",
    page="/runs/{run_id}",
)
def withdraw_order(tx: Transaction, run_id: RunId, body: WithdrawBody) -> SignedOrder:
    """Sign the withdrawal of a run's order, so that the carrier stops; it still reports what it has sent."""
    run = optimistic_lock.run(tx.connection, run_id)
    before = rows(tx.connection, run_id)
    if not before or before[-1].kind == WITHDRAWAL:
        raise Conflict("Run {run_id} has no signed order that could be withdrawn.", run_id=run_id)
    return _sign(tx, run_id, run.carrier, before, before[-1].digest, body.reason, None, WITHDRAWAL)


def issued(connection: Connection, run_id: int) -> list[SignedOrder]:
    """Return what was signed for a run as it is shown, oldest first."""
    return [_view(row) for row in rows(connection, run_id)]


def rows(connection: Connection, run_id: int) -> Sequence[Row[Any]]:
    """Return what was signed for a run, oldest first."""
    query = select(signed_orders).where(signed_orders.c.run_id == run_id)
    return connection.execute(query.order_by(signed_orders.c.serial)).all()


def document(row: Row[Any]) -> Signed:
    """Return a stored order as it was signed. Raises Conflict if the row was altered."""
    signed = loa_carrier.read(bytes(row.content))
    if signed.sha256 != row.sha256:
        raise Conflict("A signed order differs from what was stored. Compare the database with a backup.")
    return signed


def _has_times(row: Row[Any], order: CarrierOrder, now: int) -> bool:
    """Return whether a signed order has the deadline of now, and is valid if the campaign has no end.

    No approval binds these, so that another order is signed without another approval.
    """
    said, due = document(row).content["content"], order.report_deadline
    if due is None and order.window_end is None and clock.to_ms(moment(said["valid_until"])) <= now:
        return False
    return bool(said["report_by"] == (due and _time(clock.to_ms(due))))


def _is_approved(connection: Connection, row: Row[Any]) -> bool:
    try:
        return bool(carrier_orders.order(connection, row.run_id).digest == row.digest)
    except Conflict:
        return False


def _sign(
    tx: Transaction,
    run_id: int,
    carrier: str,
    before: Sequence[Row[Any]],
    digest: str,
    reason: str,
    content: dict[str, Any] | None,
    kind: str,
) -> SignedOrder:
    private, now = keys.own_key(tx.connection, tx.settings), shared_ms(tx.connection)
    serial, last = len(before) + 1, before[-1] if before else None
    order = {
        "format": ORDER,
        "kind": kind,
        "number": f"{run_id}-{serial}",
        "issuer": letterhead.load(tx.settings.letterheads).of(POLICE, _day(now)).name,
        "carrier": carrier,
        "issued_at": _time(now),
        "replaces": {"number": f"{run_id}-{last.serial}", "sha256": last.sha256} if last else None,
        "reason": reason,
        "content": content,
    }
    try:
        formats.check_order(order)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values) from None
    signed = loa_carrier.sign(order, private)
    row = {"run_id": run_id, "serial": serial, "kind": order["kind"], "digest": digest}
    row |= {"sha256": loa_carrier.read(signed).sha256, "kid": loa_carrier.kid(private.public_key())}
    tx.connection.execute(insert(signed_orders).values(**row, content=signed, at=now, by=tx.who.name))
    kept = kept_rows.kept(tx.connection, signed_orders, signed_orders.c.sha256 == row["sha256"])
    tx.note(f"run/{run_id}", number=order["number"], sha256=row["sha256"], kid=row["kid"], kept=kept)
    if tx.settings.mail:
        outbox.put(tx.connection, _mails(tx.connection, run_id, order, signed))
    return _view(rows(tx.connection, run_id)[-1])


def _mails(connection: Connection, run_id: int, order: dict[str, Any], signed: bytes) -> Iterator[Notice]:
    """Write to the addresses that the carrier has under the directive, with the document as it is signed."""
    letter = _letter(connection, run_id)
    every = addressees.of_directive(connection, letter.id) if letter else []
    number, what = order["number"], "lệnh gửi tin"
    if order["kind"] == WITHDRAWAL:
        what = "văn bản thu hồi lệnh gửi tin"
    elif order["kind"] == "change":
        what = "văn bản đổi thời hạn của lệnh gửi tin"
    text = (
        f"{one_line(order['issuer'])} gửi kèm {what} số {number}, đã được ký số.\n"
        + (f"Lý do: {one_line(order['reason'])}\n" if order["reason"] else "")
        + "\nĐề nghị kiểm tra chữ ký của tệp đính kèm trước khi thực hiện. "
        "Thư do hệ thống Loa gửi tự động; xin không trả lời.\n"
    )
    mail = {
        "subject": f"Loa: {what} số {number}",
        "text": text,
        "files": {f"loa-order-{number}.json": signed.decode()},
    }
    for address in dict.fromkeys(each.email for each in every if each.carrier == order["carrier"]):
        if address:
            yield Notice(f"order/{number}/{address}"[:200], MAILED, NotificationChannel.EMAIL, address, mail)


def _letter(connection: Connection, run_id: int) -> Row[Any] | None:
    """Return the directive under which a run is, if its campaign has one."""
    query = (
        select(directives)
        .join(campaigns, campaigns.c.directive_id == directives.c.id)
        .join(runs, runs.c.campaign_id == campaigns.c.id)
    )
    return connection.execute(query.where(runs.c.id == run_id)).first()


def _content(connection: Connection, order: CarrierOrder, now: int) -> dict[str, Any]:
    letter = _letter(connection, order.run_id)
    begins, ends, due = order.window_start, order.window_end, order.report_deadline
    until = ends or due or clock.moment(now) + timedelta(days=_OPEN_DAYS)
    if clock.to_ms(until) <= now:
        raise Conflict(
            "The sending window of the order has ended. Edit the campaign, and have it approved again."
        )
    named = (
        {"number": letter.number, "issued_on": letter.issued_on, "issuer": letter.issuer} if letter else None
    )
    return {
        "directive": named,
        "purpose": order.purpose,
        "sender": order.sender,
        "texts": [
            {"language": each.language, "text": each.text, "sha256": each.sha256, "parts": each.segments}
            for each in order.texts
        ],
        "begins_at": begins and _time(clock.to_ms(begins)),
        "ends_at": ends and _time(clock.to_ms(ends)),
        "day_begins": order.day_starts,
        "day_ends": order.day_ends,
        "time_zone": "Asia/Ho_Chi_Minh",
        "area_basis": str(order.area_basis),
        "areas_of": _day(clock.to_ms(begins) if begins else now).isoformat(),
        "areas": [{"code": each.code, "name": each.name} for each in order.areas],
        "estimated": order.estimated,
        "figures": [*loa_carrier.COUNTS, "by_area", "by_cause"],
        "report_by": due and _time(clock.to_ms(due)),
        "valid_until": _time(clock.to_ms(until)),
        "approval": {"sha256": order.digest, "approved_at": _time(clock.to_ms(order.approved_at))},
    }


def _day(ms: int) -> date:
    return clock.local(clock.from_ms(ms)).date()


def _time(ms: int) -> str:
    return clock.from_ms(ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def _view(row: Row[Any]) -> SignedOrder:
    said = document(row).content
    return SignedOrder(
        number=said["number"],
        kind=row.kind,
        sha256=row.sha256,
        kid=row.kid,
        issued_at=clock.moment(row.at),
        issued_by=row.by,
        replaces=said["replaces"]["number"] if said["replaces"] else None,
        valid_until=clock.local(moment(said["content"]["valid_until"])) if said["content"] else None,
    )
