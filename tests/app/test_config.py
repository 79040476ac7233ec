"""Settings: from file, environment and secret files, and everything wrong said at once without the values."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import config
from app.config import normal_url
from app.errors import SetupError

TOML = """
data = "elsewhere"
[links.viettel-1]
carrier = "viettel"
segments_per_second = 200
host = "127.0.0.1"
port = 2775
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LOA_DATABASE_URL", "LOA_DATA", "LOA_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "loa.toml"
    monkeypatch.setenv("LOA_CONFIG", str(path))
    return path


def test_without_any_settings_loa_runs_on_sqlite_in_its_data_folder() -> None:
    settings = config.load()
    assert settings.url == "sqlite:///data/loa.sqlite3"
    assert settings.links == {}


def test_a_link_is_read_with_the_adapters_own_options(file: Path) -> None:
    file.write_text(TOML)
    link = config.load().links["viettel-1"]
    options = link.options("viettel-1")
    assert (options.carrier, options.segments_per_second) == ("viettel", 200)
    assert options.options == {"host": "127.0.0.1", "port": 2775}


def test_a_password_comes_from_the_environment_and_is_never_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(TOML)
    monkeypatch.setenv("LOA_LINKS__viettel-1__PASSWORD", "open sesame")
    link = config.load().links["viettel-1"]
    assert link.options("viettel-1").options["password"] == "open sesame"
    assert "sesame" not in repr(link)


def test_a_secret_file_gives_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "loa_database_url").write_text("postgres://loa@db/loa")
    monkeypatch.setenv("LOA_SECRETS_DIR", str(secrets))
    assert config.load().url == "postgresql+psycopg://loa@db/loa"


def test_everything_wrong_is_said_at_once_and_no_value_is_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[links.viettel]\ncarrier = "viettel"\nkind = "smpp"\n')
    monkeypatch.setenv("LOA_PORT", "hunter2")
    monkeypatch.setenv("LOA_SUB_BATCH", "0")
    with pytest.raises(SetupError) as caught:
        config.load()
    for setting in ("port", "sub_batch", "links.viettel.segments_per_second"):
        assert setting in caught.value.detail
    assert "hunter2" not in caught.value.detail


def test_a_file_that_is_no_toml_is_said_so(file: Path) -> None:
    file.write_text("links = [")
    with pytest.raises(SetupError, match=r"loa\.toml"):
        config.load()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:///x", "sqlite:///x"),
    ],
)
def test_every_spelling_of_a_url_is_taken(given: str, wanted: str) -> None:
    assert normal_url(given) == wanted
