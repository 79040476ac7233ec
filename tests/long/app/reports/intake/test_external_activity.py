"""What the other addressees of a directive report: by API, by workbook, in time or late, by channel."""

from __future__ import annotations

import io
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import Invalid
from app.database.connection import Database
from app.database.models import audit, directives
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeKind, OutreachChannel, guessed
from app.reports.intake import external_activity, external_activity_workbook
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.long.app.reports.intake.forms import naive
from tests.sampled import each_third

NAMES = ["Sở Tư pháp", "UBND huyện Mai Sơn", "Đài PT-TH tỉnh", "VNPT Sơn La"]
LETTER = {
    "number": "303/CAT-PA05",
    "issued_on": "2024-01-29",
    "issuer": "Công an tỉnh",
    "subject": "Tuyên truyền",
    "report_deadline": "2024-02-24T17:00:00+07:00",
    "addressees": NAMES,
}
ITEMS = [
    {"channel": "loudspeaker", "pieces": 12, "reach": 3500, "minutes": 60, "languages": "phổ thông, Thái"},
    {"channel": "meeting", "pieces": 2, "reach": 180},
]


@pytest.fixture
def directive(client: Client) -> str:
    return str(client.post("/v1/directives", json=LETTER).headers["Location"])


def reported(client: Client, directive: str, name: str = NAMES[0], **changes: Any) -> Any:
    body = {"addressee": name, "items": ITEMS, "received_at": "2024-02-20T09:00:00+07:00"}
    return client.post(f"{directive}/reports", json=body | changes)


def statuses(client: Client, directive: str) -> dict[str, Any]:
    found = client.get(f"{directive}/addressees").json()
    return {each["addressee"]["name"]: each for each in found["addressees"]}


@pytest.mark.parametrize(
    ("name", "kind", "carrier"),
    [
        ("Sở Thông tin và Truyền thông", AddresseeKind.DEPARTMENT, None),
        ("UBND huyện Sông Mã", AddresseeKind.LOCALITY, None),
        ("Ủy ban nhân dân thành phố", AddresseeKind.LOCALITY, None),
        ("Ủy ban MTTQ Việt Nam tỉnh", AddresseeKind.UNION, None),
        ("Hội Liên hiệp Phụ nữ", AddresseeKind.UNION, None),
        ("Báo Sơn La", AddresseeKind.PRESS, None),
        ("Ngân hàng Nhà nước", AddresseeKind.BANK, None),
        ("VinaPhone Sơn La", AddresseeKind.CARRIER, "vnpt"),
        ("Chi nhánh Viettel Sơn La", AddresseeKind.CARRIER, "viettel"),
        ("Sông Đà", AddresseeKind.OTHER, None),
        ("Viễn thông Sơn La", AddresseeKind.CARRIER, "vnpt"),
        ("Trung tâm Viễn thông Mộc Châu", AddresseeKind.CARRIER, "vnpt"),
        ("Tập đoàn Bưu chính Viễn thông", AddresseeKind.CARRIER, "vnpt"),
        ("Tập đoàn Công nghiệp - Viễn thông Quân đội", AddresseeKind.CARRIER, "viettel"),
        ("Mobiphone Sơn La", AddresseeKind.CARRIER, "mobifone"),
        ("iTel", AddresseeKind.CARRIER, "itel"),
        ("Các ngân hàng chi nhánh tỉnh", AddresseeKind.BANK, None),
        ("Các sở, ban, ngành", AddresseeKind.DEPARTMENT, None),
        ("- Các cơ quan báo chí", AddresseeKind.PRESS, None),
        ("2. Các đoàn thể", AddresseeKind.UNION, None),
    ],
)
def test_a_name_tells_its_kind_until_somebody_says_otherwise(
    name: str, kind: AddresseeKind, carrier: str | None
) -> None:
    found = guessed(1, name)
    assert (found.kind, found.carrier) == (kind, carrier)


