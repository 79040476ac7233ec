"""Send notices from the outbox by SMTP or webhook; due times and leases make several senders safe."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

import structlog

from app.core import clock
from app.core.config import MailSettings, Settings
from app.database.connection import Database
from app.notifications import outbox, webhook
from app.notifications.outbox import DueNotice, Later, Never, Notice, NotificationChannel, Outcome, Sent
from app.observability.logs import mask_text
from carriers.causes import cause_of


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
    return message


def send(settings: MailSettings, notice: Notice) -> Outcome:
    """Send by SMTP; blocks for up to `timeout_s` per server response."""
    try:
        message = compose(notice, settings.sender)
    except (ValueError, IndexError, HeaderParseError):  # an address stored before addresses were checked
        return Never("No message can bear this address; correct it with `loa addressee set`.")
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
        return Later(f"The mail server {settings.host} did not take it: {_describe(error)}")
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
    sentence = f"The mail server answers {code} {_server_words(answer)}"
    return Never(sentence) if 500 <= code < 600 else Later(sentence)


def _describe(error: Exception) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"it refuses the login ({error.smtp_code})"
        case smtplib.SMTPResponseException():
            return f"it answers {error.smtp_code} {_server_words(error.smtp_error)}"
        case smtplib.SMTPException():
            return _server_words(str(error)) or "it gives no reason"
    return cause_of(error)


def _server_words(words: bytes | str) -> str:
    """Mask numbers in the server's words, which may contain anything, and shorten them."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return mask_text(text)[:300]


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sender of one process; owner: lease holder, different in every process."""

    db: Database
    settings: Settings
    owner: str
    waits: Sequence[float] = outbox.WAITS

    async def sweep(self) -> int:
        """Send due notices one after the other; return how many were tried."""
        tried = 0
        while due := await self.db.write_with_retry(outbox.take, self.owner):
            outcome = await self._send(due)
            if not isinstance(outcome, Sent):
                log.warning("notice not sent", id=due.id, kind=due.notice.kind, reason=outcome.reason)
            await self.db.write_with_retry(outbox.record_outcome, due, outcome, self.waits)
            tried += 1
        return tried

    async def _send(self, due: DueNotice) -> Outcome:
        notice, settings = due.notice, self.settings
        if notice.channel is NotificationChannel.EMAIL:
            if settings.mail is None:
                return Later("There is no mail server in the settings.")
            return await asyncio.to_thread(send, settings.mail, notice)
        endpoint = settings.endpoints.get(notice.target)
        if endpoint is None:
            return Never(f"There is no endpoint {notice.target} in the settings any more.")
        return await webhook.post(endpoint, notice, private=settings.private_endpoints)
