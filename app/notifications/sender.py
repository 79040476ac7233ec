"""Send notices from the outbox by SMTP or webhook, in one process at a time."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from app.core import clock
from app.core.config import EndpointSettings, MailSettings, Settings
from app.database.connection import Database
from app.database.jobs import Hold
from app.notifications import outbox
from app.notifications.outbox import DueNotice, Later, Never, Notice, NotificationChannel, Outcome, Sent
from app.observability.faults import described
from app.observability.logs import mask_text
from carriers.causes import cause_of
from carriers.phrases import Phrase

_NAT64 = IPv6Network("64:ff9b::/96")
# Notations of IPv4, internal and special addresses that is_global misses in some Python versions (RFC 6890,
# RFC 7526), and two where clouds tell a machine its secrets.
_NEWER = ("3fff::/20", "5f00::/16")  # documentation and SIDs of segment routing, unknown to older Pythons
_ODD = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10", *_NEWER)))
_ODD_4 = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "100.100.100.200/32")))


class AddressRefused(Exception):
    """The host resolves to an address that endpoints may not have; the message says which."""


async def resolve(host: str, port: int, *, private: bool) -> str:
    """Resolve the host to the address to connect to; resolving it again could give another one.

    Raises AddressRefused for internal addresses unless `private`, OSError if there is no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not (private or is_open(ip_address(address))):
            raise AddressRefused(
                Phrase(
                    "{host} resolves to {address}, an internal address. If it is your own, set "
                    "private_endpoints.",
                    host=host,
                    address=address,
                )
            )
    return addresses[0]


