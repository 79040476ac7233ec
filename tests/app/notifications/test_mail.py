"""E-mail to a real SMTP server: what it says, what a refusal means, and no password in any word."""

from __future__ import annotations

import email
import email.policy
import socket
from dataclasses import replace
from email.header import decode_header
from pathlib import Path

import pytest

from app.core.config import MailSettings
from app.notifications import sender
from app.notifications.outbox import Later, Never, Notice, NotificationChannel, Sent
from tests.app.notifications.servers import smtp_server
from tests.certificates import self_signed, server_context
from tests.ports import refusing

NOTICE = Notice(
    "directive/1/due/3/email/a",
    "directive.due",
    NotificationChannel.EMAIL,
    "vp@sotuphap.example",
    {
        "subject": "Nhắc báo cáo\r\nBcc: other@x.example",
        "text": "Kính gửi: Sở Tư pháp\n\nĐến nay còn thiếu báo cáo.\n",
    },
)


def settings(port: int, **more: object) -> MailSettings:
    base = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "loa@congan.example",
        "timeout_s": 2,
    }
    return MailSettings.model_validate(base | more)


@pytest.mark.longer
def test_a_message_arrives_as_it_was_written() -> None:
    with smtp_server() as (post, port):
        assert sender.send(settings(port), NOTICE) == Sent()
    [envelope] = post.messages
    assert (envelope.mail_from, envelope.rcpt_tos) == ("loa@congan.example", ["vp@sotuphap.example"])
    assert isinstance(envelope.content, bytes)
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert message["Subject"] == "Nhắc báo cáo Bcc: other@x.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Bcc"] is None
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines()[0] == "Kính gửi: Sở Tư pháp"


@pytest.mark.parametrize(
    "number", ["303/CAT-PA05", "304/TEST", "1/UBND-VX", "x" * 60, "304, 305 và 306/TEST"]
)
def test_no_blank_of_a_subject_is_lost(number: str) -> None:
    subject = f"Nhắc báo cáo theo văn bản {number}, hạn 17:00 ngày 24/02/2024"
    raw = sender.compose(
        replace(NOTICE, payload=NOTICE.payload | {"subject": subject}), "loa@x.vn"
    ).as_bytes()
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject
    words = decode_header(email.message_from_bytes(raw)["Subject"])
    assert "".join(part.decode(kind or "ascii") for part, kind in words) == subject
    assert max(map(len, raw.split(b"\n"))) <= 78


@pytest.mark.longer
def test_what_the_server_says_is_told_without_numbers_and_with_the_id_of_its_journal() -> None:
    with smtp_server() as (post, port):
        post.data = "550 5.7.1 4f0143856475b77: 0912 345 678 is blocked " + "x" * 270 + " 0912345678"
        refused = sender.send(settings(port), NOTICE)
    assert isinstance(refused, Never)
    assert "550 5.7.1 4f0143856475b77: 8491*****78 is blocked" in refused.reason
    assert "0912" not in refused.reason


def test_a_copy_bears_the_same_message_id() -> None:
    first, again = sender.compose(NOTICE, "loa@x.example"), sender.compose(NOTICE, "loa@x.example")
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Message-ID"].endswith("@x.example>")


@pytest.mark.parametrize(
    ("where", "answer", "outcome"),
    [
        ("rcpt", "550 5.1.1 no such box 0912345678", Never),
        ("rcpt", "451 4.7.1 greylisted", Later),
        ("data", "554 5.7.1 looks like spam", Never),
        ("data", "452 4.3.1 disk full", Later),
    ],
)
def test_what_the_server_answers_decides(where: str, answer: str, outcome: type) -> None:
    with smtp_server() as (post, port):
        setattr(post, where, answer)
        found = sender.send(settings(port), NOTICE)
    assert isinstance(found, outcome)
    assert answer[:3] in str(found)
    assert "0912345678" not in str(found)


@pytest.mark.longer
def test_a_login_is_made_and_a_refused_one_is_tried_again_later() -> None:
    with smtp_server(auth=True) as (post, port):
        right = settings(port, username="loa", password="right")
        assert sender.send(right, NOTICE) == Sent()
        wrong = sender.send(settings(port, username="loa", password="hunter2"), NOTICE)
    assert set(post.logins) == {("loa", "right"), ("loa", "hunter2")}
    assert isinstance(wrong, Later)
    assert "The mail server 127.0.0.1 did not accept the message: the login was" in wrong.reason
    assert "hunter2" not in wrong.reason


@pytest.mark.longer
def test_a_server_without_encryption_gets_nothing_when_it_is_asked_for() -> None:
    with smtp_server() as (post, port):
        found = sender.send(settings(port, security="starttls"), NOTICE)
    assert isinstance(found, Later)
    assert "STARTTLS" in found.reason
    assert post.messages == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that vouches for itself, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.longer
def test_an_encrypted_server_must_be_vouched_for(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = server_context(certificate)
    with smtp_server(tls_context=context, require_starttls=True) as (post, port):
        strange = sender.send(settings(port, security="starttls"), NOTICE)
        assert isinstance(strange, Later)
        assert "the certificate is not trusted" in strange.reason
        assert post.messages == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        assert sender.send(settings(port, security="starttls"), NOTICE) == Sent()
    assert len(post.messages) == 1


@pytest.mark.longer
def test_a_server_that_is_away_or_silent_is_tried_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert isinstance(sender.send(settings(port, timeout_s=1), NOTICE), Later)
    with refusing() as port:
        assert isinstance(sender.send(settings(port), NOTICE), Later)


@pytest.mark.parametrize("target", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
def test_an_address_that_no_message_can_bear_is_given_up_and_stops_no_other(target: str) -> None:
    with smtp_server() as (post, port):
        found = sender.send(settings(port), replace(NOTICE, target=target))
        assert isinstance(found, Never)
        assert sender.send(settings(port), NOTICE) == Sent()
    assert [envelope.rcpt_tos for envelope in post.messages] == [["vp@sotuphap.example"]]
