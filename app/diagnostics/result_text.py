"""Describe results and receipts in sentences that claim no more than is known."""

from __future__ import annotations

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Partial,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)


def answered(result: SubmitResult) -> str:
    match result:
        case Accepted(refs):
            return f"The carrier accepted the message{_named(refs)}. That is not yet delivery."
        case Partial(refs, refused, code, reason):
            parts = ", ".join(str(part + 1) for part in refused)
            words = reason.name.lower().replace("_", " ")
            return f"The carrier took the message{_named(refs)} without its parts {parts} ({code}: {words})."
        case Rejected(code, reason, network):
            words = reason.name.lower().replace("_", " ")
            served = f"; it says that {network} serves the number" if network else ""
            return f"The carrier refused the message for good ({code}: {words}){served}."
        case Deferred(code):
            return f"Not taken ({code}): it may be sent later."
        case Halted(code, reason):
            return f"Not taken ({code}): {reason.rstrip('.')}. Somebody must act before anything goes out."
        case Unknown(reason, refs):
            lost = reason.rstrip(".")
            return f"Perhaps taken{_named(refs)}: {lost}. Look at the telephone before you send another."


def _named(refs: tuple[str | None, ...]) -> str:
    named = [ref for ref in refs if ref is not None]
    return f" (reference {', '.join(named)})" if named else ""


def became(receipt: Receipt) -> str:
    """Describe what the carrier reports of the message, or of one part of it."""
    code = f" ({receipt.code})" if receipt.code else ""
    match receipt.status:
        case ReceiptStatus.DELIVERED if receipt.level is ReceiptLevel.HANDSET:
            return f"Delivered to the telephone{code}."
        case ReceiptStatus.DELIVERED:
            return f"Handed to the operator's centre{code}; whether the telephone has it, nobody says."
        case ReceiptStatus.UNDELIVERED:
            return f"Not delivered{code}: {receipt.reason.name.lower().replace('_', ' ')}."
        case ReceiptStatus.EXPIRED:
            return f"Not delivered in time{code}."
        case ReceiptStatus.IN_TRANSIT:
            return f"On its way{code}; nothing final."
        case ReceiptStatus.UNKNOWN:
            return f"The carrier does not say what became of it{code}."
