"""The list of texts: both forms with their SMS parts."""

from __future__ import annotations

import re
from collections.abc import Callable

from app.campaigns import texts
from carriers.text import segments
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def test_each_text_is_shown_in_both_forms_with_its_parts(signed_in: In) -> None:
    page = text(signed_in("operator", "vnpt").get("/texts").text)
    for each in texts.all_texts():
        assert each.title in page
        for form in (each.accented, each.unaccented):
            # Cut where the parts end, so that the parts are read one after another.
            assert "".join(form.split()) in re.sub(r"bảntinthứ\d", "", "".join(page.split()))
            assert f"{segments(form)} bản tin" in page
    assert "Soạn chiến dịch với nội dung này" not in page


def test_who_writes_campaigns_goes_on_from_a_text(signed_in: In) -> None:
    paper = signed_in("approver")
    key = texts.all_texts()[0].key
    assert f'href="/compose?text={key}"' in paper.get("/texts").text
    assert f'<option value="{key}" selected>' in paper.get(f"/compose?text={key}").text
