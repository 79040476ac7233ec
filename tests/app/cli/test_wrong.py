"""Whatever a person sets or types wrongly: a sentence with a remedy, exit status 1 or 2, nothing made."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from app import cli
from app.cli import common, serve_command
from app.core import config
from app.core.config import Settings
from app.core.errors import SetupError
from app.database.connection import Database
from tests.ports import refusing

LINK = '[links.viettel]\ncarrier = "viettel"\nsegments_per_second = 10\n'
SMPP = LINK + 'kind = "smpp"\nhost = "127.0.0.1"\nport = 2775\nsystem_id = "loa"\npassword = "x"\n'
ENDPOINT = '[endpoints.desk]\nurl = "https://desk.example"\n'
SECRET = "hunter2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and none of Loa's variables."""
    for name in [name for name in os.environ if name.startswith("LOA_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """Run `loa WORDS` as from a shell: its exit status and what it says on stderr."""
    monkeypatch.setattr(sys, "argv", ["loa", *words])
    monkeypatch.setattr(common, "server", None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0), re.sub(r"[│╭╮╰╯─\s]+", " ", capsys.readouterr().err)


# What is set, as a variable or in loa.toml, and a word of the remedy.
WRONG_SETTINGS: list[tuple[dict[str, str] | str | bytes, str]] = [
    ({"LOA_CONFIG": "/nope.toml"}, "the file /nope.toml does not exist"),
    ({"LOA_SECRETS_DIR": "/nope"}, "the folder /nope does not exist"),
    ({"LOA_RETENTON_DAYS": "3"}, "Did you mean LOA_RETENTION_DAYS?"),
    ({"LOA_DATABSE_URL": SECRET}, "Did you mean LOA_DATABASE_URL?"),
    ({"LOA_LINK__VIETTEL__PASSWORD": SECRET}, "Did you mean LOA_LINKS?"),
    ({"LOA_ZZZZZZ": "1"}, "Unset or rename"),
    ({"loa_reminderdays": "1"}, "Did you mean LOA_REMINDER_DAYS?"),
    ({"LOA_PORT": SECRET}, "port: must be a whole number"),
    ({"LOA_PORT": ""}, "port: must be a whole number"),
    ({"LOA_METRICS_PORT": "65536"}, "less than or equal to 65535"),
    ({"LOA_METRICS_PORT": "-1"}, "greater than or equal to 0"),
    ({"LOA_LOG_LEVEL": "loud"}, "must be 'debug', 'info', 'warning' or 'error'"),
    ({"LOA_LOG_FORMAT": "xml"}, "must be 'json' or 'text'"),
    ({"LOA_ENVIRONMENT": "test"}, "'production' or 'development'"),
    ({"LOA_DATABASE_URL": "nonsense"}, "must be postgresql://"),
    ({"LOA_DATABASE_URL": "mysql://x"}, "must be postgresql://"),
    ({"LOA_DATABASE_URL": "oracle+cx://x/y"}, "must be postgresql://"),
    ({"LOA_DATABASE_URL": f"postgresql://root:{SECRET}@ss@127.0.0.1/x"}, "@ as %40"),
    ({"LOA_DATABASE_URL": f"postgresql://root:{SECRET}/ss@127.0.0.1/x"}, "/ as %2F"),
    ({"LOA_DATABASE_URL": "postgresql://h:port/x"}, "must be postgresql://"),
    ({"LOA_MIGRATION_DATABASE_URL": "x"}, "must be postgresql://"),
    ({"LOA_REMINDER_DAYS": "7,x"}, "reminder_days.1: must be a whole number"),
    ({"LOA_TRUSTED_PROXIES": "10.0.0.300"}, "for example 203.0.113.7"),
    ({"LOA_TRUSTED_PROXIES": "0.0.0.0/0"}, "must not cover all addresses"),
    ({"LOA_PUBLIC_HOSTS": "loa:8600"}, "without port, path"),
    ({"LOA_CORS_ORIGINS": "https://x.vn/path"}, "without a path"),
    ({"LOA_SECOND_FACTOR_ROLES": "boss"}, "'admin', 'approver', 'operator' or 'auditor'"),
    ({"LOA_LINKS": SECRET}, "links: must be a table"),
    ({"LOA_LINKS": "[1]"}, "links: must be a table"),
    ({"LOA_MAIL": SECRET}, "mail: must be a table"),
    ({"LOA_BEHIND_TLS": "perhaps"}, "must be true or false"),
    ({"LOA_SECRET_KEY": SECRET}, "openssl rand -base64 32"),
    ({"LOA_TLS_KEY": "x.pem"}, "set both or neither"),
    ({"LOA_DAY_STARTS": "25:99"}, "00:00 to 24:00"),
    ({"LOA_DAY_STARTS": "7h"}, "00:00 to 24:00"),
    ({"LOA_DAY_STARTS": "22:00"}, "day_starts must be before day_ends"),
    ({"LOA_LEASE_SECONDS": "long"}, "must be a number"),
    ({"LOA_SWITCHED_OFF": "911"}, "Vietnamese mobile numbers"),
    ({"LOA_LOG_TO": "udp://x:514"}, "tls://host:6514"),
    ({"LOA_RETENTION_DAYS": "0"}, "greater than or equal to 1"),
    ({"LOA_DATA": "/dev/null/x"}, "choose another folder with LOA_DATA"),
    ("links = [", "is not valid TOML"),
    ("port = 1\nport = 2", "is not valid TOML"),
    (b"# L\xf2\n", "is not UTF-8. Save the file as UTF-8."),
    ("retenton_days = 3", "Did you mean retention_days?"),
    ("zzz = 3", "zzz: is not a known setting. Remove it; docs/reference/settings.md has them all."),
    ('test_numbers = ["84912345678"]', "test_numbers: belongs elsewhere. Move it to [links.NAME]."),
    ('retention_days = "long"', "must be a whole number"),
    ("data = 3", "data: "),
    ("[links]\nviettel = 3", "links.viettel: must be a table"),
    ('[links.viettel]\ncarrier = "viettel"', "segments_per_second: is required"),
    (LINK.replace("10", "0"), "must be greater than 0"),
    (LINK.replace('"viettel"', '"Viettel!"'), "lower-case letters"),
    (LINK.replace("[links.viettel]", '[links."Việt tel"]'), "lower-case letters"),
    (SMPP + "recieve_window = 3", "recieve_window"),
    (LINK + 'kind = "smmp"', "smpp"),
    (LINK + "poll = 'often'", "must be 'none', 'unknown', 'sample' or 'all'"),
    (LINK + "[links.viettel.webhook]\ntokn = 'x'", "Did you mean token?"),
    (LINK + "[links.viettel.webhook]\nbasic_user = 'x'", "belong together"),
    ('[mail]\nhst = "x"\nsender = "a@b.vn"', "Did you mean host?"),
    ('[mail]\nhost = "m.vn"\nsender = "nobody"', "must be an e-mail address"),
    (ENDPOINT + f'secret = "{SECRET}"', "whsec_"),
    (ENDPOINT + f'secret = "whsec_{"A" * 40}"\nevents = ["nope"]', "is not a kind of event"),
    (ENDPOINT + f'secret = "whsec_{"A" * 40}"\nevents = ["run.start"]', "Did you mean run.started?"),
    (ENDPOINT.replace("https://desk.example", "desk"), "must be an address such as"),
    ('[private_lines]\napi = "vpn"', "at least 10 characters"),
    ('[private_lines]\nfax = "a leased line"', "'api', 'database', 'logs' or 'metrics'"),
]


@pytest.mark.parametrize(("what", "words"), WRONG_SETTINGS, ids=[str(n) for n in range(len(WRONG_SETTINGS))])
def test_a_wrong_setting_is_refused_in_a_sentence_and_nothing_is_made(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: dict[str, str] | str | bytes,
    words: str,
) -> None:
    if isinstance(what, dict):
        for name, value in what.items():
            monkeypatch.setenv(name, value)
    else:
        (folder / "loa.toml").write_bytes(what.encode() if isinstance(what, str) else what)
    before = sorted(folder.rglob("*"))
    status, said = refused(monkeypatch, capsys, "up")
    assert (status, said[:5], words in said) == (1, "loa: ", True), said
    assert "Traceback" not in said
    assert SECRET not in said
    assert "[redacted]" not in said  # nor is a remedy taken for a secret
    assert sorted(folder.rglob("*")) == before


@pytest.mark.longer
def test_all_that_is_wrong_is_said_at_once_fields_links_and_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOA_PROT", "1")
    away = SMPP.replace("127.0.0.1", "192.0.2.7").replace("links.viettel", "links.away")
    (folder / "loa.toml").write_text(f"retention_days = 0\n{LINK}kind = 'smmp'\n{away}")
    _, said = refused(monkeypatch, capsys, "up")
    for words in ("LOA_PROT", "retention_days", "smmp", "links.away.private_line"):
        assert words in said


def test_a_list_may_be_a_variable_with_commas_and_a_file_may_begin_with_a_mark(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("LOA_REMINDER_DAYS", "7,3")
    monkeypatch.setenv("LOA_PUBLIC_HOSTS", "loa")
    monkeypatch.setenv("LOA_TRUSTED_PROXIES", '["10.0.0.1"]')
    (folder / "loa.toml").write_bytes(b"\xef\xbb\xbfretention_days = 8\n")
    found = config.load()
    assert (found.reminder_days, found.public_hosts, found.retention_days) == ((7, 3), ("loa",), 8)
    assert [str(each) for each in found.trusted_proxies] == ["10.0.0.1/32"]


NO_LEDGER = "There is no ledger in the folder data"
# What is typed, and a word of the remedy.
WRONG_COMMANDS: list[tuple[str, str]] = [
    ("rum list", "Did you mean 'run'?"),
    ("run lst", "No such command"),
    ("run list --jsn", "--json"),
    ("run list extra", "unexpected extra argument"),
    ("delivery find 0912 0912345679", "8491*****79"),
    ("delivery find --0912345679", "8491*****79"),
    ("run show", "Missing argument"),
    ("run show x", "Use only the digits 0 to 9"),
    ("run show -1", "No such option"),
    ("run show ２", "Use only the digits 0 to 9"),
    ("run list", NO_LEDGER),
    ("run show 1", NO_LEDGER),
    ("run start 1", NO_LEDGER),
    ("run start 1 --at tomorrow", "for example 2024-02-09T07:00:00+07:00"),
    ("run start 1 --at 2031-01-01T07:00", "at needs a time zone"),
    ("run pause 1", NO_LEDGER),
    ("run cancel 1", NO_LEDGER),
    ("run forecast 1", NO_LEDGER),
    ("run priority 1 high", "must be a whole number"),
    ("run rate 1 fast", "must be a whole number"),
    ("batch import none.csv --carrier viettel", "Cannot read "),
    ("batch import none.csv", "Missing option '--carrier'"),
    ("batch import . --carrier viettel", "Cannot read "),
    ("batch import list.csv --carrier nokia", "loa: Carrier “nokia” does not exist"),
    ("batch import list.csv --carrier viettle", "Did you mean viettel?"),
    ("batch list", NO_LEDGER),
    ("batch bad-lines 1", NO_LEDGER),
    ("campaign list", NO_LEDGER),
    ("campaign show 1", NO_LEDGER),
    ("campaign submit 1", NO_LEDGER),
    ("campaign approve 1 --digest x", "digest must be the digest"),
    ("campaign approve 1", "Missing option '--digest'"),
    ("campaign add-run 1 --carrier viettel --batch x", "Use only the digits 0 to 9"),
    ("directive show 1", NO_LEDGER),
    ("directive list", NO_LEDGER),
    ("directive create X --issued-on 29/01/2024 --issuer Y --subject Z", "issued-on"),
    ("link list", NO_LEDGER),
    ("link resume 1", NO_LEDGER),
    ("unknown list 1", NO_LEDGER),
    (
        "unknown write-off 1 --all --line 1:1",
        "loa: Name either --line BATCH:LINE (as shown by `loa unknown list`)",
    ),
    ("unknown write-off 1 --line 4", "BATCH:LINE"),
    ("unknown write-off 1", "--line BATCH:LINE"),
    ("key list", NO_LEDGER),
    ("key add lan --role boss", "is not one of"),
    ("key add lan --role operator --carrier nokia", "loa: Carrier “nokia” does not exist"),
    ("key add lan --role operator --carrier viettle", "Did you mean viettel?"),
    ("key add lan --expires soon", "loa: --expires must be a number of hours or days, for example 24h or"),
    ("key revoke lan", NO_LEDGER),
    ("user add lan --role operator --carrier mobiphone", "Did you mean mobifone?"),
    ("user list", NO_LEDGER),
    ("user disable lan", NO_LEDGER),
    ("inbound list", NO_LEDGER),
    ("do-not-send add 0912345678 --carrier nokia", "loa: Carrier “nokia” does not exist"),
    ("do-not-send list --carrier viettel", NO_LEDGER),
    ("receipts list", NO_LEDGER),
    ("report list", NO_LEDGER),
    ("report build", NO_LEDGER),
    ("retention list", NO_LEDGER),
    ("audit verify", NO_LEDGER),
    ("verify", NO_LEDGER),
    ("worker --carrier nokia", "loa: No link belongs to carrier “nokia”"),
    ("worker", "Run `loa up`"),
    ("serve", "Run `loa up`"),
    ("database copy --to mysql://x", "must be postgresql://"),
    ("database copy --to nonsense", "must be postgresql://"),
    ("database restored", NO_LEDGER),
    ("--server loa.example run list", "loa: --server must be an address such as https://loa.example.vn or"),
    ("--server http://127.0.0.1:1 run list", "LOA_KEY"),
    (
        "--server http://192.0.2.7 run list",
        "loa: --server over plain HTTP would expose your key to everyone on",
    ),
    ("campaign follow-up 1 --outcome lost", "'lost' is not one of 'undelivered'"),
    ("campaign follow-up 1 --second-copies many", "must be a whole number"),
    ("directive deadline 1 tomorrow --reason x", "for example 2024-02-09T07:00+07:00"),
    ("campaign edit 1", "loa: Name at least one change, for example --end"),
    ("text show nope", 'loa: Text "nope" does not exist in messages/'),
    ("carrier check nokia", "nokia"),
    ("campaign create x --sender S --text T --start 2031-02-05", "for example 2024-02-09T07:00+07:00"),
    ("directive replay", "Name either one notice"),
    ("addressee form 1 --out x.xlsx", NO_LEDGER),
    ("user add", "Missing argument"),
    ("delivery find 0912345678", NO_LEDGER),
    ("do-not-send add abc --carrier viettel", NO_LEDGER),
    (
        "do-not-send import none.csv --carrier viettel",
        "loa: Cannot read none.csv (No such file or directory)",
    ),
    ("addressee set 1 X --kind bnk", "'--kind': 'bnk' is not one of"),
    ("simulate smsc --port 99999", "0 to 65535"),
    ("campaign unreached x", "Use only the digits 0 to 9"),
    ("directive replay 1 --failed-to x", "Name either one notice"),
    ("batch discard 1.5", "Use only the digits 0 to 9"),
    ("link resume viettel-1", NO_LEDGER),
    ("link resume Viettel", "Use only the digits 0 to 9"),
]


@pytest.mark.parametrize(("typed", "words"), WRONG_COMMANDS, ids=[typed for typed, _ in WRONG_COMMANDS])
def test_a_wrong_command_is_refused_in_a_sentence_and_nothing_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, words: str
) -> None:
    (folder / "list.csv").write_text("phone\n0912345678\n")
    monkeypatch.setenv("COLUMNS", "200")
    status, said = refused(monkeypatch, capsys, *typed.split())
    assert status in (1, 2), said
    assert words in said
    assert "Traceback" not in said
    assert "912345679" not in said
    assert [each.name for each in folder.iterdir()] == ["list.csv"]


async def test_a_metrics_port_that_another_worker_has_is_said(db: Database, tmp_path: Path) -> None:
    with refusing() as port:
        settings = Settings(data=tmp_path, metrics_port=port)
        with pytest.raises(
            SetupError, match=r"Cannot serve metrics at .* \(Address already in use\).*its own metrics_port"
        ):
            await serve_command._links(settings, db, None)


def test_a_value_with_a_line_end_makes_no_sentence_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loa", "order", "import", "/a\nloa: all is well\x1b[31m 0912345678"])
    with pytest.raises(SystemExit):
        cli.main()
    error = capsys.readouterr().err
    assert r"/a\u000aloa: all is well\u001b[31m 8491*****78" in error
    assert error.count("\n") == 1
