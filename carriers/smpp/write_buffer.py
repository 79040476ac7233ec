"""Track written PDUs that have not left this process because the peer reads nothing."""

from __future__ import annotations

import asyncio
import socket
import struct

from carriers.smpp.pdu import HEADER, SUBMIT_SM

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: discard what the kernel holds, and send RST
_LATER_S = 2.0  # the bind must time out first, since it knows what has not left


class WriteBuffer:
    """Writes PDUs and remembers those that may still be in the transport's buffer.

    What is there when the connection is dropped was never sent; what the system has taken is unknown.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._recent: list[bytes] = []

    def write(self, pdus: list[bytes]) -> None:
        """Write all of them at once; takes ownership of the list."""
        if self._transport.get_write_buffer_size() == 0:
            self._recent = pdus
        else:
            self._recent += pdus
        self._transport.write(b"".join(pdus))

    def left(self) -> set[int]:
        """Return the sequence numbers of submits of which the system has not taken a byte.

        Empty for TLS, whose transport counts encrypted bytes.
        """
        room = self._transport.get_write_buffer_size()
        if not room or self._transport.get_extra_info("ssl_object") is not None:
            return set()
        unsent = set()
        for pdu in reversed(self._recent):
            room -= len(pdu)
            if room < 0:
                break
            _, command, _, sequence = HEADER.unpack_from(pdu)
            if command == SUBMIT_SM:
                unsent.add(sequence)
        return unsent

    def leave(self, patience_s: float) -> set[int]:
        """Close the connection; return the submits that were never sent and now never will be."""
        unsent = self.left()
        if unsent:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()
            # close() waits until the rest is sent; a stalled peer would keep the socket for ever.
            asyncio.get_running_loop().call_later(patience_s, self._transport.abort)
        return unsent


def prepare_socket(transport: asyncio.Transport, seconds: float) -> None:
    """Have Linux discard unacknowledged data soon after the answer timeout.

    Otherwise it would retry for minutes after the bind was given up, and deliver messages that a person may
    have sent again meanwhile. Also write no more than the system takes: a bind stops at the first byte that
    waits.
    """
    sock, option = transport.get_extra_info("socket"), getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, max(1000, round(1000 * (seconds + _LATER_S))))
    if sock is not None and transport.get_extra_info("ssl_object") is None:
        transport.set_write_buffer_limits(high=0)
