"""The contract for messages that subscribers send to us (MO)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from carriers.contract import Acknowledge


class MessagePart(NamedTuple):
    """The position of one part in a long message; parts of one message share sender and `reference`."""

    reference: int
    number: int  # from 1
    total: int


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a subscriber (MO), or one part of a long one.

    source, destination: the addresses as received; text: decoded by `data_coding`, "" if that is not text;
    octets: the payload without its header; is_exact: `text` represents `octets` but for zeros at their end.
    """

    source: str
    destination: str
    text: str
    data_coding: int
    octets: bytes
    is_exact: bool = True
    part: MessagePart | None = None


InboundSink = Callable[[InboundMessage, Acknowledge], None]


@runtime_checkable
class InboundMessages(Protocol):
    """A link that delivers messages sent to us; acknowledged only after the commit, never without a sink."""

    def messages_to(self, sink: InboundSink) -> None: ...
