"""The pages of persons' requests: entered and answered, red when overdue, and no number in sight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.core import clock
from app.database.connection import Database
from app.privacy import person_requests
from app.privacy.person_requests import NewPersonRequest, RequestKind
from tests.app.world import build
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
NUMBER = "0912000000"


def enter(db: Database, kind: RequestKind, days: int = 0, who: str = "hoa") -> int:
    came = clock.local(clock.now()).date() - timedelta(days=days)
    return db.write(person_requests.record, NewPersonRequest(NUMBER, kind, came, "Đơn 7"), who).id


def test_a_request_is_entered_and_answered_and_its_number_is_never_shown(
    pages_db: Database, signed_in: In
) -> None:
    build(pages_db, 3)
    paper = signed_in("admin")
    today = f"{clock.local(clock.now()):%d/%m/%Y}"
    said = {"phone": "0912 000 000", "kind": "object", "came_on": today, "reference": f"Gọi từ {NUMBER}"}
    answer = paper.send("/person-requests", "/person-requests", **said)
    assert (answer.status_code, answer.headers["location"]) == (303, "/person-requests/1")
    one = paper.send(
        "/person-requests/1", "/person-requests/1/answer", outcome="done", why="Sẽ không gửi nữa"
    )
    assert one.status_code == 303
    shown = paper.get("/person-requests/1").text + paper.get("/person-requests").text
    shown += paper.get("/person-requests?format=csv").text
    assert "8491*****00" in shown
    assert "đã thực hiện" in text(shown)
    assert NUMBER[1:] not in shown.replace(" ", "")


def test_what_is_wrong_is_said_and_the_number_is_not_repeated(signed_in: In) -> None:
    paper = signed_in("admin")
    said = {"phone": "0912000", "kind": "erase", "came_on": "01/02/2020", "reference": "Đơn 7"}
    answer = paper.send("/person-requests", "/person-requests", **said)
    assert answer.status_code == 422
    assert "0912000" not in answer.text


def test_a_select_that_was_altered_is_refused_in_words(signed_in: In) -> None:
    said = {"phone": "0912 000 000", "kind": "x", "came_on": "01/02/2020", "reference": "Đơn 7"}
    answer = signed_in("admin").send("/person-requests", "/person-requests", **said)
    assert answer.status_code == 422
    assert "Mục loại không có lựa chọn này" in text(answer.text)
    assert "restrict" not in text(answer.text)


def test_who_entered_it_does_not_erase(pages_db: Database, signed_in: In) -> None:
    build(pages_db, 3)
    number = enter(pages_db, RequestKind.ERASE, who="admin person")
    paper = signed_in("admin")
    page = f"/person-requests/{number}"
    answer = paper.send(page, f"{page}/answer", outcome="done", why="x")
    assert answer.status_code == 403
    assert "Phải do người khác xóa dữ liệu" in text(answer.text)


def test_an_overdue_request_is_red_on_the_overview_of_who_may_answer(
    pages_db: Database, signed_in: In
) -> None:
    late, fresh = enter(pages_db, RequestKind.SEE, 20), enter(pages_db, RequestKind.ERASE)
    shown = signed_in("admin").get("/").text
    assert '<li class="bad"><strong>Yêu cầu của người dân đã quá hạn từ' in shown
    assert shown.index(f"/person-requests/{late}") < shown.index(f"/person-requests/{fresh}")
    for role, carrier in (("auditor", None), ("operator", "viettel")):
        assert "/person-requests/" not in signed_in(role, carrier).get("/").text