def test_who_reported_and_who_is_late(client: Client, directive: str) -> None:
    assert reported(client, directive).status_code == 201
    late = reported(client, directive, NAMES[1], received_at="2024-02-25T08:00:00+07:00")
    assert late.status_code == 201
    found = statuses(client, directive)
    assert list(found) == NAMES[:3]
    assert [(each["late"], each["report"] is not None) for each in found.values()] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert found[NAMES[0]]["first_at"] == "2024-02-20T09:00:00+07:00"


def test_nobody_is_late_before_the_deadline(client: Client, directive: str, db: Database) -> None:
    later = clock.now_ms() + 1_000_000
    db.write(lambda c: c.execute(update(directives).values(report_deadline=later)))
    assert {each["late"] for each in statuses(client, directive).values()} == {False}


def test_totals_are_by_channel(client: Client, directive: str) -> None:
    reported(client, directive)
    reported(client, directive, NAMES[2], items=[{"channel": "loudspeaker", "pieces": 3}])
    found = client.get(f"{directive}/addressees").json()["channels"]
    assert found == [
        {"channel": "meeting", "units": 1, "pieces": 2, "reach": 180, "minutes": None},
        {"channel": "loudspeaker", "units": 2, "pieces": 15, "reach": 3500, "minutes": 60},
    ]


def test_a_correction_replaces_the_figures_and_keeps_the_first_date(client: Client, directive: str) -> None:
    reported(client, directive)
    again = {"items": [{"channel": "print", "pieces": 9}], "received_at": "2024-02-26T09:00:00+07:00"}
    assert reported(client, directive, **again).status_code == 422
    assert reported(client, directive, **again, reason="Bổ sung").json()["paper"]["version"] == 2
    found = statuses(client, directive)[NAMES[0]]
    assert (found["late"], found["report"]["items"][0]["channel"]) == (False, "print")
    assert len(client.get(f"{directive}/reports").json()) == 2


def test_an_addressee_is_described_or_added(client: Client, directive: str, db: Database) -> None:
    body = {"name": NAMES[0], "kind": "other", "email": "vp@sotuphap.example"}
    assert client.put(f"{directive}/addressees", json=body).json()["email"] == "vp@sotuphap.example"
    new = {"name": "Ngân hàng A", "kind": "bank"}
    assert client.put(f"{directive}/addressees", json=new).status_code == 200
    found = statuses(client, directive)
    assert found[NAMES[0]]["addressee"]["kind"] == "other"
    assert "Ngân hàng A" in found
    assert client.get(directive).json()["addressees"] == NAMES  # what stands in the letter stays
    actions = db.read(lambda c: c.execute(select(audit.c.action)).scalars().all())
    assert actions.count("addressee.set") == 2


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"name": "Sở Nào Đó"}, 404, "addressee"),
        ({"name": NAMES[3]}, 422, "addressee"),
        (
            {"items": [{"channel": "website", "pieces": 1, "url": "javascript:alert(1)"}]},
            422,
            "items.0.url",
        ),
        ({"items": [{"channel": "meeting", "pieces": 1, "note": "gọi 0912 345 678"}]}, 422, "items.0.note"),
        ({"received_at": "2044-01-01T00:00:00+07:00"}, 422, "received"),
        ({"items": []}, 422, "body.items"),
    ],
)
def test_a_wrong_report_is_refused(
    client: Client, directive: str, changes: dict[str, Any], status: int, field: str
) -> None:
    body = {"name": NAMES[0]} | changes
    answer = reported(client, directive, **body)
    assert answer.status_code == status
    assert field in {each["field"] for each in answer.json()["errors"]}


def test_a_carriers_operator_has_nothing_to_do_with_it(
    application: FastAPI, client: Client, directive: str, db: Database
) -> None:
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as operator:
        assert operator.get(f"{directive}/addressees").status_code == 403
        assert reported(operator, directive).status_code == 403


# ---- the workbook ---------------------------------------------------------------------------------------


