"""Settings: from file, environment and secret files, and everything wrong said at once without the values."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import make_url

from app.core import config
from app.core.config import normal_url
from app.core.errors import SetupError
from app.core.setting_values import ledger_name
from app.runtime import transport_security

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
    path.touch()
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


def test_several_servers_are_named_in_the_way_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    several = "postgresql://loa:x@/loa?host=db1,db2&port=5432,5433&target_session_attrs=read-write"
    monkeypatch.setenv("LOA_DATABASE_URL", several)
    settings = config.load()
    _, options = make_url(settings.url).get_dialect()().create_connect_args(make_url(settings.url))
    assert (options["host"], options["port"]) == ("db1,db2", "5432,5433")
    assert options["target_session_attrs"] == "read-write"
    (line,) = [each.what for each in transport_security.plain(settings) if "PostgreSQL" in each.what]
    assert line == "The connection to PostgreSQL on db1, db2 (database_url)"


def test_several_servers_as_hosts_are_refused_with_the_way_to_write_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", "postgresql://loa:sesame@db1:5432,db2:5433/loa")
    with pytest.raises(config.WrongSettings) as refused:
        config.load()
    assert "postgresql://ACCOUNT@/name?host=a,b&port=5432,5432&target_session_attrs=read-write" in str(
        refused.value
    )
    assert "sesame" not in str(refused.value)


def test_a_setting_whose_name_has_line_ends_is_told_on_one_line(file: Path) -> None:
    file.write_text('"a\\nb" = 1\n[links."vnpt\\n1"]\ncarrier = "vnpt"\nkind = "smpp"\n')
    with pytest.raises(config.WrongSettings) as caught:
        config.load()
    assert all("\n" not in line for line in caught.value.lines)
    assert len(caught.value.detail.splitlines()) == 1 + len(caught.value.lines) > 2


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


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///data/loa.sqlite3", "loa.sqlite3"),
        ("postgresql+psycopg://loa:p%40ss@db.example.vn/loa?sslmode=verify-full", "db.example.vn:5432/loa"),
        ("postgresql+psycopg://other@db.example.vn:5432/loa", "db.example.vn:5432/loa"),
        ("postgresql+psycopg://loa@[::1]:5433/loa", "::1:5433/loa"),
        ("postgresql+psycopg:///loa?host=/run/a%20b", "/run/a%20b:5432/loa"),
        ("postgresql+psycopg:///loa?host=one:5433&host=two", "one:5433,two:5432/loa"),
    ],
)
def test_a_database_has_one_name_whoever_opens_it(url: str, name: str) -> None:
    assert ledger_name(url) == name


@pytest.mark.parametrize("name", ["LINKS__VIETTEL-1__PASSWORD__X", "MAIL__HOST__X", "MAIL__NOSUCH__X"])
def test_a_variable_that_names_what_nothing_has_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"LOA_{name}", "hunter2")
    with pytest.raises(SetupError) as caught:
        config.load()
    assert name.partition("__")[0].lower() in caught.value.detail
    assert "hunter2" not in caught.value.detail


@pytest.mark.parametrize(
    "name",
    [
        *("loa.example.vn:8600", "loa.example.vn.", ".example.vn", "a..b", "10.0.0.300", "[2001:db8::7]"),
        *("https://loa.example.vn", "a b", "", "-a.vn", f"{'a' * 64}.vn", ".".join(["a" * 49] * 6)),
    ],
)
def test_a_name_that_nobody_can_ask_for_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(SetupError, match=r"(?s)- public_hosts\.0: .*- mail\.host: ") as caught:
        config.load(public_hosts=(name,), mail={"host": name, "sender": "loa@office.example"})
    assert caught.value.detail.count("such as loa.example.vn, without port, path or trailing dot") == 2


def test_names_are_kept_and_addresses_written_as_callers_write_them() -> None:
    names = ("Loa.example.vn", "localhost", "xn--80ak6aa92e.vn", "192.0.2.7", "2001:DB8:0::7")
    assert config.load(public_hosts=names).public_hosts == (*names[:4], "2001:db8::7")


@pytest.mark.parametrize(
    "place",
    [
        *("udp://logs.example:514", "tls://logs.example", "logs.example:6514", "tcp://logs.example:99999"),
        *("tcp://logs.example:0", "tcp://a..b:601", "tcp://logs.example.:601", "tcp://::1:601"),
        *("tcp://logs.example:601/x", "tcp://loa@logs.example:601", "tcp://logs.example:601\n"),
    ],
)
def test_a_place_for_the_log_that_is_none_is_refused_with_the_remedy(place: str) -> None:
    with pytest.raises(SetupError, match=r"- log_to: .*must be tls://host:6514 or tcp://host:601"):
        config.load(log_to=place)


@pytest.mark.parametrize(
    "place", ["tls://logs.example:6514", "tcp://192.0.2.7:65535", "tcp://[2001:db8::7]:1"]
)
def test_a_place_for_the_log_is_taken(place: str) -> None:
    assert config.load(log_to=place).log_to == place


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


def refused() -> str:
    """What is said of the settings, which are wrong."""
    with pytest.raises(config.WrongSettings) as caught:
        config.load()
    return str(caught.value)


def test_a_file_that_is_named_counts_from_the_folder_of_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/heads.toml").touch()
    (tmp_path / "etc/loa.toml").write_text('letterheads = "heads.toml"\ndata = "data"\n')
    monkeypatch.chdir("/")
    monkeypatch.setenv("LOA_CONFIG", str(tmp_path / "etc/loa.toml"))
    settings = config.load()
    assert (settings.letterheads, settings.data) == (tmp_path / "etc/heads.toml", Path("data"))


def test_letterheads_that_are_missing_are_said_at_the_start(file: Path) -> None:
    file.write_text('letterheads = "letterheads.toml"\n')
    assert "letterheads.toml cannot be read (No such file or directory). Put the file there" in refused()


def test_a_secret_that_cannot_be_read_is_called_so_and_hides_no_other_fault(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "loa_secret_key").write_bytes(b"\xff\xfe\xff")
    (secrets / "loa_links").write_text("{viettel}")
    monkeypatch.setenv("LOA_SECRETS_DIR", str(secrets))
    file.write_text("prot = 5\n")
    said = refused()
    assert "loa_secret_key: the secret file is not UTF-8 text" in said
    assert "loa_links: the secret file is not JSON" in said
    assert "prot: is not a known setting. Did you mean port?" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('sender = "loa@example.vn"', "sender: belongs elsewhere. Move it to [mail]."),
        ('carier = "viettel"', "Did you mean carrier, which belongs to [money.prices.NAME] or [links.NAME]?"),
        ("[suspend]\nretention_days = 3", "Move it to the top of the file, above all tables."),
        ("[mail]\nsendr = 3", "Did you mean sender?"),
    ],
)
def test_a_name_in_the_wrong_place_is_told_the_right_one(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    assert said in refused()


def test_hours_that_are_no_times_are_one_fault_and_the_links_stay_to_be_judged(file: Path) -> None:
    file.write_text(
        'day_starts = "25:00"\nday_ends = "06:00"\n[links.a]\ncarrier = "viettel"\nsegments_per_second = 1\n'
    )
    with pytest.raises(config.WrongSettings) as caught:
        config.load()
    assert len(caught.value.lines) == 1
    assert caught.value.rest is not None
    assert "a" in caught.value.rest.links


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an account that may not read the file")
def test_a_secret_of_another_account_is_a_matter_of_its_owner(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as secrets:
        (Path(secrets) / "loa_secret_key").write_text("c" * 43 + "=")
        (Path(secrets) / "loa_secret_key").chmod(0o600)
        Path(secrets).chmod(0o755)
        monkeypatch.setenv("LOA_SECRETS_DIR", secrets)
        monkeypatch.setenv("LOA_CONFIG", "")
        os.seteuid(65534)
        try:
            said = refused()
        finally:
            os.seteuid(0)
    assert "loa_secret_key: this account cannot read the secret file (Permission denied)." in said
    assert "Make Loa's account its owner" in said
