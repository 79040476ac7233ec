"""Where a webhook may go: the host is looked up once, and only an address of the open Internet is taken."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
# Ways to write an IPv4 address, or an inner one, that Python's is_global does not know in all its versions.
_ODD = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")))


class AddressRefused(Exception):
    """The host leads to an address that is not open to endpoints; the message says which."""


async def resolve(host: str, port: int, *, private: bool) -> str:
    """An address of the host, to which the connection must go: looked up again, it might be another.

    Refused for private, loopback and other inner addresses unless `private`; OSError where it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not (private or is_open(ip_address(address))):
            raise AddressRefused(
                f"{host} leads to {address}, an inner address; set private_endpoints if it is your own."
            )
    return addresses[0]


def is_open(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is an address of the open Internet; one within another counts as the inner one."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if within is not None:
            return is_open(within)
        if address.teredo is not None or any(address in network for network in _ODD):
            return False
    return address.is_global and not address.is_multicast
