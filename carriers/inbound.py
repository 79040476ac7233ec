"""The contract's part on what is sent to us (MO): what a link brings, and to whom it gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from carriers.contract import Acknowledge


class MessagePart(NamedTuple):
    """The place of one part in a long message: parts of one message share sender and `reference`."""

    reference: int
    number: int  # from 1
    total: int


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What somebody sent to us over a link (MO), one part of it where it is long.

    source, destination: the addresses as they came; text: read by `data_coding`, "" where that says that it
    is no text; octets: what was sent, without its header; is_exact: `text` says all that `octets` say.
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
    """A link that brings what is sent to us: acknowledged only after the commit, never without a sink."""

    def messages_to(self, sink: InboundSink) -> None: ...
