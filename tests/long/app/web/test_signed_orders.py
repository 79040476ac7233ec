"""A run's page: the order is signed and withdrawn, the carrier's signed file taken or refused in words."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from app.campaigns.runs import Verb, order
from app.database.connection import Database
from tests.app.campaigns.test_held_runs import approved
from tests.app.signed_orders.documents import CARRIER, POLICE, STRANGER
from tests.app.signed_orders.scene import answer, fetched, settings
from tests.app.signed_orders.test_keys import in_force
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]


def upload(paper: Paper, page: str, content: bytes) -> tuple[int, str]:
    sent = paper.client.post(
        f"{page}/results",
        data={"csrf": token(paper.get(page).text)},
        files={"file": ("result.json", content, "application/json")},
        headers=paper._headers({}),
    )
    return sent.status_code, text(sent.text)


def test_order_and_result_on_the_page_of_the_run(
    pages_app: FastAPI, pages_db: Database, signed_in: In
) -> None:
    pages_app.state.settings = pages_app.state.settings.model_copy(update={"order_key": settings().order_key})
    in_force(pages_db, POLICE, None)
    in_force(pages_db, CARRIER, "vnpt")
    run_id = approved(pages_db)
    page = f"/runs/{run_id}"
    paper = signed_in("admin")
    assert "Chưa ký yêu cầu nào." in text(paper.get(page).text)
    assert paper.send(page, f"{page}/orders").status_code == 303
    shown = text(paper.get(page).text)
    assert f"Yêu cầu {run_id}-1" in shown
    assert f'href="/v1/runs/{run_id}/orders/signed"' in paper.get(page).text
    order(pages_db, Verb.START, run_id, "operator")
    about = fetched(pages_db, run_id)
    status, said = upload(paper, page, answer(about, STRANGER))
    assert (status, "không phải khóa được tin cậy ở đây" in said) == (422, True)
    assert upload(paper, page, b"{}")[0] == 422
    content = answer(about)
    assert upload(paper, page, content)[0] == 303
    shown = text(paper.get(page).text)
    assert "doanh nghiệp ký số" in shown
    status, said = upload(paper, page, content)
    assert (status, "Kết quả này đã được tiếp nhận, là bản 1." in said) == (409, True)
    assert paper.send(page, f"{page}/orders/withdraw", reason="Dừng chiến dịch").status_code == 303
    assert f"Văn bản thu hồi {run_id}-2" in text(paper.get(page).text)
