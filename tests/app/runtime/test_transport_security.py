"""Plain connections: each that leaves the machine is named, and production starts with none unexplained."""

from __future__ import annotations

import re
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.cli.serve_command import up
from app.core.config import Settings
from app.core.errors import SetupError
from app.database.connection import Database
from app.diagnostics.doctor import connections
from app.runtime.api_app import create_app
from app.runtime.transport_security import exposed, faults, plain, server_tls
from tests.app.api.served import served
from tests.certificates import self_signed
from tests.engines import sqlite_alone

database_url = sqlite_alone

WHY = "A leased line of the carrier, by contract."
SECRET = "whsec_" + "A" * 32
SMPP = {"carrier": "vnpt", "segments_per_second": 1, "port": 2775, "system_id": "loa", "password": "x"}
HTTP = {"carrier": "mobifone", "kind": "mobifone", "segments_per_second": 1, "user": "loa", "password": "x"}
MAIL = {"sender": "loa@office.example", "security": "none"}
PROXIED = {"behind_tls": True, "trusted_proxies": ["10.0.0.1"]}
AWAY: list[tuple[str, dict[str, Any]]] = [
    ("links.a.private_line", {"links": {"a": {**SMPP, "host": "10.0.0.11"}}}),
    ("links.a.private_line", {"links": {"a": {**HTTP, "base_url": "http://10.0.0.12/api"}}}),
    ("endpoints.a.private_line", {"endpoints": {"a": {"url": "http://10.0.0.13/", "secret": SECRET}}}),
    ("mail.private_line", {"mail": {**MAIL, "host": "mail.office.example"}}),
    ("private_lines.logs", {"log_to": "tcp://10.0.0.14:601"}),
    ("private_lines.database", {"database_url": "postgresql://loa@db.example/loa"}),
    ("private_lines.database", {"database_url": "postgresql://loa@db.example/loa?sslmode=require"}),
    ("private_lines.database", {"database_url": "postgresql:///loa?host=127.0.0.1,10.0.0.15"}),
    ("private_lines.database", {"database_url": "postgresql://loa@[::ffff:10.0.0.5]/loa"}),
    ("private_lines.database", {"database_url": "postgresql://loa@localhost/loa?hostaddr=10.0.0.5"}),
    ("private_lines.database", {"database_url": "postgresql:///loa?service=office"}),
    ("private_lines.database", {"database_url": "postgresql:///loa?host=127.0.0.1:1&host=10.0.0.15:2"}),
    ("private_lines.database", {"migration_database_url": "postgresql://loa@10.0.0.16/loa"}),
    ("private_lines.api", {"host": "0.0.0.0", **PROXIED}),
    ("private_lines.api", {"host": "::", **PROXIED}),
]
NEAR: list[dict[str, Any]] = [
    {},
    {"links": {"a": {**SMPP, "host": "127.0.0.1"}}},
    {"links": {"a": {**SMPP, "host": "10.0.0.11", "tls": True}}},
    {"links": {"a": {**HTTP, "base_url": "http://localhost:8080"}}},
    {"links": {"a": {**HTTP, "base_url": "https://10.0.0.12/api"}}},
    {"endpoints": {"a": {"url": "http://[::1]:8080/", "secret": SECRET}}},
    {"mail": {**MAIL, "host": "localhost"}},
    {"mail": {**MAIL, "host": "mail.office.example", "security": "starttls"}},
    {"log_to": "tcp://127.0.0.1:601"},
    {"log_to": "tls://logs.example:6514"},
    {"database_url": "postgresql://loa@db.example/loa?sslmode=verify-full"},
    {"database_url": "postgresql://loa@[::1]:5432/loa"},
    {"database_url": "postgresql:///loa?host=/run/postgresql"},
    {"database_url": "postgresql:///loa?host=127.0.0.1:1&host=localhost:2"},
    {"database_url": "postgresql://loa@tunnel.example/loa?hostaddr=127.0.0.1"},
    {"database_url": "postgresql:///loa?service=office&sslmode=verify-full"},
    {"database_url": "postgresql:///loa"},
    {"metrics_port": 9100, "host": "127.0.0.1"},
]


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("setting", "given"), AWAY)
def test_a_plain_line_that_leaves_the_machine_is_named_with_both_ways_out(
    setting: str, given: dict[str, Any]
) -> None:
    (fault,) = faults(Settings(**given))
    assert "is not protected by TLS" in fault
    assert f"explain in {setting} why" in fault
    trials = faults(Settings(environment="development", **given))
    assert [each for each in trials if "TLS" in each] == []


@pytest.mark.parametrize(("setting", "given"), AWAY)
def test_with_a_reason_in_words_it_may_be_plain_and_the_doctor_repeats_them(
    setting: str, given: dict[str, Any]
) -> None:
    first, _, rest = setting.partition(".")
    if first == "private_lines":
        explained = given | {"private_lines": {rest: WHY}}
    elif first == "mail":
        explained = {"mail": given["mail"] | {"private_line": WHY}}
    else:
        explained = {first: {"a": given[first]["a"] | {"private_line": WHY}}}
    assert list(faults(Settings(**explained))) == []
    assert [line.why for line in plain(Settings(**explained))] == [WHY]


@pytest.mark.parametrize("given", NEAR)
def test_what_stays_here_and_what_is_encrypted_is_not_plain(given: dict[str, Any]) -> None:
    assert list(plain(Settings(**given))) == []


