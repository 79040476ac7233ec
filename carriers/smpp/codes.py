"""What each command_status means, each with its source."""

from __future__ import annotations

from carriers.contract import Deferred, Halted, Reason, Rejected

THROTTLED_WAIT_S = 0.1  # minimum: the send loop waits longer if much is refused
TROUBLE_WAIT_S = 5.0

Refusal = Rejected | Deferred | Halted


def code(status: int) -> str:
    """Format a status: 0x0B, 0x450."""
    return f"0x{status:02X}"


def _rejected(reason: Reason, *statuses: int) -> dict[int, Refusal]:
    return {status: Rejected(code(status), reason) for status in statuses}


# Source "3.4": SMPP v3.4 issue 1.2, table 5-2. Source "V4": a Vietnamese aggregator whose gateway is public.
REFUSALS: dict[int, Refusal] = {
    # 3.4: invalid message length, command length, command id, priority, registered_delivery, message id.
    **_rejected(Reason.WRONG_REQUEST, 0x01, 0x02, 0x03, 0x06, 0x07, 0x0C),
    # 3.4: incorrect bind status: the message centre has lost our bind.
    0x04: Deferred(code(0x04), TROUBLE_WAIT_S, counts=True),
    # 3.4 and V4: system error; retried a few times.
    0x08: Deferred(code(0x08), TROUBLE_WAIT_S, counts=True),
    # V4: sender ID not registered; network not enabled for the sender ID.
    **_rejected(Reason.FILTERED, 0x0A, 0x66),
    # V4: bad number.
    **_rejected(Reason.NO_SUCH_NUMBER, 0x0B),
    # 3.4 and V4: bind failed, which may also mean one bind too many and passes; never answers a submit.
    0x0D: Deferred(code(0x0D), TROUBLE_WAIT_S),
    # 3.4 and V4: wrong password, unknown or locked system_id.
    0x0E: Halted(code(0x0E), "the carrier rejects the password"),
    0x0F: Halted(code(0x0F), "the carrier does not know the system_id or has locked it"),
    # 3.4: message queue full; throttled. Neither counts against the message.
    0x14: Deferred(code(0x14), THROTTLED_WAIT_S, throttled=True),
    0x58: Deferred(code(0x58), THROTTLED_WAIT_S, throttled=True),
    # 3.4: service_type, esm_class, ton and npi of both addresses, schedule, validity.
    **_rejected(Reason.WRONG_REQUEST, 0x15, 0x43, 0x48, 0x49, 0x50, 0x51, 0x61, 0x62),
    # V4: empty text.
    **_rejected(Reason.WRONG_REQUEST, 0x63),
    # 3.4: temporary application error; retried a few times.
    0x64: Deferred(code(0x64), TROUBLE_WAIT_S, counts=True),
    # V4: data_coding 8 (UCS-2) or 4 on a link without it.
    **_rejected(Reason.WRONG_REQUEST, 0x65),
    # 3.4: optional parameters. V4: 0xC3 is a UDH that was announced but not sent.
    **_rejected(Reason.WRONG_REQUEST, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4),
}

# Bind refusals that last until a person acts; any other refusal may pass.
BIND_HALTS: dict[int, Halted] = {
    status: refusal for status, refusal in REFUSALS.items() if isinstance(refusal, Halted)
}


def refusal(status: int) -> Refusal:
    """Return what a status other than ESME_ROK says about a submit_sm; an unknown code is kept exactly."""
    return REFUSALS.get(status) or Rejected(code(status), Reason.OTHER)