def is_open(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is public; an IPv4 address embedded in IPv6 is judged itself."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if within is not None:
            return is_open(within)
        if address.teredo is not None or any(address in network for network in _ODD):
            return False
    elif any(address in network for network in _ODD_4):
        return False
    return address.is_global and not address.is_multicast


TIMEOUT_S = 15.0
_MOST_AFTER_S = 86_400.0


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature `v1,...` of id, time (s since 1970) and body; secret: whsec_ and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def message_id(notice: Notice) -> str:
    """Return an id that stays the same for every attempt, so that receivers recognize repetitions."""
    return f"msg_{hashlib.sha256(notice.key.encode()).hexdigest()[:32]}"


def body_of(notice: Notice) -> bytes:
    """Return the bytes to sign and send: type, timestamp and data."""
    return json.dumps(notice.payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


async def post(endpoint: EndpointSettings, notice: Notice, *, private: bool) -> Outcome:
    """Try once. 200 to 299 is accepted, 410 is refused for good, anything else is retried."""
    try:
        answer = await _answer(endpoint, notice, private)
    except AddressRefused as error:  # for us to correct, so it is tried again
        return Later(str(error))
    except (httpx.HTTPError, OSError) as error:
        return Later(Phrase("The endpoint did not answer: {why}", why=cause_of(error)))
    if answer.is_success:
        return Sent()
    sentence = Phrase("The endpoint answered with status {status}.", status=answer.status_code)
    return Never(sentence) if answer.status_code == 410 else Later(sentence, _retry_after(answer))


async def _answer(endpoint: EndpointSettings, notice: Notice, private: bool) -> httpx.Response:
    parts, body = urlsplit(endpoint.url), body_of(notice)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = await resolve(host, port, private=private)
    url = httpx.URL(endpoint.url).copy_with(host=address)
    headers = _headers(endpoint, notice, body) | {"Host": parts.netloc}
    # The certificate is checked against the host name although the connection uses the pinned address.
    extensions: dict[str, Any] = {"sni_hostname": host}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client,
        client.stream("POST", url, content=body, headers=headers, extensions=extensions) as answer,
    ):
        return answer  # only the status counts; the body may be endless and is not read


def _headers(endpoint: EndpointSettings, notice: Notice, body: bytes) -> dict[str, str]:
    own_id, now = message_id(notice), clock.now_ms() // 1000
    return {
        "Content-Type": "application/json",
        "User-Agent": "Loa",
        "webhook-id": own_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(endpoint.secret.get_secret_value(), own_id, now, body),
    }


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds that the endpoint asks to wait, at most a day; 0 if it does not."""
    said = answer.headers.get("Retry-After", "")
    return min(float(said), _MOST_AFTER_S) if said.isascii() and said.isdigit() else 0.0


def compose(notice: Notice, sender: str) -> EmailMessage:
    """Build the message, with a Message-ID from the key by which a copy sent after a crash is recognized."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = notice.target
    subject = " ".join(str(notice.payload["subject"]).split())
    # Encoded as one: EmailMessage encodes word by word, and loses blanks between two encoded words.
    message.set_raw("Subject", Header(subject, "utf-8", header_name="Subject").encode())
    message["Date"] = format_datetime(clock.local(clock.now()))
    digest = hashlib.sha256(notice.key.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(str(notice.payload["text"]))
    for name, text in notice.payload.get("files", {}).items():
        message.add_attachment(text.encode(), maintype="application", subtype="json", filename=name)
    return message


def send(settings: MailSettings, notice: Notice) -> Outcome:
    """Send by SMTP; blocks for up to `timeout_s` per server response."""
    try:
        message = compose(notice, settings.sender)
    except (ValueError, IndexError, HeaderParseError):  # an address stored before addresses were checked
        return Never("This e-mail address is not valid. Correct it with `loa addressee set`.")
    try:
        with _connected(settings) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        return _refused(code, answer)
    except smtplib.SMTPDataError as error:
        return _refused(error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        # A wrong password or sender is for us to correct, so it is tried again.
        return Later(
            Phrase(
                "The mail server {host} did not accept the message: {why}",
                host=settings.host,
                why=_describe(error),
            )
        )
    return Sent()


def _connected(settings: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if settings.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=settings.timeout_s, context=context
        )
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        if settings.security == "starttls":
            server.starttls(context=context)
        if settings.username is not None and settings.password is not None:
            server.login(settings.username, settings.password.get_secret_value())
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def _refused(code: int, answer: bytes | str) -> Outcome:
    sentence = Phrase("The mail server answered {code} {words}", code=code, words=_server_words(answer))
    return Never(sentence) if 500 <= code < 600 else Later(sentence)


def _describe(error: Exception) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return Phrase("the login was refused ({code})", code=error.smtp_code)
        case smtplib.SMTPResponseException():
            return Phrase(
                "the server answered {code} {said}",
                code=error.smtp_code,
                said=_server_words(error.smtp_error),
            )
        case smtplib.SMTPException():
            return _server_words(str(error)) or "no reason given"
    return cause_of(error)


def _server_words(words: bytes | str) -> str:
    """Mask numbers in the server's words, which may contain anything, and shorten them."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return mask_text(text)[:300]


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sender of one process, which sends while it holds the job."""

    db: Database
    settings: Settings
    hold: Hold
    waits: Sequence[float] = outbox.WAITS

    async def sweep(self) -> int:
        """Send due notices one after the other; return how many were tried."""
        tried = 0
        while await self.hold.hold() and (due := await self.db.write_with_retry(outbox.next_due)):
            outcome = await self.hold.during(self._outcome(due))
            if not isinstance(outcome, Sent):
                log.warning("notice not sent", id=due.id, kind=due.notice.kind, reason=outcome.reason)
            await self.db.write_with_retry(outbox.record_outcome, due, outcome, self.waits)
            tried += 1
        return tried

    async def _outcome(self, due: DueNotice) -> Outcome:
        """Try once; what goes wrong unforeseen with one notice holds up none of the others."""
        (outcome,) = await asyncio.gather(self._send(due), return_exceptions=True)
        if not isinstance(outcome, BaseException):
            return outcome
        if not isinstance(outcome, Exception):
            raise outcome
        log.error("fault", source="notices", subject=f"notice {due.id}", exc_info=outcome)
        return Later(Phrase("An unexpected error ({why}). Please report this bug.", why=described(outcome)))

    async def _send(self, pending: DueNotice) -> Outcome:
        notice, settings = pending.notice, self.settings
        if notice.channel is NotificationChannel.EMAIL:
            if settings.mail is None:
                return Later("No mail server is configured.")
            return await asyncio.to_thread(send, settings.mail, notice)
        endpoint = settings.endpoints.get(notice.target)
        if endpoint is None:
            return Never(Phrase("Endpoint {name} is no longer in the settings.", name=notice.target))
        return await post(endpoint, notice, private=settings.private_endpoints)
