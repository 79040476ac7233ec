"""What was written on a connection and has not left this process yet, since the peer reads nothing."""

from __future__ import annotations

import asyncio
import socket
import struct

from carriers.smpp.pdu import HEADER, SUBMIT_SM

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what the kernel holds is thrown away, and the peer told so

_LATER_S = 2.0  # the bind notices first, and knows what has not left


class WriteBuffer:
    """Writes PDUs, and remembers those that may still lie in the transport's own buffer.

    What lies there when the connection is dropped was never sent; of what the system has taken nobody knows.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lately: list[bytes] = []

    def write(self, pdus: list[bytes]) -> None:
        """Write all of them at once; the list belongs to this object afterwards."""
        if self._transport.get_write_buffer_size() == 0:
            self._lately = pdus
        else:
            self._lately += pdus
        self._transport.write(b"".join(pdus))

    def left(self) -> set[int]:
        """The sequence numbers of submits of which the system has not taken a byte.

        A transport of TLS says how much it holds only after it was packed: of it nobody knows.
        """
        room = self._transport.get_write_buffer_size()
        if not room or self._transport.get_extra_info("ssl_object") is not None:
            return set()
        found = set()
        for each in reversed(self._lately):
            room -= len(each)
            if room < 0:
                break
            _, command, _, sequence = HEADER.unpack_from(each)
            if command == SUBMIT_SM:
                found.add(sequence)
        return found

    def leave(self, patience_s: float) -> set[int]:
        """End the connection; the submits that were never sent, and will not be when the peer reads again."""
        unsent = self.left()
        if unsent:
            line = self._transport.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()
            # close() waits until the rest is read; a stalled peer would keep the socket for ever.
            asyncio.get_running_loop().call_later(patience_s, self._transport.abort)
        return unsent


def prepare_socket(transport: asyncio.Transport, seconds: float) -> None:
    """What the network does not take soon after the patience for an answer is thrown away, by Linux itself.

    Else it would try for minutes after the bind was given up, and bring messages that a person may have sent
    again meanwhile. And no more is written than the system takes: a bind stops at the first byte that waits.
    """
    line, option = transport.get_extra_info("socket"), getattr(socket, "TCP_USER_TIMEOUT", None)
    if line is not None and option is not None:
        line.setsockopt(socket.IPPROTO_TCP, option, max(1000, round(1000 * (seconds + _LATER_S))))
    if line is not None and transport.get_extra_info("ssl_object") is None:
        transport.set_write_buffer_limits(high=0)