def filled(empty: bytes, rows: dict[int, dict[str, Any]]) -> bytes:
    workbook = openpyxl.load_workbook(io.BytesIO(empty))
    for row, cells in rows.items():
        for column, value in cells.items():
            workbook["Kết quả"][f"{column}{row}"] = value
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


ROWS: dict[int, dict[str, Any]] = {
    4: {"C": "Loa truyền thanh", "D": 12, "E": 3500, "F": 60, "J": "12/BC-STP", "L": naive("2024-02-20")},
    5: {"C": "Mạng xã hội", "D": 4, "H": "https://example.vn/bai-1", "L": naive("2024-02-25")},
    7: {"B": NAMES[0], "C": "Hội nghị, họp bản/tổ dân phố", "D": 2},
}


@pytest.fixture
def send(client: Client, directive: str) -> Callable[[dict[int, dict[str, Any]]], Any]:
    empty = client.get(f"{directive}/report-form").content

    def sent(rows: dict[int, dict[str, Any]]) -> Any:
        files = {"file": ("form.xlsx", filled(empty, rows))}
        return client.post(f"{directive}/report-form", files=files)

    return sent


@pytest.mark.prove
def test_the_workbook_comes_back_with_a_report_for_each(
    client: Client, directive: str, send: Callable[..., Any]
) -> None:
    answer = send(ROWS)
    assert answer.status_code == 200, answer.text
    found = statuses(client, directive)
    assert [item["channel"] for item in found[NAMES[0]]["report"]["items"]] == ["loudspeaker", "meeting"]
    assert found[NAMES[0]]["report"]["paper"]["number"] == "12/BC-STP"
    assert (found[NAMES[1]]["late"], found[NAMES[2]]["report"]) == (True, None)


@pytest.mark.prove
def test_the_same_workbook_again_changes_nothing_and_a_change_needs_its_reason(
    send: Callable[..., Any],
) -> None:
    assert len(send(ROWS).json()) == 2
    assert send(ROWS).json() == []
    changed = ROWS | {4: ROWS[4] | {"D": 13}}
    refused = send(changed)
    assert {each["field"] for each in refused.json()["errors"]} == {"Kết quả!M4"}
    made = send(changed | {4: changed[4] | {"M": "Đếm lại"}})
    assert [each["paper"]["version"] for each in made.json()] == [2]


