"""Labels of a delivery's states, outcomes, reasons, submit results, receipts and decisions."""

from __future__ import annotations

from app.core.states import DeliveryState, NotSent
from app.ledger.contract import ResultKind, StateEvent
from app.ledger.unreached import Outcome
from app.web.translations import Said, say
from carriers.contract import Reason, ReceiptStatus

STATES: dict[DeliveryState, Said] = {
    DeliveryState.QUEUED: say("waiting to be sent"),
    DeliveryState.SUBMITTED: say("accepted by the carrier, no receipt yet"),
    DeliveryState.UNKNOWN: say("outcome unknown"),
    DeliveryState.REJECTED: say("rejected by the carrier"),
    DeliveryState.UNDELIVERED: say("not received"),
    DeliveryState.EXPIRED: say("expired before delivery"),
    DeliveryState.RELAYED: say("accepted by the carrier's centre"),
    DeliveryState.DELIVERED: say("received by the handset"),
    DeliveryState.NOT_SENT: say("not sent"),
    DeliveryState.EXCLUDED: say("excluded"),
}
TONES: dict[DeliveryState, str] = {
    DeliveryState.QUEUED: "off",
    DeliveryState.SUBMITTED: "busy",
    DeliveryState.UNKNOWN: "wait",
    DeliveryState.REJECTED: "bad",
    DeliveryState.UNDELIVERED: "bad",
    DeliveryState.EXPIRED: "bad",
    DeliveryState.RELAYED: "good",
    DeliveryState.DELIVERED: "good",
    DeliveryState.NOT_SENT: "off",
    DeliveryState.EXCLUDED: "off",
}
REASONS: dict[int, Said] = {
    Reason.OTHER: say("another reason"),
    Reason.SYSTEM: say("carrier system error"),
    Reason.EXPIRED: say("phone off or out of coverage"),
    Reason.HANDSET: say("memory full, or the phone cannot display it"),
    Reason.BARRED: say("barred from receiving"),
    Reason.OTHER_NETWORK: say("ported to another network"),
    Reason.NO_SUCH_NUMBER: say("number does not exist"),
    Reason.FILTERED: say("rejected by a filter or the sender ID's registration"),
    Reason.WRONG_REQUEST: say("request not accepted by the carrier"),
    NotSent.CANCELLED: say("the run was cancelled"),
    NotSent.WINDOW_CLOSED: say("the sending window had ended"),
    NotSent.REPEATED: say("the number is in another batch of the campaign"),
    NotSent.WRITTEN_OFF: say("written off by a person"),
    NotSent.DO_NOT_SEND: say("on the do-not-send list"),
    NotSent.OTHER_ROUND: say("reached, or possibly reached, by another campaign in the same follow-up chain"),
}


OUTCOMES: dict[Outcome, Said] = {
    Outcome.UNDELIVERED: say("not delivered, by a receipt"),
    Outcome.EXPIRED: say("expired: the phone was off too long"),
    Outcome.NO_RECEIPT: say("no receipt arrived in time"),
    Outcome.UNKNOWN: say("outcome unknown: the carrier's answer was lost"),
    Outcome.REJECTED: say("rejected immediately by the carrier"),
    Outcome.NOT_SENT: say("not sent: cancelled, or the window ended"),
    Outcome.ACCEPTED: say("accepted by the carrier's centre, or by a carrier without receipts"),
    Outcome.WRITTEN_OFF: say("unknown, and written off by a person"),
}
# What can be done about messages that failed for a reason.
REMEDIES: dict[int, Said] = {
    Reason.OTHER: say("Ask the carrier what its code means before a follow-up."),
    Reason.SYSTEM: say("Once the carrier has fixed it, create a follow-up."),
    Reason.EXPIRED: say("A follow-up some days later reaches many of them."),
    Reason.HANDSET: say("A follow-up reaches some of them. Use other channels for the rest."),
    Reason.BARRED: say("A follow-up does not help: these numbers block such messages. Use other channels."),
    Reason.OTHER_NETWORK: say("A follow-up here does not help: pass the numbers to their new carrier."),
    Reason.NO_SUCH_NUMBER: say(
        "A follow-up does not help: these numbers are not in use. Have them removed from the list."
    ),
    Reason.FILTERED: say("Have the carrier register the sender and the text, then create a follow-up."),
    Reason.WRONG_REQUEST: say("Tell your Loa administrator, then create a follow-up."),
}
RESULTS: dict[str, Said] = {
    ResultKind.ACCEPTED.name.lower(): say("sent: accepted by the carrier"),
    ResultKind.REJECTED.name.lower(): say("sent: permanently rejected by the carrier"),
    ResultKind.DEFERRED.name.lower(): say("sent: deferred by the carrier, to be retried"),
    ResultKind.HALTED.name.lower(): say("sent: the carrier rejects everything, and the link halts"),
    ResultKind.UNKNOWN.name.lower(): say("sent: no answer, so the outcome is unknown"),
    ResultKind.SETTLED.name.lower(): say("a receipt shows that the carrier had accepted it"),
}
RECEIPTS: dict[str, Said] = {
    ReceiptStatus.DELIVERED.value: say("receipt: delivered"),
    ReceiptStatus.UNDELIVERED.value: say("receipt: not delivered"),
    ReceiptStatus.EXPIRED.value: say("receipt: expired"),
    ReceiptStatus.IN_TRANSIT.value: say("receipt: on its way"),
    ReceiptStatus.UNKNOWN.value: say("receipt: the carrier does not know"),
}
STATE_CHANGES: dict[str, Said] = {
    StateEvent.LOST.name.lower(): say("the answer was lost: the outcome is unknown"),
    StateEvent.REQUEUED.name.lower(): say("queued again"),
    StateEvent.WRITTEN_OFF.name.lower(): say("written off: stays unknown"),
    StateEvent.PARTLY.name.lower(): say("some parts were rejected"),
    StateEvent.REFUSED.name.lower(): say("the resend was rejected"),  # in ledgers from before rounds
}
LEVELS: dict[str, Said] = {
    "none": say("no level"),
    "operator": say("carrier's centre"),
    "handset": say("handset"),
}
EVENTS: dict[str, dict[str, Said]] = {
    "submission": RESULTS,
    "receipt": RECEIPTS,
    "state_change": STATE_CHANGES,
}
