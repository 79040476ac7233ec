"""The certificate that callers meet: judged as a caller would, under each name of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.config import Settings
from app.diagnostics.doctor import connections, judged
from tests.certificates import self_signed

NAME = "loa.example.vn"


def settings(folder: Path, *names: str, **more: object) -> Settings:
    files = {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}
    return Settings(public_hosts=names, **files, **more)  # type: ignore[arg-type]


@pytest.mark.longer
def test_one_of_an_authority_for_our_name_and_long_enough_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    self_signed(tmp_path, NAME, days=90)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))  # this machine believes it
    found = list(judged(settings(tmp_path, NAME)))
    assert [each.good for each in found] == [True, True]
    assert "The certificate expires on " in found[0].what
    assert found[1].what == f"The certificate is valid for {NAME}."
    assert [each.about for each in connections(settings(tmp_path, NAME))] == ["certificate"] * 2


@pytest.mark.parametrize(
    ("names", "believed", "days", "wanted"),
    [
        ((NAME,), True, 29, "renew it"),
        ((NAME,), False, 90, "self-signed certificate"),
        (("other.example.vn",), True, 90, "Hostname mismatch"),
        (("192.0.2.7",), True, 90, "IP address mismatch"),
    ],
)
def test_what_a_caller_would_not_believe_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    believed: bool,
    days: int,
    wanted: str,
) -> None:
    self_signed(tmp_path, NAME, days=days)
    if believed:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    (bad,) = [each for each in judged(settings(tmp_path, *names)) if not each.good]
    assert wanted in bad.what


def test_an_expired_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    self_signed(tmp_path, NAME, days=0)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    end, name = judged(settings(tmp_path, NAME))
    assert "renew it" in end.what
    assert "certificate has expired" in name.what


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_names_are_asked_for_once_where_the_certificate_is_our_own(tmp_path: Path, host: str) -> None:
    self_signed(tmp_path, NAME, days=90)
    (bad,) = [each for each in connections(settings(tmp_path, host=host)) if not each.good]
    assert bad.about == "names"
    assert bad.what.startswith("Set public_hosts")
    assert "the certificate is checked against them" in bad.what


def test_the_doctor_names_plain_lines_missing_names_and_unusable_files(tmp_path: Path) -> None:
    said = [f"{each.about}: {each.what}" for each in connections(Settings(host="0.0.0.0", behind_tls=True))]
    assert any(each.startswith("lines: The connection from the proxy") for each in said)
    assert any(each.startswith("names: Set public_hosts") for each in said)
    (found,) = connections(settings(tmp_path, NAME))
    assert not found.good
    assert "Cannot use tls_certificate and tls_key (No such file or directory)" in found.what