@pytest.fixture(scope="module")
def refusing(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Sends a workbook with such rows; for all that is refused, since it leaves nothing behind."""
    folder = tmp_path_factory.mktemp("refusing")
    shutil.copy(sqlite_template, folder / "loa.sqlite3")
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        app = create_app(Settings(data=folder), db)
        with Client(app, db.write(create_key, "tester")) as client:
            place = client.post("/v1/directives", json=LETTER).headers["Location"] + "/report-form"
            empty = client.get(place).content

            def sent(rows: dict[int, dict[str, Any]]) -> Any:
                return client.post(place, files={"file": ("form.xlsx", filled(empty, rows))})

            yield sent


@pytest.mark.parametrize(
    ("row", "changes", "cell", "words"),
    each_third(
        [
            (4, {"C": None}, "C4", "còn trống; hãy chọn một trong"),
            (4, {"C": "Rải tờ rơi"}, "C4", "không có trong danh sách"),
            (4, {"D": None}, "D4", "còn trống"),
            (4, {"D": "vài"}, "D4", "không phải là số"),
            (4, {"E": -3}, "E4", "số âm"),
            (4, {"F": "=1"}, "F4", "dán giá trị"),
            (4, {"H": "ftp://x"}, "H4", "phải bắt đầu bằng http://"),
            (4, {"I": "Liên hệ 0912345678"}, "I4", "Không ghi số điện thoại"),
            (4, {"J": "1" * 61}, "J4", "tối đa 60 ký tự"),
            (4, {"K": "hôm nay"}, "K4", "không phải là ngày"),
            (4, {"L": naive("2044-02-20")}, "L4", "ở tương lai"),
            (9, {"B": "Sở lạ", "C": "Phát thanh", "D": 1}, "B9", "không có trong danh sách nhận văn bản"),
            (9, {"B": None, "C": "Phát thanh", "D": 1}, "B9", "không có trong danh sách nhận văn bản"),
            (9, {"B": NAMES[3], "C": "Phát thanh", "D": 1}, "B9", "không có trong danh sách nhận văn bản"),
            (404, {"C": "Phát thanh", "D": 1}, "C404", "dưới dòng cuối (403) của biểu mẫu, không được đọc"),
            (2, {"D": 99}, "D2", "ở đây phải là “1”"),
            (3, {"D": "Số"}, "D3", "nội dung của biểu mẫu đã bị đổi"),
        ]
    ),
)
def test_a_wrong_cell_is_named(
    refusing: Callable[..., Any], row: int, changes: dict[str, Any], cell: str, words: str
) -> None:
    answer = refusing(ROWS | {row: ROWS.get(row, {}) | changes})
    assert answer.status_code == 422
    found = {each["field"]: each["detail"] for each in answer.json()["errors"]}
    assert words in found[f"Kết quả!{cell}"]


def test_reading_needs_no_database(directive: str, db: Database) -> None:
    asked = db.read(external_activity_workbook.asked_of, 1)
    with pytest.raises(Invalid):
        external_activity_workbook.read(b"nothing", asked)
    empty = external_activity_workbook.build(1, asked.addressees)
    assert external_activity_workbook.read(empty, asked) == []
    apart = {"B": unicodedata.normalize("NFD", NAMES[0]).replace(" ", "  ")}  # as a Mac has it
    claims = external_activity_workbook.read(filled(empty, ROWS | {4: ROWS[4] | apart}), asked)
    assert [(claim.addressee, len(claim.items)) for claim in claims] == [(NAMES[0], 2), (NAMES[1], 1)]
    assert addressees.CHANNELS[OutreachChannel.SOCIAL] == "Mạng xã hội"


def test_a_name_that_no_cell_can_hold_is_refused_at_the_door(client: Client, directive: str) -> None:
    body = {"name": "Sở\x0b Tư pháp", "kind": "department"}
    assert client.put(f"{directive}/addressees", json=body).status_code == 422
    assert reported(client, directive, "Sở\x01").status_code == 422
    assert client.get(f"{directive}/report-form").status_code == 200


@pytest.mark.parametrize(
    ("name", "address", "field"),
    [
        ("Sở X", "a@b.example\r\nBcc: c@d.example", "email"),
        ("Sở X", "a@b.example\n", "email"),
        ("Sở X", "nobody", "email"),
        ("Sở X", f"{'a' * 250}@b.example", "email"),
        ("Sở\x01X", None, "name"),
        ("Sở\nX", None, "name"),
    ],
)
def test_the_command_line_takes_no_other_names_and_addresses_than_the_api(
    directive: str, db: Database, name: str, address: str | None, field: str
) -> None:
    assert directive
    of = Addressee(None, 1, name, AddresseeKind.DEPARTMENT, None, address)
    with pytest.raises(Invalid) as refused:
        db.write(external_activity.register, of, "at the keyboard")
    assert refused.value.field == field


# ---- slips


def test_a_letter_of_before_the_directive_is_refused(client: Client, directive: str) -> None:
    answer = reported(client, directive, dated_on="2023-12-20")
    assert answer.status_code == 422
    assert "before the reported period began on 2024-01-29" in answer.json()["detail"]


def test_a_correction_that_is_eight_times_smaller_is_asked_about(client: Client, directive: str) -> None:
    items = [{"channel": "loudspeaker", "pieces": 800}]
    assert reported(client, directive, items=items).status_code == 201
    fewer = {"items": [{"channel": "loudspeaker", "pieces": 100}], "reason": "Đính chính."}
    answer = reported(client, directive, **fewer)
    assert answer.status_code == 422
    assert "The total of 100 is far from the previous version, 800" in answer.json()["detail"]
    assert reported(client, directive, **fewer | {"reason": "Đính chính: 100 buổi."}).status_code == 201
