"""The second factor: enrolment, codes that are good once, and recovery codes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import Row, select, update

from app.accounts.service import disable_person, remove_factor, reseal
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import people, recovery_codes
from app.runtime.api_app import create_app
from app.security import audit, create_key, totp
from app.security.principal import at_keyboard
from app.security.roles import OF_PEOPLE, PERMISSIONS
from app.security.secret_encryption import KeyMissing, Vault, vault_of
from tests.app.client import Client
from tests.long.app.accounts.conftest import PASSWORD, Browser

Add = Callable[..., str]
PLAIN = Vault(open_air=True)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def person(db: Database) -> Row[Any]:
    return db.read(lambda c: c.execute(select(people)).one())


def code(step: int = 0, secret: str = SECRET) -> str:
    """The code of the app now, or so many steps of half a minute later."""
    return str(pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * step)))


def later(db: Database) -> None:
    """As if the last code were of long ago."""
    db.write(lambda c: c.execute(update(people).values(totp_step=0)))


def enrolled(db: Database) -> None:
    """The person has a second factor with a known secret."""
    db.write(lambda c: c.execute(update(people).values(totp_secret=SECRET, totp_since=1)))


def test_a_person_sets_up_a_second_factor_and_signs_in_with_it(
    browser: Browser, add: Add, db: Database
) -> None:
    browser.sign_in(add("lan"))
    assert browser.ask("POST", "/v1/me/totp", json={"password": "wrong password"}).status_code == 401
    made = browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).json()
    secret = made["secret"]
    assert made["uri"] == f"otpauth://totp/Loa:lan?secret={secret}&issuer=Loa"
    assert browser.sign_in("lan").status_code == 201  # it does not count yet
    right = {code(step, secret) for step in (-1, 0, 1)}
    other = next(each for each in ("000000", "111111", "222222", "333333") if each not in right)
    assert browser.ask("POST", "/v1/me/totp/confirm", json={"code": other}).status_code == 422
    confirmed = browser.ask("POST", "/v1/me/totp/confirm", json={"code": code(secret=secret)})
    assert len(set(confirmed.json()["recovery_codes"])) == 10
    assert browser.sign_in("lan").status_code == 401
    later(db)
    assert browser.sign_in("lan", code=code(secret=secret)).status_code == 201
    assert browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).status_code == 409


def test_no_code_works_twice(browser: Browser, add: Add, db: Database) -> None:
    add("lan")
    enrolled(db)
    now = code()
    assert browser.sign_in("lan", code=now).status_code == 201
    assert browser.sign_in("lan", code=now).status_code == 401
    assert browser.sign_in("lan", code=code(-1)).status_code == 401
    later(db)
    assert browser.sign_in("lan", code=code()).status_code == 201


@pytest.mark.parametrize(("step", "good"), [(-2, False), (-1, True), (0, True), (1, False)])
def test_a_code_lives_for_its_half_minute_and_the_next_one(
    add: Add, db: Database, step: int, good: bool
) -> None:
    add("lan")
    assert passes(db, step, vault_of(Settings(environment="development"))) is good


@pytest.mark.parametrize(("step", "good"), [(-2, False), (-1, False), (0, True), (1, False)])
def test_where_nothing_may_be_late_a_code_lives_for_its_half_minute(
    add: Add, db: Database, step: int, good: bool
) -> None:
    add("lan")
    assert passes(db, step, vault_of(Settings(environment="development", totp_late_steps=0))) is good


def test_no_more_than_one_step_may_be_late() -> None:
    with pytest.raises(ValidationError, match="totp_late_steps"):
        Settings(totp_late_steps=2)


def passes(db: Database, step: int, vault: Vault) -> bool:
    """Whether a code of so many steps later is taken now."""
    enrolled(db)
    while True:
        began = half_minute()
        passed = db.write(totp.passes, person(db), code(step), vault)
        if half_minute() == began:  # else another half minute has begun meanwhile
            return passed
        later(db)


def half_minute() -> int:
    return int(clock.now().timestamp()) // 30


@pytest.mark.parametrize("step", [-3, 3])
def test_a_code_of_another_time_is_wrong(browser: Browser, add: Add, db: Database, step: int) -> None:
    add("lan")
    enrolled(db)
    assert browser.sign_in("lan", code=code(step)).status_code == 401


def test_a_code_may_be_typed_with_a_blank(add: Add, db: Database) -> None:
    add("lan")
    enrolled(db)
    now = code()
    assert db.write(totp.passes, person(db), f"{now[:3]} {now[3:]}", PLAIN)


@pytest.mark.parametrize("wrong", ["", "000", "é" * 6, "\ud800" * 6, None])
def test_what_is_no_code_does_not_pass(add: Add, db: Database, wrong: str | None) -> None:
    add("lan")
    enrolled(db)
    assert not db.write(totp.passes, person(db), wrong, PLAIN)


def test_a_right_code_with_a_wrong_password_is_not_used_up(browser: Browser, add: Add, db: Database) -> None:
    add("lan")
    enrolled(db)
    now = code()
    assert browser.sign_in("lan", "wrong password", code=now).status_code == 401
    assert browser.sign_in("lan", code=now).status_code == 201


def test_a_recovery_code_lets_in_once_and_is_stored_as_a_hash(
    browser: Browser, add: Add, db: Database
) -> None:
    browser.sign_in(add("lan"))
    secret = browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).json()["secret"]
    answer = browser.ask("POST", "/v1/me/totp/confirm", json={"code": code(secret=secret)})
    first = answer.json()["recovery_codes"][0]
    stored = db.read(lambda c: c.execute(select(recovery_codes.c.code_hash)).scalars().all())
    assert {len(each) for each in stored} == {32}
    assert browser.sign_in("lan", code=first.upper().replace("-", " ")).status_code == 201
    assert browser.sign_in("lan", code=first).status_code == 401


def test_a_factor_is_confirmed_only_after_it_was_asked_for(add: Add, db: Database) -> None:
    add("lan")
    with pytest.raises(Conflict, match="There is no second factor to confirm"):
        db.write(totp.confirm, person(db), "123456", PLAIN)
    db.write(totp.enrol, person(db), PLAIN)
    with pytest.raises(Invalid, match="The code does not match"):
        db.write(totp.confirm, person(db), "12345", PLAIN)


def test_a_lost_telephone_is_taken_out_by_an_admin(browser: Browser, add: Add, db: Database) -> None:
    add("lan")
    enrolled(db)
    assert browser.sign_in("lan").status_code == 401
    db.write(remove_factor, "lan", "chief", RECOGNISED)
    assert browser.sign_in("lan").status_code == 201


RECOGNISED = "came in person, service card shown"


@pytest.mark.parametrize("said", ["", "it is him", " " * 40, "x" * 301])
def test_nobody_loses_a_factor_before_it_is_said_how_the_person_was_recognised(
    browser: Browser, add: Add, db: Database, said: str
) -> None:
    add("lan")
    enrolled(db)
    with pytest.raises(Invalid, match="--recognised"):
        db.write(remove_factor, "lan", "chief", said)
    assert browser.sign_in("lan").status_code == 401


def test_where_there_are_others_one_of_them_stands_beside_it(add: Add, db: Database) -> None:
    for name in ("lan", "chief", "gone", "mai"):
        add(name)
    db.write(disable_person, "gone", "test")
    for witness in (None, "", "lan", "chief", "gone", "nobody"):
        with pytest.raises(Invalid, match="--witness"):
            db.write(remove_factor, "lan", at_keyboard("chief"), RECOGNISED, witness)
    db.write(remove_factor, "lan", at_keyboard("chief"), f" {RECOGNISED} ", "mai")
    (act,) = [each for each in db.read(audit.listed, 0, 100).items if each.action == "person.factor.remove"]
    assert (act.who, act.subject) == (at_keyboard("chief"), "person/lan")
    assert act.detail == {"recognised": RECOGNISED, "witness": "mai"}


# ---- at rest --------------------------------------------------------------------------------------------

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (251, 7))  # the first one with + and /


def keyed(settings: Settings, present: str, previous: str | None = None) -> Settings:
    return settings.model_validate(
        settings.model_dump() | {"secret_key": present, "previous_secret_key": previous}
    )


def sign_in(settings: Settings, db: Database) -> int:
    """A sign-in with a code, by an application with these settings; its status."""
    later(db)
    with Client(create_app(settings, db)) as client:
        return Browser(client).sign_in("lan", code=code()).status_code


def test_a_secret_is_sealed_at_rest_and_another_key_does_not_open_it(
    settings: Settings, add: Add, db: Database
) -> None:
    add("lan")
    vault = vault_of(keyed(settings, OLD))
    secret = db.write(totp.enrol, person(db), vault)
    stored = person(db).totp_secret
    assert stored.startswith("sealed:")
    assert secret not in stored
    assert len(stored) < 400
    assert db.write(totp.confirm, person(db), code(secret=secret), vault)
    for wrong in (PLAIN, vault_of(keyed(settings, NEW))):
        with pytest.raises(KeyMissing, match="previous_secret_key"):
            db.write(totp.passes, person(db), code(secret=secret), wrong)


def test_a_key_is_changed_without_a_gap(settings: Settings, add: Add, db: Database) -> None:
    add("lan")
    enrolled(db)
    assert sign_in(settings, db) == 201
    first, both, second = (keyed(settings, *keys) for keys in ((OLD,), (NEW, OLD), (NEW,)))
    assert sign_in(first, db) == 201  # not sealed yet
    assert db.write(reseal, "host", vault_of(first)) == 1
    assert [sign_in(each, db) for each in (first, both, second)] == [201, 201, 503]
    assert [db.write(reseal, "host", vault_of(both)) for _ in range(2)] == [1, 0]
    assert [sign_in(each, db) for each in (first, both, second)] == [503, 201, 201]


def test_a_sealed_secret_that_is_copied_to_another_person_opens_for_nobody(
    settings: Settings, add: Add, db: Database
) -> None:
    vault = vault_of(keyed(settings, OLD))
    stored = vault.seal(1, SECRET)
    assert vault.open(1, stored) == SECRET
    with pytest.raises(KeyMissing):
        vault.open(2, stored)


def test_a_recovery_code_is_good_though_the_key_be_lost(settings: Settings, add: Add, db: Database) -> None:
    add("lan")
    vault = vault_of(keyed(settings, OLD))
    secret = db.write(totp.enrol, person(db), vault)
    [first, *_] = db.write(totp.confirm, person(db), code(secret=secret), vault)
    assert db.write(totp.passes, person(db), first, vault_of(keyed(settings, NEW)))


def test_in_production_no_second_factor_is_set_up_without_a_key(add: Add, db: Database) -> None:
    add("lan")
    vault = vault_of(Settings())
    with pytest.raises(Conflict, match="openssl rand"):
        db.write(totp.enrol, person(db), vault)
    db.write(totp.enrol, person(db), PLAIN)
    with pytest.raises(Conflict, match="openssl rand"):
        db.write(reseal, "host", vault)


@pytest.mark.parametrize("wrong", ["", "hunter2", "A" * 44, base64.b64encode(b"x" * 31).decode()])
def test_a_key_is_256_bits_in_base64(wrong: str) -> None:
    with pytest.raises(ValidationError, match="32 random bytes") as refused:
        Settings(secret_key=SecretStr(wrong))
    assert "hunter2" not in str(refused.value)


# ---- where it is demanded -------------------------------------------------------------------------------


@pytest.fixture
def strict(settings: Settings, db: Database) -> Iterator[Client]:
    """An application that demands a second factor of admins and operators."""
    demanding = settings.model_copy(update={"second_factor_roles": ("admin", "operator")})
    with Client(create_app(demanding, db)) as client:
        yield client


def test_in_production_all_roles_work_with_a_second_factor_unless_the_settings_say_otherwise() -> None:
    assert set(Settings().factor_roles) == set(OF_PEOPLE)
    assert Settings(environment="development").factor_roles == ()
    assert Settings(second_factor_roles=("admin",)).factor_roles == ("admin",)


def test_who_lacks_a_demanded_factor_can_only_set_it_up(strict: Client, add: Add) -> None:
    browser = Browser(strict)
    assert browser.sign_in(add("lan", "admin")).json()["must_enrol"] is True
    for method, url in [("GET", "/v1/runs"), ("POST", "/v1/texts/preview"), ("GET", "/v1/users")]:
        refused = browser.ask(method, url, json={"text": "x"})
        assert (refused.status_code, refused.json()["type"]) == (403, "/docs/errors#second-factor-wanted")
    assert browser.ask("GET", "/v1/me").json()["must_enrol"] is True
    secret = browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).json()["secret"]
    assert browser.ask("GET", "/v1/runs").status_code == 403
    assert browser.ask("POST", "/v1/me/totp/confirm", json={"code": code(secret=secret)}).status_code == 200
    assert browser.ask("GET", "/v1/me").json()["must_enrol"] is False
    assert browser.ask("GET", "/v1/users").status_code == 200


def test_other_roles_and_keys_do_without(strict: Client, add: Add, db: Database) -> None:
    browser = Browser(strict)
    assert browser.sign_in(add("mai", "approver")).json()["must_enrol"] is False
    assert browser.ask("GET", "/v1/runs").status_code == 200
    by_key = {"Authorization": f"Bearer {db.write(create_key, 'desk')}"}
    assert strict.get("/v1/runs", headers=by_key).status_code == 200


def test_out_and_another_password_need_no_factor(strict: Client, add: Add) -> None:
    browser = Browser(strict)
    browser.sign_in(add("lan", "operator", "vnpt"))
    new = {"present": PASSWORD, "new": "nam tu khac chang lien quan"}
    browser.take(browser.ask("PUT", "/v1/me/password", json=new))
    assert browser.ask("DELETE", "/v1/session").status_code == 204


def test_what_is_open_without_a_factor_is_for_the_caller_alone() -> None:
    assert {operation for operation in totp.WITHOUT if PERMISSIONS[operation] != set(OF_PEOPLE)} == set()


@pytest.mark.parametrize("planted", [SECRET, "sealed:" + SECRET, f"1:{SECRET}"])
def test_in_production_a_secret_that_nobody_has_sealed_opens_for_nobody(
    add: Add, db: Database, planted: str
) -> None:
    add("lan")
    enrolled(db)
    db.write(lambda c: c.execute(update(people).values(totp_secret=planted)))
    for vault in (vault_of(Settings()), vault_of(keyed(Settings(), OLD))):
        with pytest.raises(KeyMissing, match="The secret of the second factor cannot be decrypted"):
            db.write(totp.passes, person(db), code(), vault)
        if vault is not PLAIN:
            assert db.read(lambda c: c.execute(select(people.c.totp_secret)).scalar_one()) == planted
    with pytest.raises(KeyMissing):
        db.write(reseal, "host", vault_of(keyed(Settings(), OLD)))


@pytest.mark.prove
@pytest.mark.parametrize("way", ["/v1/me/totp/confirm", "/second-factor/confirm"])
def test_guessing_the_code_that_confirms_a_factor_is_slowed_like_a_sign_in(
    browser: Browser, add: Add, db: Database, way: str
) -> None:
    add("lan")
    assert browser.sign_in("lan").status_code == 201
    secret = browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).json()["secret"]
    how = {"json": {"code": "000000"}} if "v1" in way else {"data": {"code": "000000", "csrf": browser.csrf}}
    answers = [browser.ask("POST", way, **how) for _ in range(30)]
    assert [each.status_code for each in answers][:5] == [422] * 5
    since = clock.monotonic()
    last = browser.ask("POST", way, **how)
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    right = browser.ask("POST", "/v1/me/totp/confirm", json={"code": code(secret=secret)})
    assert right.status_code == 429 or clock.monotonic() - since >= int(last.headers["Retry-After"])


def test_another_password_from_an_admin_leaves_the_factor_as_it_is(
    browser: Browser, client: Client, add: Add, db: Database
) -> None:
    add("lan")
    enrolled(db)
    new = "nam tu khac chang lien quan"
    assert client.put("/v1/users/lan/password", json={"password": new}).status_code == 204
    assert browser.sign_in("lan", new).status_code == 401
    assert browser.sign_in("lan", new, code=code()).status_code == 201