@pytest.mark.parametrize(
    ("variables", "away"),
    [
        ({"PGHOST": "db.example"}, "on db.example ("),
        ({"PGHOST": "/run/postgresql", "PGHOSTADDR": "10.0.0.5"}, "on 10.0.0.5 ("),
        ({"PGSERVICE": "office", "PGSSLMODE": "verify-full"}, "on the service office ("),
        ({"PGHOST": "db.example", "PGSSLMODE": "verify-full"}, None),
        ({"PGHOST": "db.example", "PGHOSTADDR": "127.0.0.1"}, None),
    ],
)
def test_variables_say_where_the_database_is_as_the_address_does(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], away: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = list(faults(Settings(database_url="postgresql:///loa")))
    assert [away in fault for fault in found] == ([True] if away else []), found


def test_an_open_address_without_tls_is_refused_whatever_is_said_of_lines(tmp_path: Path) -> None:
    (fault,) = faults(Settings(host="0.0.0.0", private_lines={"api": WHY}))
    assert "tls_certificate and tls_key" in fault
    assert "behind_tls" in fault
    proxied = Settings(host="0.0.0.0", metrics_port=9100, behind_tls=True, trusted_proxies=["10.0.0.1"])
    assert len(list(faults(proxied))) == 2
    self_signed(tmp_path)
    own = {"tls_certificate": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    assert list(faults(Settings(host="0.0.0.0", metrics_port=9100, **own))) == []


def test_no_service_starts_and_everything_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LOA_CONFIG", "")
    monkeypatch.setenv("LOA_HOST", "0.0.0.0")
    monkeypatch.setenv("LOA_LOG_TO", "tcp://192.0.2.7:601")
    with pytest.raises(SetupError) as refused:
        up()
    assert "The API on 0.0.0.0" in refused.value.detail
    assert "The log connection to 192.0.2.7" in refused.value.detail
    assert not (tmp_path / "data").exists()


def test_files_that_are_no_certificate_are_said_so(tmp_path: Path) -> None:
    self_signed(tmp_path)
    self_signed(tmp_path, stem="other")
    missing = Settings(tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "key.pem")
    foreign = Settings(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "other.key")
    for settings in (missing, foreign):
        assert [fault.partition(" (")[0] for fault in faults(settings)] == [
            "Cannot use tls_certificate and tls_key"
        ]
    with pytest.raises(ValueError, match="belong together"):
        Settings(tls_certificate=tmp_path / "cert.pem")


@pytest.mark.longer
def test_the_api_speaks_tls_itself_and_nothing_older_than_1_2(db: Database, tmp_path: Path) -> None:
    self_signed(tmp_path)
    settings = Settings(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    context = server_tls(settings)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    believing = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    with served(create_app(settings, db), context) as address:
        answer = httpx.get(f"{address}/healthz", verify=believing)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(address.replace("https:", "http:") + "/healthz")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{address}/healthz")


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_proxy_that_nobody_names_keeps_loa_from_starting(environment: str) -> None:
    near = {"environment": environment, "behind_tls": True}
    found = list(faults(Settings(**near)))
    assert "trusted_proxies" in found[0]
    assert any("trusted_proxies" in each.what for each in connections(Settings(**near)) if not each.good)
    assert not any("trusted" in each for each in faults(Settings(**near, trusted_proxies=["127.0.0.1"])))


@pytest.mark.parametrize("open_", [{"host": "0.0.0.0"}, {"host": "10.0.0.5"}, {"host": "::"}, PROXIED])
def test_development_is_for_this_machine_alone(open_: dict[str, Any]) -> None:
    own = Settings(environment="development", **open_)
    assert any("environment is development" in each for each in faults(own))
    assert any("other machines can reach" in each.what for each in connections(own) if not each.good)
    assert list(faults(Settings(environment="development"))) == []


def test_the_example_of_settings_names_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_CONFIG", str(Path(__file__).parents[2] / "loa.example.toml"))
    assert list(exposed(Settings())) == []


def agreed(address: str, context: ssl.SSLContext) -> tuple[str, str]:
    """The version and the cipher suite that the server agrees on."""
    there = urlsplit(address)
    plain_line = socket.create_connection((there.hostname, there.port or 0), timeout=10)
    with plain_line, context.wrap_socket(plain_line) as line:
        cipher = line.cipher()
        return str(line.version()), cipher[0] if cipher else ""


def willing(*versions: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    """A caller that takes any certificate, and only these versions and suites."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is what is tested
        context.minimum_version, context.maximum_version = versions[0], versions[-1]
    return context


@pytest.mark.longer
def test_the_server_agrees_on_no_old_version_and_no_weak_suite(db: Database, tmp_path: Path) -> None:
    """Asked by callers that would take anything: 1.3 first, and 1.2 with forward secrecy alone."""
    self_signed(tmp_path, with_rsa=True)
    settings = Settings(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    v = ssl.TLSVersion
    with served(create_app(settings, db), server_tls(settings)) as address:
        assert agreed(address, willing(v.TLSv1_2, v.TLSv1_3))[0] == "TLSv1.3"
        for old in (v.TLSv1, v.TLSv1_1):
            with pytest.raises(OSError):  # noqa: PT011 - by either side, in the words of its OpenSSL
                agreed(address, willing(old))
        assert re.match("(ECDHE|DHE)-", agreed(address, willing(v.TLSv1_2))[1])
        for weak in ("kRSA", "aNULL", "eNULL", "3DES", "RC4", "MD5", "PSK", "SHA1"):
            with pytest.raises((ssl.SSLError, OSError)):
                agreed(address, willing(v.TLSv1_2, ciphers=f"{weak}:@SECLEVEL=0"))
