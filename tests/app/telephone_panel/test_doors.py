"""The register over HTTP, the wall before carriers, personal links and the calls of gateway apps."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import campaigns, panel_answers, panel_telephones, runs
from app.runtime.api_app import create_app
from app.security.roles import Role
from tests.app.client import Client
from tests.app.telephone_panel.scene import add, ended, held, members, panel, sent, started
from tests.app.world import FIRST_PHONE, build
from tests.engines import by_default
from tests.operations import carry_out, new_key

database_url = by_default
ONE: dict[str, Any] = {
    "phone": "0912 345 678",
    "carrier": "viettel",
    "area": "03646",
    "consent_on": "2024-01-02",
}


@pytest.fixture
def app(keyed: Database) -> FastAPI:
    return create_app(Settings(), keyed)


@pytest.fixture
def office(app: FastAPI, keyed: Database) -> Iterator[Client]:
    with Client(app, new_key(keyed, "office", Role.APPROVER)) as client:
        yield client


@pytest.fixture
def holder(app: FastAPI) -> Iterator[Client]:
    """Whoever has a link; a browser without a session."""
    with Client(app) as client:
        yield client


# ---- The register


def test_a_telephone_is_added_listed_masked_and_removed(office: Client, keyed: Database) -> None:
    made = office.post("/v1/panel-telephones", json=ONE)
    assert (made.status_code, made.json()["phone"]) == (201, "8491*****78")
    again = office.post("/v1/panel-telephones", json=ONE | {"phone": "+84912345678"})
    assert (again.status_code, again.json()["detail"]) == (409, "This number is already in the panel.")
    assert office.get("/v1/panel-telephones?carrier=vnpt").json() == []
    listed = office.get("/v1/panel-telephones").text
    assert "912345678" not in listed
    assert office.delete(f"/v1/panel-telephones/{made.json()['id']}").status_code == 204
    assert office.get("/v1/panel-telephones").json() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone": "0212 345 678"}, "phone"),
        ({"phone": ""}, "phone"),
        ({"carrier": "vietel"}, "carrier"),
        ({"area": "99999"}, "area"),
        ({"area": "116"}, "area"),  # a district of before 07-2025
        ({"area": ""}, "area"),
        ({"consent_on": "2999-01-01"}, "consent_on"),
        ({"consent_on": "31/02/2024"}, "consent_on"),
        ({"name": "Lan"}, "name"),  # the register has no names
    ],
)
def test_what_does_not_fit_is_refused_at_its_field_also_in_a_table(
    office: Client, changes: dict[str, str], field: str
) -> None:
    fields = ONE | changes
    refused = office.post("/v1/panel-telephones", json=fields)
    assert (refused.status_code, refused.json()["errors"][0]["field"].removeprefix("body.")) == (422, field)
    table = ",".join(fields) + "\n" + ",".join(ONE.values()) + "\n" + ",".join(fields.values()) + "\n"
    if list(fields) == list(ONE):
        refused = office.post("/v1/panel-telephones/import", json={"table": table})
        assert (refused.status_code, "Line 3: " in refused.json()["detail"]) == (422, True)
    assert "912345678" not in refused.text
    assert office.get("/v1/panel-telephones").json() == []


def test_a_table_is_imported_as_offices_write_it_and_known_numbers_stay(office: Client) -> None:
    table = (
        "\ufeffphone;carrier;area;consent_on\r\n0912345678;viettel;3646;02/01/2024\r\n"
        "0912345679;vnpt;03646;2024-01-02\r\n"
    )
    assert office.post("/v1/panel-telephones/import", json={"table": table}).json() == {
        "added": 2,
        "known": 0,
    }
    more = table + "0912345680;vnpt;03646;2024-01-02\r\n0912 345 680;vnpt;03646;2024-01-02\r\n"
    assert office.post("/v1/panel-telephones/import", json={"table": more}).json() == {"added": 1, "known": 3}


# ---- The wall: a carrier that knew the numbers would serve them better


def test_a_carrier_learns_nothing_of_the_panel(app: FastAPI, keyed: Database) -> None:
    world = sent(keyed, 40, delivered=40)
    world.db.write(lambda c: c.execute(update(campaigns).values(name="Tet")))
    paths = [
        f"/v1/runs/{world.run}",
        "/v1/runs",
        f"/v1/runs/{world.run}/report",
        f"/v1/batches/{world.batch}",
    ]
    paths += [f"/v1/campaigns/{world.campaign}", f"/v1/campaigns/{world.campaign}/report"]
    paths.append("/v1/inbound-messages")
    pages = [f"/runs/{world.run}", f"/batches/{world.batch}", f"/reports/runs/{world.run}"]
    forbidden = ["/v1/panel-telephones", f"/v1/runs/{world.run}/panel", "/panel", f"/runs/{world.run}/panel"]
    forbidden += [f"/v1/campaigns/{world.campaign}/panel-judgements", f"/v1/runs/{world.run}/doubts"]
    with Client(app, new_key(keyed, "desk", Role.OPERATOR, "viettel")) as carrier:
        before = [_still(carrier.get(path).text) for path in paths]
        telephones = panel(keyed, 30)
        for telephone in telephones[:9]:
            link = next(each.link for each in members(keyed, world.run) if each.telephone_id == telephone)
            assert carrier.post(str(link), data={"answer": "not_received"}).status_code == 303
        carry_out(keyed, "ask_run_panel", run_id=world.run)
        assert [_still(carrier.get(path).text) for path in paths] == before
        for path in forbidden:
            assert carrier.get(path).status_code == 403, path
        assert carrier.post("/v1/panel-telephones", json=ONE).status_code == 403
        assert carrier.post(f"/v1/panel-telephones/{telephones[0]}/gateway").status_code == 403
        for page in pages:
            assert "máy kiểm chứng" not in carrier.get(page, headers={"Accept": "text/html"}).text.lower()
    with Client(app, new_key(keyed, "auditor", Role.AUDITOR)) as auditor:
        (judgement,) = auditor.get(f"/v1/campaigns/{world.campaign}/panel-judgements").json()
        assert judgement["verdict"] == "refuted"
        assert auditor.post("/v1/panel-telephones", json=ONE).status_code == 403


def _still(text: str) -> str:
    """Without the moment at which it was asked."""
    return re.sub(r'"(cut_off_at|now|at)": ?"[^"]*"', "", text)


# ---- Personal links


def link(db: Database, run_id: int, place: int = 0) -> str:
    found = members(db, run_id)[place].link
    assert found is not None
    return found


def press(client: Client, path: str, answer: str | None) -> int:
    return int(client.post(path, data={} if answer is None else {"answer": answer}).status_code)


def stored(db: Database) -> list[tuple[int, str]]:
    query = select(panel_answers.c.telephone_id, panel_answers.c.answer).order_by(
        panel_answers.c.telephone_id
    )
    return [tuple(row) for row in db.read(lambda c: c.execute(query).all())]


def test_a_link_has_no_number_and_answers_once_however_often_it_is_pressed(
    holder: Client, keyed: Database
) -> None:
    world = sent(keyed, 2)
    one, _ = panel(keyed, 2)
    path = link(keyed, world.run)
    assert str(FIRST_PHONE)[-9:] not in path
    page = holder.get(path, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert "8491" not in page.text
    assert "Canh giac lua dao" not in page.text
    assert stored(keyed) == []  # looking, as programs do that follow links, answers nothing
    assert [press(holder, path, said) for said in ("received", "received", "not_received")] == [303] * 3
    assert stored(keyed) == [(one, "received")]
    assert "Câu trả lời của ông/bà" in holder.get(path, headers={"Accept": "text/html"}).text


@pytest.mark.parametrize("answer", ["", None, "yes", "RECEIVED", "received\x00", "x" * 5000])
def test_an_answer_that_is_none_of_the_three_is_refused(
    holder: Client, keyed: Database, answer: str | None
) -> None:
    world = sent(keyed, 1)
    panel(keyed, 1)
    assert press(holder, link(keyed, world.run), answer) == 422
    assert stored(keyed) == []


def test_an_altered_link_or_one_of_another_run_or_telephone_opens_nothing(
    holder: Client, keyed: Database
) -> None:
    world = sent(keyed, 2)
    one, two = panel(keyed, 2)
    path = link(keyed, world.run)
    stamp = path.rpartition("/")[2]
    altered = [f"/panel/{world.run}/{two}/{stamp}", f"/panel/{world.run + 1}/{one}/{stamp}"]
    altered += [f"/panel/{world.run}/{one}/{stamp[:-1]}{'0' if stamp[-1] != '0' else '1'}", f"{path}0"]
    altered += [f"/panel/{world.run}/{one}/{stamp.upper()}", f"/panel/{world.run}/{one}/ư{stamp[1:]}"]
    altered += [f"/panel/{world.run}/999/{stamp}", f"/panel/{world.run}/{one}/x"]
    for each in altered:
        assert press(holder, each, "received") == 404, each
        assert holder.get(each, headers={"Accept": "text/html"}).status_code == 404
    assert stored(keyed) == []


def test_the_link_of_a_removed_telephone_or_one_with_a_new_entry_is_not_valid(
    holder: Client, keyed: Database
) -> None:
    world = sent(keyed, 1)
    (one,) = panel(keyed, 1)
    path = link(keyed, world.run)
    carry_out(keyed, "remove_panel_telephone", telephone_id=one)
    assert press(holder, path, "received") == 404
    again = add(keyed, FIRST_PHONE, ago_ms=1)
    assert press(holder, path.replace(f"/{one}/", f"/{again}/"), "received") == 404
    assert stored(keyed) == []


def test_without_a_secret_key_no_link_is_valid(db: Database) -> None:
    world = sent(db, 1)
    (one,) = panel(db, 1)
    assert members(db, world.run)[0].link is None
    with Client(create_app(Settings(), db)) as client:
        assert press(client, f"/panel/{world.run}/{one}/{'0' * 64}", "received") == 404


def test_a_link_after_an_early_answer_says_when_to_come_again(holder: Client, keyed: Database) -> None:
    world = sent(keyed, 1)
    panel(keyed, 1)
    ended(keyed, world.run, 60_000)
    path = link(keyed, world.run)
    assert 'value="not_received"' not in holder.get(path, headers={"Accept": "text/html"}).text
    assert press(holder, path, "not_received") == 409
    assert stored(keyed) == []


def test_guesses_at_links_are_limited(keyed: Database) -> None:
    few = Settings().model_copy(update={"stranger_requests_per_minute": 5})
    with Client(create_app(few, keyed)) as client:
        found = [press(client, f"/panel/1/1/{n:064x}", "received") for n in range(8)]
    assert found == [404] * 5 + [429] * 3


def test_no_log_has_the_stamp_of_a_link(
    holder: Client, keyed: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    world = sent(keyed, 1)
    panel(keyed, 1)
    path = link(keyed, world.run)
    press(holder, path, "received")
    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert f"/panel/{world.run}/" in text
    assert path.rpartition("/")[2] not in text


def test_who_only_reads_the_panel_gets_no_link_with_which_to_answer(app: FastAPI, keyed: Database) -> None:
    world = sent(keyed, 1)
    panel(keyed, 1)
    path = link(keyed, world.run)
    for role, has_link in ((Role.ADMIN, True), (Role.APPROVER, True), (Role.AUDITOR, False)):
        with Client(app, new_key(keyed, f"{role} reads", role)) as reader:
            for place in (f"/v1/runs/{world.run}/panel", f"/runs/{world.run}/panel"):
                answer = reader.get(place, headers={"Accept": "text/html, application/json"})
                assert answer.status_code == 200
                assert (path in answer.text) == has_link, (role, place)


# ---- Gateway apps

TEXT = "Canh giac lua dao"


class Gateway:
    """An app on a telephone: it signs the body and its clock's time with the key that it was given."""

    def __init__(self, client: Client, db: Database, telephone_id: int) -> None:
        found = carry_out(db, "read_panel_gateway", telephone_id=telephone_id)
        self.client, self.path, self.key = client, found.path, found.key

    def call(self, body: bytes, stamp: str | None = None, signature: str | None = None) -> tuple[int, Any]:
        stamp = str(clock.now_ms() // 1000) if stamp is None else stamp
        made = hmac.new(self.key.encode(), body + stamp.encode(), hashlib.sha256).hexdigest()
        shown = made if signature is None else signature
        headers = {b"X-Timestamp": stamp.encode(), b"X-Signature": shown.encode()}
        answer = self.client.post(self.path, content=body, headers=headers)
        return answer.status_code, answer.json()

    def sms(self, message: str, ago_s: int = 3600, **more: Any) -> tuple[int, Any]:
        at = clock.moment(clock.now_ms() - ago_s * 1000).isoformat()
        payload = {"message": message, "receivedAt": at, "phoneNumber": "CA SONLA", "simNumber": 1}
        return self.call(json.dumps({"event": "sms:received", "id": "a", "payload": payload} | more).encode())


@pytest.fixture
def gateway(holder: Client, keyed: Database) -> Gateway:
    world = sent(keyed, 2)
    assert world.run == 1
    return Gateway(holder, keyed, panel(keyed, 2)[0])


YES, NO = (200, {"recorded": True}), (200, {"recorded": False})


def test_a_received_text_is_recorded_however_often_it_is_reported(gateway: Gateway, keyed: Database) -> None:
    assert [gateway.sms(TEXT), gateway.sms("[QC] Cảnh giác lừa đảo"), gateway.sms(TEXT)] == [YES] * 3
    assert stored(keyed) == [(1, "received")]


def test_several_messages_at_once_are_looked_at_one_by_one(gateway: Gateway, keyed: Database) -> None:
    def batch(*messages: str) -> tuple[int, Any]:
        at = clock.moment(clock.now_ms() - 3_600_000).isoformat()
        payload = {
            "messages": [{"message": each, "receivedAt": at, "sender": "CA SONLA"} for each in messages]
        }
        return gateway.call(json.dumps({"event": "sms:batch:received", "payload": payload}).encode())

    assert [batch(), batch("Ma OTP cua ban la 123456")] == [NO, NO]
    assert batch("x" * 20_000, TEXT, "Ma OTP cua ban la 123456") == YES
    assert stored(keyed) == [(1, "received")]


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_a_call_signed_at_another_time_is_refused(gateway: Gateway, keyed: Database, off_s: int) -> None:
    at = clock.moment(clock.now_ms()).isoformat()
    payload = {"message": TEXT, "receivedAt": at}
    body = json.dumps({"event": "sms:received", "payload": payload}).encode()
    for stamp in (str(clock.now_ms() // 1000 + off_s), "", "soon"):
        status, answer = gateway.call(body, stamp)
        assert (status, "the telephone's clock" in answer["detail"]) == (403, True), stamp
    assert stored(keyed) == []


@pytest.mark.parametrize(
    "message", ["Ma OTP cua ban la 123456", "", "Canh giac", "Toi nay me ve an com khong?"]
)
def test_a_private_message_is_neither_recorded_nor_kept_nor_logged(
    gateway: Gateway, keyed: Database, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway.sms(message) == NO
    assert stored(keyed) == []
    logged = capsys.readouterr()
    assert not message or message not in logged.out + logged.err


def test_a_text_that_came_before_the_start_is_of_an_earlier_campaign(
    gateway: Gateway, keyed: Database
) -> None:
    assert gateway.sms(TEXT, ago_s=3 * 86_400) == NO
    assert stored(keyed) == []


def test_a_forged_or_altered_call_is_refused(gateway: Gateway, keyed: Database) -> None:
    body = json.dumps({"event": "sms:received", "payload": {"message": TEXT, "receivedAt": "x"}}).encode()
    other = Gateway(gateway.client, keyed, 2)
    good = hmac.new(gateway.key.encode(), body + b"1", hashlib.sha256).hexdigest()
    for signature in ("", "0" * 64, good.upper(), good[:-1], other.key, "é" * 3):
        assert gateway.call(body, "1", signature)[0] == 403, signature
    assert gateway.call(body + b" ", "1", good)[0] == 403
    assert gateway.call(body, "2", good)[0] == 403
    gateway.path = other.path
    assert gateway.sms(TEXT)[0] == 403  # the key of another telephone
    gateway.path = "/v1/panel-gateway/999"
    assert gateway.sms(TEXT)[0] == 403
    assert stored(keyed) == []


def test_the_key_ends_with_the_telephone(gateway: Gateway, keyed: Database) -> None:
    carry_out(keyed, "remove_panel_telephone", telephone_id=1)
    assert gateway.sms(TEXT)[0] == 403


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=30),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["event", "payload", "message", "receivedAt"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_signed_call_that_is_none_is_refused_in_words(gateway: Gateway, body: bytes) -> None:
    status, answer = gateway.call(body)
    assert (status, bool(answer["detail"])) == (422, True)


def test_keys_of_a_database_copy_are_not_enough_to_press(keyed: Database) -> None:
    """Neither links nor gateway keys are in the database: they follow from the secret_key."""
    world = sent(keyed, 1)
    panel(keyed, 1)
    stamp = link(keyed, world.run).rpartition("/")[2]
    rows = [
        keyed.read(lambda c, table=table: c.execute(select(table)).all())
        for table in (panel_telephones, panel_answers, runs)
    ]
    assert stamp not in str(rows)


def test_a_text_that_arrives_before_the_ledger_has_the_carrier_s_answer_is_recorded(
    holder: Client, keyed: Database
) -> None:
    """Answers are recorded in halves of a chunk: a telephone has its text seconds before that."""
    world = build(keyed, 1)
    panel(keyed, 1)
    started(world, 3_600_000)
    world.fan_out()
    assert Gateway(holder, keyed, 1).sms(TEXT, ago_s=1) == YES
    assert stored(keyed) == [(1, "received")]


def test_of_two_campaigns_with_one_text_the_one_that_had_begun_is_meant(
    holder: Client, keyed: Database
) -> None:
    """Between the two starts it can only be of the first one; after both it is taken as of the later one."""
    world = sent(keyed, 1)
    add(keyed, FIRST_PHONE, "vnpt")
    later = held(keyed)
    values = {"texts": {"": TEXT}, "wording": TEXT}
    keyed.write(lambda c: c.execute(update(campaigns).values(values)))
    begun = {"started_at": clock.now_ms() - 3_600_000}
    keyed.write(lambda c: c.execute(update(runs).where(runs.c.id == later).values(begun)))
    gateway = Gateway(holder, keyed, 1)
    query = select(panel_answers.c.run_id)
    for ago_s, expected in ((7200, [world.run]), (60, [world.run, later])):
        assert gateway.sms(TEXT, ago_s=ago_s) == YES
        assert sorted(keyed.read(lambda c: c.execute(query).scalars().all())) == expected
