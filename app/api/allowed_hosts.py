"""Allowed Host headers; a request for any other host gets 421."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.rate_limit import Refuse
from app.core.errors import AppError

# Only callers on the machine itself can use these names: health checks and a local proxy.
_HERE = ("localhost", "127.0.0.1", "[::1]")


class WrongHost(AppError):
    """The name in the address is none of Loa's (`public_hosts`): use the one that you were given."""

    status, slug, title = 421, "wrong-host", "This is not the name of this service"


class Hosts:
    """Refuse foreign hosts, so that no other name shares our pages and cookies. names: without ports."""

    def __init__(self, app: ASGIApp, names: Collection[str], refuse: Refuse) -> None:
        self.app = app
        self.names = {*_HERE, *(_bracketed(name.lower()) for name in names)}
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_ours(Headers(scope=scope).getlist("host")):
            await self.app(scope, receive, send)
            return
        error = WrongHost("Loa is not asked for by this name; the setting public_hosts has its names.")
        await self.refuse(Request(scope), error)(scope, receive, send)

    def _is_ours(self, said: Collection[str]) -> bool:
        return len(said) == 1 and {_without_port(each) for each in said} <= self.names


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return (name if colon and port.isdigit() else host.lower()).removesuffix(".")


def _bracketed(name: str) -> str:
    """Write an IPv6 address as in a Host header."""
    return f"[{name}]" if ":" in name else name
