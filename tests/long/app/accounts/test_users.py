"""People over HTTP and at the command line, and who may decide there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from typer import Typer
from typer.testing import CliRunner

from app.accounts.service import NewPerson, add_person, disable_person
from app.campaigns import lifecycle
from app.campaigns.approval import FourEyes
from app.cli import app as loa
from app.cli import campaign_commands, user_commands
from app.cli.key_commands import span
from app.cli.output import account, whoami
from app.core.config import Settings
from app.core.errors import AppError, Conflict, Forbidden, Invalid, NotFound
from app.database.connection import Database
from app.database.models import people as people_table
from app.security import users
from app.security.passwords import SHORTEST, hash_password, is_password
from app.security.secret_encryption import Vault, vault_of
from tests import passwords
from tests.app.campaigns.rows import new_run
from tests.app.client import Client
from tests.long.app.accounts.conftest import PASSWORD, Browser

password_cost = passwords.full_cost

Add = Callable[..., str]


KEY = "A" * 42 + "8="  # invented


class Shell:
    """Runs commands over one database, with lines on stdin."""

    def __init__(self, url: str, folder: Path) -> None:
        (folder / "loa.toml").touch()
        self.env = {"LOA_DATABASE_URL": url, "LOA_DATA": str(folder), "LOA_CONFIG": str(folder / "loa.toml")}

    def __call__(self, app: Typer, *words: str, stdin: str = "") -> str:
        result = CliRunner().invoke(app, list(words), env=self.env, input=stdin)
        if result.exception:
            raise result.exception
        return result.stdout.strip()


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


def submitted(url: str, who: str = "author") -> None:
    db = Database(url)
    campaign_id, _ = db.write(new_run, sha256=hashlib.sha256(who.encode()).hexdigest())
    db.write(lifecycle.submit, campaign_id, who)
    db.close()


def added(url: str, name: str, role: str, disabled: bool = False) -> None:
    db = Database(url)
    db.write(add_person, NewPerson(name, role, "vnpt" if role == "operator" else None), PASSWORD, "test")
    if disabled:
        db.write(add_person, NewPerson("another", "admin"), PASSWORD, "test")
        db.write(disable_person, name, "test")
    db.close()


# ---- over HTTP ------------------------------------------------------------------------------------------


def test_an_admin_lets_people_in_and_out(client: Client, browser: Browser) -> None:
    body = {"name": "lan", "role": "operator", "carrier": "vnpt", "password": PASSWORD}
    made = client.post("/v1/users", json=body)
    assert (made.status_code, made.json()["second_factor"]) == (201, False)
    assert client.post("/v1/users", json=body).status_code == 409
    assert browser.sign_in("lan").json()["carrier"] == "vnpt"
    assert PASSWORD not in client.get("/v1/users").text
    new = "nam tu khac chang lien quan"
    assert client.put("/v1/users/lan/password", json={"password": new}).status_code == 204
    assert browser.ask("GET", "/v1/me").status_code == 401
    assert browser.sign_in("lan", new).status_code == 201
    first = client.post("/v1/users/lan/disable").json()
    assert first["disabled_at"] is not None
    assert client.post("/v1/users/lan/disable").json() == first
    assert browser.ask("GET", "/v1/me").status_code == 401
    assert client.post("/v1/users/nobody/disable").status_code == 404


def test_the_last_admin_stays(client: Client, add: Add) -> None:
    add("lan", "admin")
    assert client.post("/v1/users/lan/disable").status_code == 409
    add("mai", "admin")
    assert client.post("/v1/users/lan/disable").status_code == 200


EASY = [
    *(
        "lan lan lan lan lan",
        "aaaaaaaaaaaaaa",
        "abcabcabcabc",
        "Password1234!",
        "P@ssw0rdP@ssw0rd",
        "iloveyou2024",
    ),
    *("qwertyuiop[]", "1q2w3e4r5t6y", "123456789012", "abcdefghijkl", "29011999290119", "trustno1trustno1"),
    *("matkhau123456", "Mật khẩu 2024", "congan123456", "anhyeuem2024", "AnhYêuEm@2024", "Vietnam@123456"),
    *("Loa.Cong-An!SMS", "tin nhan loa cong an", "LAN.l-a-n!LAN.LAN"),
]


@pytest.mark.parametrize("password", ["short", "x" * 201, *EASY])
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        hash_password(password, "lan", Settings().password_words)
    assert refused.value.field == "password"


def test_common_passwords_are_refused_however_often_they_were_stolen() -> None:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    common = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= SHORTEST]
    assert len(common) > 50
    for each in common:
        with pytest.raises(Invalid):
            hash_password(each, "lan")


def test_words_of_the_service_count_for_nothing_wherever_a_password_is_given(
    client: Client, add: Add
) -> None:
    words = "khong lien quan gi"
    hash_password(f"loa {words}", "lan", ["loa"])
    with pytest.raises(Invalid):
        hash_password(f"loa {words}", "lan", ["lóa", "khong lien", "Quan"])
    easy = {"password": "cong an loa sms 1"}
    hash_password(easy["password"], "mai")
    assert client.post("/v1/users", json=easy | {"name": "mai", "role": "auditor"}).status_code == 422
    assert client.put(f"/v1/users/{add('lan')}/password", json=easy).status_code == 422


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "bốn từ chẳng liên quan",
        "aK9fm2Lq0zXw",
        "🐘🐝🐢🦀🐘🐙🦑🐠🦋🐌🐞🐜",
        hashlib.sha512(b"long").hexdigest() + "x" * 72,
    ],
)
def test_other_passwords_of_any_letters_are_taken(password: str) -> None:
    assert is_password(hash_password(password, "lan", Settings().password_words), password)


def test_a_password_is_stored_by_argon2id() -> None:
    assert hash_password(PASSWORD, "lan").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_that_is_refused_is_not_repeated(client: Client) -> None:
    body = {"name": "lan", "role": "approver", "password": "hunter2"}
    refused = client.post("/v1/users", json=body)
    assert refused.status_code == 422
    assert "hunter2" not in refused.text


# ---- at the command line --------------------------------------------------------------------------------


def test_people_at_the_command_line_with_passwords_by_stdin(shell: Shell, database_url: str) -> None:
    said = shell(user_commands.app, "add", "lan", "--role", "admin", stdin=f"{PASSWORD}\n")
    assert said == "lan can sign in as admin."
    shell(user_commands.app, "add", "mai", "--role", "operator", "--carrier", "vnpt", stdin=f"{PASSWORD}\n")
    with pytest.raises(Invalid, match="The new password is missing"):
        shell(user_commands.app, "add", "hoa", "--role", "auditor")
    shell(user_commands.app, "password", "mai", stdin="nam tu khac chang lien quan\n")
    shell(user_commands.app, "disable", "mai")
    listed = shell(user_commands.app, "list", "--json")
    assert [(each["name"], each["disabled_at"] is None) for each in json.loads(listed)] == [
        ("lan", True),
        ("mai", False),
    ]
    assert "argon2" not in listed
    with pytest.raises(Conflict, match="only admin"):
        shell(user_commands.app, "disable", "lan")
    with pytest.raises(NotFound, match="no person named nobody"):
        shell(user_commands.app, "password", "nobody", stdin=f"{PASSWORD}\n")


def test_a_password_is_no_argument(shell: Shell) -> None:
    for command in (["add", "lan", "--role", "admin", PASSWORD], ["password", "lan", PASSWORD]):
        with pytest.raises(SystemExit):
            shell(user_commands.app, *command)


def test_a_second_factor_at_the_command_line(shell: Shell, database_url: str) -> None:
    added(database_url, "lan", "approver")
    shell.env["LOA_SECRET_KEY"] = KEY
    with pytest.raises(Conflict, match="`loa user sign lan`"):
        shell(user_commands.app, "totp", "lan", stdin="nothing\n")
    assert shell(user_commands.app, "sign") == "Signed: person lan, approver."
    assert shell(user_commands.app, "sign") == "Every account is already signed."
    with pytest.raises(Invalid, match="The code does not match"):
        shell(user_commands.app, "totp", "lan", stdin="nothing\n")
    db = Database(database_url)
    row = db.read(users.row_of, "lan")
    secret = vault_of(Settings(secret_key=SecretStr(KEY))).open(row.id, row.totp_secret)
    db.close()
    assert pyotp.TOTP(secret).now().isdecimal()
    with pytest.raises(Invalid, match=r"--recognised is required: how did you verify lan's identity\?"):
        shell(user_commands.app, "totp", "lan", "--off")
    words = ["totp", "lan", "--off", "--recognised", "came in person, service card shown"]
    assert shell(user_commands.app, *words) == "lan now signs in without a second factor."
    added(database_url, "mai", "admin")
    with pytest.raises(Invalid, match="--witness is required"):
        shell(user_commands.app, *words)
    assert shell(user_commands.app, *words, "--witness", "mai") == "lan now signs in without a second factor."


def test_who_is_added_before_there_is_a_key_is_told_so(shell: Shell) -> None:
    words = ["add", "lan", "--role", "admin"]
    result = CliRunner().invoke(user_commands.app, words, env=shell.env, input=f"{PASSWORD}\n")
    assert "openssl rand" in result.stderr
    words[1] = "mai"
    keyed = shell.env | {"LOA_SECRET_KEY": KEY}
    assert CliRunner().invoke(user_commands.app, words, env=keyed, input=f"{PASSWORD}\n").stderr == ""


def test_secrets_are_sealed_anew_at_the_command_line(shell: Shell, database_url: str) -> None:
    added(database_url, "lan", "approver")
    with pytest.raises(Conflict, match="openssl rand"):
        shell(user_commands.app, "totp", "lan")
    db = Database(database_url)
    before = base64.b64encode(b"\1" * 32).decode()
    stored = Vault([before]).seal(1, "JBSWY3DPEHPK3PXP")
    db.write(lambda c: c.execute(update(people_table).values(totp_secret=stored, totp_since=1)))
    db.close()
    shell.env |= {"LOA_SECRET_KEY": KEY, "LOA_PREVIOUS_SECRET_KEY": before}
    assert shell(user_commands.app, "reseal").startswith("1 secret was re-encrypted")
    db = Database(database_url)
    assert db.read(users.row_of, "lan").totp_secret.startswith("sealed:")
    db.close()


def test_keys_at_the_command_line(shell: Shell) -> None:
    made = shell(loa, "key", "add", "desk", "--role", "operator", "--carrier", "vnpt", "--expires", "90d")
    rotated = shell(loa, "key", "rotate", "desk", "--overlap", "12h")
    assert made.startswith("loa_")
    assert rotated.startswith("loa_")
    assert rotated != made
    [listed] = json.loads(shell(loa, "key", "list", "--json"))
    assert (listed["role"], listed["carrier"], listed["made_by"]) == ("operator", "vnpt", whoami())
    assert listed["expires_at"]
    assert listed["previous_until"]
    assert shell(loa, "key", "add", "boss").startswith("loa_")
    with pytest.raises(Invalid, match="Operators need a carrier; other roles must not have one"):
        shell(loa, "key", "add", "other", "--role", "operator")
    with pytest.raises(Invalid, match="--overlap must be a number of hours or days, for example 24h or 90d"):
        span("overlap", "1 week")


def digest(shell: Shell, number: str = "1") -> str:
    return str(json.loads(shell(campaign_commands.app, "show", number, "--json"))["digest"])


def test_before_there_are_people_the_account_decides_but_not_on_its_own(
    shell: Shell, database_url: str
) -> None:
    submitted(database_url)
    with pytest.raises(Conflict, match="The campaign has changed since you opened it"):
        shell(campaign_commands.app, "approve", "1", "--digest", "0" * 64)
    assert (
        shell(campaign_commands.app, "approve", "1", "--digest", digest(shell)) == "Campaign 1 is approved."
    )
    submitted(database_url, whoami())
    with pytest.raises(FourEyes):
        shell(campaign_commands.app, "approve", "2", "--digest", digest(shell, "2"))
    with pytest.raises(FourEyes):
        shell(campaign_commands.app, "return", "2", "--reason", "x")


def test_over_the_api_and_at_the_keyboard_an_account_is_one_person(shell: Shell, database_url: str) -> None:
    submitted(database_url, account())
    added(database_url, account(), "admin")
    with pytest.raises(FourEyes):
        shell(campaign_commands.app, "approve", "1", "--digest", digest(shell))


@pytest.mark.parametrize(
    "verb", [["approve", "1"], ["reject", "1", "--reason", "x"], ["return", "1", "--reason", "x"]]
)
@pytest.mark.parametrize(
    ("who", "role", "disabled", "may"),
    [
        ("me", "approver", False, True),
        ("me", "admin", False, True),
        ("me", "auditor", False, False),
        ("me", "operator", False, False),
        ("me", "admin", True, False),
        ("somebody", "admin", False, False),
    ],
)
def test_once_people_exist_only_a_known_one_with_the_role_decides_at_the_keyboard(
    shell: Shell, database_url: str, verb: list[str], who: str, role: str, disabled: bool, may: bool
) -> None:
    submitted(database_url)
    added(database_url, account() if who == "me" else who, role, disabled)
    verb = [*verb, "--digest", digest(shell)] if verb[0] == "approve" else verb
    if may:
        shell(campaign_commands.app, *verb)
    else:
        with pytest.raises(Forbidden, match="Your account root is not a Loa user who may do this"):
            shell(campaign_commands.app, *verb)


def test_errors_of_people_are_sentences(shell: Shell) -> None:
    with pytest.raises(AppError, match="Operators need a carrier; other roles must not have one"):
        shell(user_commands.app, "add", "lan", "--role", "operator", stdin=f"{PASSWORD}\n")


@pytest.mark.parametrize("other", [str.upper, str.title, str.strip, lambda it: it[:64], lambda it: it[:-1]])
def test_a_password_is_taken_exactly_as_it_is(other: Callable[[str], str]) -> None:
    said = f" {PASSWORD} nam tu khac {hashlib.sha256(b'long').hexdigest()} "
    stored = hash_password(said, "lan")
    assert len(said) > 64
    assert is_password(stored, said)
    assert not is_password(stored, other(said))


def test_a_password_has_no_age(browser: Browser, add: Add, db: Database) -> None:
    add("lan")
    years = 10 * 366 * 86_400_000
    earlier = {"created_at": people_table.c.created_at - years}
    db.write(lambda c: c.execute(update(people_table).values(earlier)))
    assert browser.sign_in("lan").status_code == 201


@pytest.mark.parametrize("name", ["(.*)+$", "[a-", "a{9999999}", "(?i)\\", "^" * 80, "a|b"])
def test_a_name_is_no_pattern(name: str) -> None:
    stored = hash_password(PASSWORD, name, [name, "(?:"])
    assert is_password(stored, PASSWORD)
