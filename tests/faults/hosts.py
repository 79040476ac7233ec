"""Hosts of their own on one machine: network namespaces on a bridge, each behind a cable that can be cut."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.processes import Home, Program

# Nobody else is on such a network.
WHY = "a bridge of this test, on one machine"
PRIVATE = f'[private_lines]\napi = "{WHY}"\ndatabase = "{WHY}"\n'
_NONE = "Network namespaces (`ip netns add`, as root) can't be had here, so no hosts can be set apart"


@dataclass(slots=True)
class Host:
    """One host: what is started on it reaches others by its cable alone."""

    space: str
    cable: str  # the bridge's end
    address: str
    programs: list[Program] = field(default_factory=list)

    def start(self, home: Home, *arguments: str) -> Program:
        """Start `loa ARGUMENTS` on it."""
        self.programs.append(home.start(*arguments, within=("ip", "netns", "exec", self.space)))
        return self.programs[-1]

    def cut(self) -> None:
        """Pull the cable: nobody is told, and what is under way waits or is lost."""
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self.cable, "up")

    async def lose_power(self) -> None:
        """Its processes are gone, and no word of theirs reaches anybody."""
        self.cut()
        for program in self.programs:
            await program.kill()


@dataclass(slots=True)
class Network:
    """A bridge, on which the test itself answers at `address`, and the hosts on it."""

    mark: str
    prefix: str
    hosts: list[Host] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.prefix}.1"

    @property
    def bridge(self) -> str:
        return f"loa{self.mark}"

    def add(self) -> Host:
        """One more host, on the bridge."""
        number = len(self.hosts) + 2
        host = Host(f"loa-{self.mark}-{number}", f"l{self.mark}-{number}", f"{self.prefix}.{number}")
        _ip("netns", "add", host.space)
        self.hosts.append(host)
        _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.space)
        _ip("link", "set", host.cable, "master", self.bridge, "up")
        _ip("-n", host.space, "address", "add", f"{host.address}/24", "dev", "eth0")
        for name in ("lo", "eth0"):
            _ip("-n", host.space, "link", "set", name, "up")
        return host

    def remove(self) -> None:
        """Everything of it; what still runs in a namespace must have been ended."""
        for host in self.hosts:
            _ip("netns", "delete", host.space)
        _ip("link", "delete", self.bridge)


@contextmanager
def own_network(prefix: str = "") -> Iterator[Network]:
    """A network without hosts so far, removed afterwards; skips where this machine allows none.

    prefix: the first three bytes of its addresses, where a file names them.
    """
    # 198.18.0.0/15 is for tests of networks (RFC 2544): no host of the world has these addresses.
    network = Network(
        secrets.token_hex(3), prefix or f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
    )
    if os.geteuid() != 0 or shutil.which("ip") is None or not _allowed(network):
        pytest.skip(_NONE)
    try:
        _ip("address", "add", f"{network.address}/24", "dev", network.bridge)
        _ip("link", "set", network.bridge, "up")
        yield network
    finally:
        network.remove()


def _allowed(network: Network) -> bool:
    """Whether a namespace and a bridge can be made; the bridge is left."""
    probe = f"loa-{network.mark}-probe"
    if _tried("netns", "add", probe).returncode:
        return False
    _ip("netns", "delete", probe)
    return not _tried("link", "add", network.bridge, "type", "bridge").returncode


def _tried(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30)


def _ip(*arguments: str) -> None:
    done = _tried(*arguments)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
