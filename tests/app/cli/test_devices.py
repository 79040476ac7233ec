"""A device for a file is refused before anything is read: it need not have an end."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.core.errors import Invalid


@pytest.mark.parametrize(
    "words",
    [
        "statement add 1 /dev/zero",
        "statement add 1 a.json --manual --scan /dev/zero",
        "addressee import 1 /dev/zero",
        "addressee report 1 A --channel website --pieces 1 --scan /dev/zero",
        "batch import /dev/zero --carrier viettel",
        "do-not-send import /dev/zero --carrier viettel",
        "receipts import /dev/zero --carrier viettel",
        "recording add 1 /dev/urandom --wording A",
        "report signed 1 /dev/zero",
    ],
)
def test_a_device_is_no_file(words: str) -> None:
    refused = CliRunner().invoke(app, words.split())
    assert isinstance(refused.exception, Invalid), refused.output
    assert " is a device; name a file." in str(refused.exception)
