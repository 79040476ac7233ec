"""Whatever Loa connects to: nothing older than TLS 1.2 is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.core.config import EndpointSettings, MailSettings
from app.notifications import sender
from app.notifications.outbox import Later
from tests.app.notifications.test_mail import NOTICE as LETTER
from tests.app.notifications.test_webhook import NOTICE as EVENT
from tests.app.notifications.test_webhook import SECRET
from tests.carriers.http.peer import letters
from tests.carriers.http.peer import link as http_link
from tests.carriers.smpp.peer import Link as SmppLink
from tests.certificates import self_signed, server_context

OLD, NEW = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2


@dataclass
class Server:
    """A TLS server of one version; how each handshake ended, by the reason of its failure or its version."""

    port: int = 0
    ends: asyncio.Queue[str] = field(default_factory=asyncio.Queue)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody vouches for."""
    return self_signed(tmp_path_factory.mktemp("tls"), with_rsa=True)


def only(version: ssl.TLSVersion, certificate: Path) -> ssl.SSLContext:
    """A server's side that speaks this version and no other."""
    context = server_context(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is what is tested
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[Server]:
    """The server; each connection is ended once its handshake is."""
    found = Server()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(context, ssl_handshake_timeout=5)
            found.ends.put_nowait(str(writer.get_extra_info("ssl_object").version()))
        except ssl.SSLError as error:
            found.ends.put_nowait(str(error.reason))
        except ConnectionError as error:
            found.ends.put_nowait(type(error).__name__)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


async def by_http(port: int) -> None:
    async with http_link(f"https://127.0.0.1:{port}") as carrier:
        await carrier.submit(letters(1))


async def by_smpp(port: int) -> None:
    async with SmppLink(port, tls=True):
        await asyncio.sleep(0.5)


async def by_webhook(port: int) -> None:
    endpoint = EndpointSettings(url=f"https://127.0.0.1:{port}/", secret=SECRET)
    await sender.post(endpoint, EVENT, private=True)


async def by_mail(port: int) -> None:
    base = {"host": "127.0.0.1", "port": port, "security": "tls", "sender": "loa@x.example", "timeout_s": 5}
    await asyncio.to_thread(sender.send, MailSettings.model_validate(base), LETTER)


async def lax(port: int) -> None:
    """Not Loa: what takes any version, so that the server is known to speak the old one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = OLD
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.close()


Client = Callable[[int], Awaitable[None]]
each_client = pytest.mark.parametrize("client", [by_http, by_smpp, by_webhook, by_mail])


async def handshake(client: Client, version: ssl.TLSVersion, certificate: Path) -> str:
    """How the handshake of this client with a server of this version ended."""
    async with serving(only(version, certificate)) as server:
        calling = asyncio.ensure_future(client(server.port))
        try:
            return await asyncio.wait_for(server.ends.get(), 10)
        finally:
            await asyncio.gather(calling, return_exceptions=True)


@pytest.mark.longer
@each_client
async def test_nothing_older_than_tls_1_2_is_spoken(client: Client, certificate: Path) -> None:
    assert await handshake(client, OLD, certificate) == "UNSUPPORTED_PROTOCOL"


@each_client
async def test_tls_1_2_is_spoken(client: Client, certificate: Path) -> None:
    # Nobody vouches for the certificate, so the client leaves: how, the server hears or not.
    assert await handshake(client, NEW, certificate) != "UNSUPPORTED_PROTOCOL"


@pytest.mark.longer
async def test_an_endpoint_whose_certificate_nobody_vouches_for_is_told_nothing(certificate: Path) -> None:
    async with serving(only(NEW, certificate)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        outcome = await sender.post(EndpointSettings(url=url, secret=SECRET), EVENT, private=True)
    assert isinstance(outcome, Later)
    assert "the certificate is not trusted" in outcome.reason


@pytest.mark.longer
async def test_the_old_server_is_spoken_to_by_who_wants_to(certificate: Path) -> None:
    assert await handshake(lax, OLD, certificate) == "TLSv1.1"
