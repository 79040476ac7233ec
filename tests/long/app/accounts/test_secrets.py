"""No key, password, cookie, CSRF token, TOTP secret or recovery code gets into a log, whatever is done."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyotp
import pytest

from app.accounts.service import NewPerson
from app.core import clock
from app.core.config import Settings
from app.observability import logs
from app.security.login import Login
from tests.app.client import Client
from tests.long.app.accounts.conftest import Browser

MARKER = "marker-5ecret-phrase"


@pytest.fixture
def log() -> io.StringIO:
    """What the logs say, down to the libraries' debugging."""
    stream = io.StringIO()
    logs.configure(Settings(log_level="debug"), stream)
    return stream


def test_signing_in_and_all_that_follows_logs_no_secret(
    browser: Browser, client: Client, log: io.StringIO
) -> None:
    body = {"name": "lan", "role": "admin", "password": MARKER}
    assert client.post("/v1/users", json=body).status_code == 201
    browser.sign_in("lan", "wrong " + MARKER)
    browser.sign_in(MARKER, MARKER)
    assert browser.sign_in("lan", MARKER).status_code == 201
    secrets = [MARKER, browser.cookie, browser.csrf, client.headers["Authorization"].removeprefix("Bearer ")]
    factor = browser.ask("POST", "/v1/me/totp", json={"password": MARKER}).json()
    code = pyotp.TOTP(factor["secret"]).at(clock.now())
    codes = browser.ask("POST", "/v1/me/totp/confirm", json={"code": code}).json()["recovery_codes"]
    made = browser.ask("POST", "/v1/keys", json={"name": "desk", "role": "admin"}).json()["key"]
    turned = browser.ask("POST", "/v1/keys/desk/rotate").json()["key"]
    wrong = browser.ask("GET", "/v1/me", headers={"Authorization": f"Bearer {made}x"})
    assert wrong.status_code == 401
    browser.ask("GET", f"/v1/{turned}")
    said = log.getvalue()
    assert said.count('"event": "request"') >= 10
    for secret in [*secrets, factor["secret"], *codes, made, turned]:
        assert (secret.split("_", 2)[2] if secret.startswith("loa_") else secret) not in said


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"cookie loas_{MARKER}", "cookie loas_[redacted]"),
        ("X-CSRF-Token: loac_0a1b2c", "X-CSRF-Token: loac_[redacted]"),
        ("otpauth://totp/Loa:lan?secret=JBSWY3DP&issuer=Loa", "otpauth://totp/Loa:lan?secret=[redacted]"),
    ],
)
def test_secrets_with_a_known_shape_are_taken_out_of_any_text(written: str, read: str) -> None:
    assert logs.mask_text(written) == read


@pytest.mark.parametrize(
    "field", ["csrf", "csrf_token", "totp", "totp_secret", "otp", "recovery_codes", "session"]
)
def test_fields_that_hold_secrets_are_left_out(field: str) -> None:
    assert logs.clean(None, "info", {field: MARKER}) == {field: logs.REDACTED}


def test_no_repr_shows_a_password() -> None:
    assert MARKER not in repr(Login("lan", MARKER, MARKER))
    assert "password" not in NewPerson.__slots__


def test_the_name_of_a_person_may_be_logged(add: Callable[..., str]) -> None:
    assert logs.clean(None, "info", {"name": add("lan")}) == {"name": "lan"}
