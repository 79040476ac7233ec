"""Client address, honouring X-Forwarded-For of trusted proxies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]


def peer_of(connected: str, forwarded: str, trusted: Networks) -> str:
    """Return the client's address. forwarded: all X-Forwarded-For headers, joined by commas.

    Each proxy appends the address it was called from, so the rightmost hop that is no trusted proxy is the
    client; anything left of it may be forged. Return "" if a trusted proxy gives no address.
    """
    if not trusted or not among(connected, trusted):
        return _plain(connected)
    hops = [hop.strip() for hop in forwarded.split(",")]
    return next((_plain(hop) for hop in reversed(hops) if not among(hop, trusted)), "")


def among(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(_plain(address))
    except ValueError:
        return False
    return any(found in network for network in networks)


# Forms that some proxies write: 203.0.113.7:51234, [2001:db8::7]:51234, [2001:db8::7].
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


@lru_cache(maxsize=1024)  # callers come again
def _plain(address: str) -> str:
    """Remove a port, and unwrap an IPv4 address mapped into IPv6; leave anything else as it is."""
    found = _WITH_PORT.fullmatch(address)
    address = (found[1] or found[2]) if found else address
    if not address.lower().startswith("::ffff:"):
        return address
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return str(mapped or address)
