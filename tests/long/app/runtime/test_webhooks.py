"""Webhooks as they are configured: none is open to anybody, and a wrong table is refused in words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from app.core import config
from app.core.config import LinkSettings, Settings, WebhookSettings
from app.core.errors import SetupError
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.receipts.webhook_handler import WebhookHandler
from app.runtime.webhooks import webhook_handler
from carriers.webhook import PRESETS, FieldMapping
from tests.app.receipts.hooks import ACKNOWLEDGED, LINK, SECRET, sent, served, settings_of
from tests.long.test_papers import rows, text

TOKEN = {"token": "path-token-0123456"}


def put_together(db: Database, webhook: dict[str, Any] | None, **more: Any) -> WebhookHandler:
    link = LinkSettings(carrier="vnpt", segments_per_second=1, webhook=webhook)
    settings = Settings(links={"vnpt_1": link}, **more)
    return webhook_handler(settings, db, Inbox(db, ledger_for(db), Metrics()))


@pytest.mark.parametrize(
    "lock",
    [
        TOKEN,
        {"hmac_secret": "hmac-secret-0123456"},
        {"basic_user": "vnpt", "basic_password": "basic-password-01"},
        {"networks": ["203.0.113.0/24"]},
    ],
)
def test_one_lock_is_enough_to_start(db: Database, lock: dict[str, Any]) -> None:
    assert list(put_together(db, lock).hooks) == [("vnpt", "vnpt_1")]


def test_in_production_a_webhook_that_is_open_to_anybody_keeps_loa_from_starting(db: Database) -> None:
    with pytest.raises(
        SetupError, match=r"Link vnpt_1: its webhook is open to anybody. Set webhook.hmac_sec"
    ):
        put_together(db, {})


def test_in_development_it_may_be_open(db: Database) -> None:
    assert list(put_together(db, {}, environment="development").hooks) == [("vnpt", "vnpt_1")]


def test_a_link_without_a_webhook_has_none(db: Database) -> None:
    assert not put_together(db, None).hooks


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        (TOKEN | {"format": "fax"}, "Link vnpt_1: there is no webhook format 'fax'"),
        (TOKEN | {"map": {"colour": "red"}}, "Link vnpt_1: webhook.map has no setting colour"),
    ],
)
def test_a_wrong_table_keeps_loa_from_starting(db: Database, webhook: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        put_together(db, webhook)


def test_secrets_come_from_the_environment_and_are_in_no_repr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: Database
) -> None:
    (tmp_path / "loa.toml").write_text(
        "[links.vnpt_1]\ncarrier = 'vnpt'\nsegments_per_second = 1\n[links.vnpt_1.webhook]\nformat = 'esms'\n"
    )
    monkeypatch.setenv("LOA_CONFIG", str(tmp_path / "loa.toml"))
    monkeypatch.setenv("LOA_LINKS__VNPT_1__WEBHOOK__TOKEN", "path-token-0123456")
    settings = config.load()
    webhook = settings.links["vnpt_1"].webhook
    assert webhook
    assert webhook.format == "esms"
    assert webhook.token
    assert webhook.token.get_secret_value() == "path-token-0123456"
    found = webhook_handler(settings, db, Inbox(db, ledger_for(db), Metrics()))
    assert "path-token-0123456" not in repr(settings) + repr(found)


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ({"token": "short"}, "webhook.token: .*must be 16 to 200 letters, digits, - or _"),
        ({"token": "with/slash-0123456789"}, "webhook.token: .*must be 16 to 200 letters"),
        ({"hmac_secret": ""}, "webhook.hmac_secret: .*must be 16 to 200 letters"),
        ({"basic_user": "a"}, "webhook: .*basic_user and basic_password belong together"),
        ({"networks": ["0.0.0.0/0"]}, "webhook.networks.0: .*must not cover all addresses"),
        (
            {"networks": ["0.0.0.0/1", "128.0.0.0/1"]},
            "webhook.networks: .*must not cover a large part of all addresses",
        ),
        (
            {"networks": [f"{n}.0.0.0/8" for n in range(20, 30)]},
            "webhook.networks: .*must not cover a large part of all addresses",
        ),
        ({"networks": ["2000::/3"]}, "webhook.networks: .*must not cover a large part of all addresses"),
        ({"networks": ["::/0"]}, "webhook.networks.0: .*must not cover all addresses"),
        ({"networks": ["10.0.0.1/8"]}, "webhook.networks.0: .*must be addresses or networks"),
        ({"timestamp_header": "X Time"}, "webhook.timestamp_header: "),
        ({"tokn": "path-token-0123456"}, "webhook.tokn: is not a known setting. Did you mean token"),
    ],
)
def test_a_wrong_lock_is_refused_by_name_and_not_repeated(webhook: dict[str, Any], words: str) -> None:
    link = {"carrier": "vnpt", "segments_per_second": 1, "webhook": webhook}
    with pytest.raises(SetupError, match=words) as refused:
        config.load(links={"vnpt_1": link})
    assert "0123456" not in refused.value.detail


def section(name: str) -> str:
    return text("docs/webhooks.md").partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_every_setting_is_documented_with_its_default() -> None:
    told = rows(section("Settings"))
    assert set(told) == set(WebhookSettings.model_fields)
    for field, info in WebhookSettings.model_fields.items():
        default = "none" if info.default_factory or info.default in (None, ()) else str(info.default)
        assert told[field][0].strip("`") == default, field


def test_every_setting_of_a_shape_is_documented_with_its_default() -> None:
    told, plain = rows(section("A shape of one's own")), FieldMapping()
    assert set(told) == {field.name for field in fields(FieldMapping)}
    for field in fields(FieldMapping):
        match getattr(plain, field.name):
            case () | {}:
                default = "none"
            case bool(value):
                default = str(value).lower()
            case tuple(value):
                default = ".".join(value)
            case value:
                default = str(value).removeprefix("UTC")
        assert told[field.name][0].strip("`") == default, field.name


def test_every_shipped_shape_is_documented() -> None:
    assert set(rows(section("Shipped shapes"))) >= set(PRESETS)


def test_the_page_s_example_signs_as_loa_wants_it(db: Database) -> None:
    if missing := [each for each in ("bash", "curl", "openssl") if shutil.which(each) is None]:
        pytest.skip(f"the page's example runs {', '.join(missing)}, which is not installed here")
    world = sent(db, 1)
    (example,) = re.findall(r"```sh\n(.*?)```", text("docs/webhooks.md"), re.DOTALL)
    with served(db, world, settings_of({"hmac_secret": SECRET})) as address:
        names = {"SECRET": SECRET, "LOA": address, "LINK": LINK, "PATH": os.environ["PATH"]}
        done = subprocess.run(["bash", "-eu", "-c", example], env=names, capture_output=True, check=True)
    assert done.stdout == ACKNOWLEDGED
