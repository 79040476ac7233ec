"""Wrong cells of a carrier's workbook: each is refused with its sheet, its address and the remedy."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from app.core.errors import Invalid
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake.statement_input import Circumstances
from app.reports.intake.statement_workbook import Handed, read
from tests.long.app.reports.intake.forms import HEAD, NOW, filled, naive
from tests.sampled import each_third

STATED = Handed(FigureSource.STATED)
GENERAL, AREAS, DAYS, CAUSES, CHUNG = "Biểu 1", "Biểu 2", "Biểu 3", "Biểu 4", "Chung"
FUTURE = naive("2024-03-01T08:00")

# What is put into a cell, and where the fault is found with which words.
WRONG: list[tuple[dict[tuple[str, str], Any], str, str, str]] = [
    # ---- what stands in a cell
    ({(GENERAL, "D4"): None}, GENERAL, "D4", "còn trống; hãy nhập số nguyên"),
    ({(GENERAL, "D4"): "khoảng một nghìn"}, GENERAL, "D4", "không phải là số; hãy nhập"),
    ({(GENERAL, "D13"): -5}, GENERAL, "D13", "số âm; hãy nhập"),
    ({(GENERAL, "D13"): 50.5}, GENERAL, "D13", "không phải là số nguyên; hãy nhập"),
    ({(GENERAL, "D12"): "=900"}, GENERAL, "D12", "không nhận công thức ở ô nhập; hãy dán giá trị"),
    ({(GENERAL, "D12"): "#REF!"}, GENERAL, "D12", "ô báo lỗi #REF!; hãy nhập lại"),
    ({(GENERAL, "D12"): True}, GENERAL, "D12", "TRUE/FALSE không phải là số"),
    ({(GENERAL, "D12"): naive("2024-02-05")}, GENERAL, "D12", "đang ở dạng ngày giờ; hãy đổi định dạng"),
    ({(GENERAL, "D6"): time(8, 0)}, GENERAL, "D6", "đang ở dạng ngày giờ"),
    ({(GENERAL, "D16"): "1,9 nghìn"}, GENERAL, "D16", "có kèm đơn vị; hãy ghi đủ chữ số"),
    ({(GENERAL, "D12"): "90%"}, GENERAL, "D12", "là tỷ lệ; hãy ghi số lượng"),
    ({(GENERAL, "D4"): "1e3"}, GENERAL, "D4", "không phải là số"),
    ({(GENERAL, "D4"): "1,000"}, GENERAL, "D4", "không phải là số"),
    ({(GENERAL, "D4"): "10.00.000"}, GENERAL, "D4", "không phải là số"),
    ({(GENERAL, "D4"): "١٠٠٠"}, GENERAL, "D4", "không phải là số"),
    ({(GENERAL, "D17"): 999_999_999}, GENERAL, "D17", "không nằm trong khoảng"),
    # ---- form 1 against itself
    ({(GENERAL, "D6"): 2000}, GENERAL, "D11", "là không thể; hãy kiểm tra lại"),
    ({(GENERAL, "D11"): 980}, GENERAL, "D11", "ô tự tính đang là 980; hãy khôi phục công thức =D4-D5"),
    ({(GENERAL, "D5"): "=SUM(D6:D9)"}, GENERAL, "D5", "ô tự tính đã bị đổi; hãy khôi phục"),
    ({(GENERAL, "D14"): 5}, GENERAL, "D14", "ô tự tính đang là 5"),
    ({(GENERAL, "D13"): None}, GENERAL, "D13", "phải có đủ số đã nhận và không nhận được; hãy nhập 0"),
    ({(GENERAL, "D13"): 100}, GENERAL, "D13", "(4) 900 cộng (5) 100 lớn hơn (3) 970"),
    ({(GENERAL, "D16"): 969}, GENERAL, "D16", "mỗi tin có từ 1 đến 10 bản tin"),
    ({(GENERAL, "D16"): 9701}, GENERAL, "D16", "mỗi tin có từ 1 đến 10 bản tin"),
    ({(GENERAL, "B4"): "Thuê bao"}, GENERAL, "B4", "nội dung của biểu mẫu đã bị đổi"),
    # ---- the head
    ({(CHUNG, "B3"): 3}, CHUNG, "B3", "của đợt gửi khác; hãy dùng biểu mẫu của đợt 2"),
    ({(CHUNG, "B2"): "LOA-BC-0"}, CHUNG, "B2", "ở đây phải là “LOA-BC-1”"),
    ({(CHUNG, "B9"): None}, CHUNG, "B9", "hãy chọn một trong: máy thuê bao"),
    ({(CHUNG, "B9"): "đầy đủ"}, CHUNG, "B9", "không có trong danh sách; hãy chọn"),
    ({(CHUNG, "B9"): "không có biên nhận"}, GENERAL, "D12", "Không có biên nhận thì không thể có số này"),
    ({(CHUNG, "B8"): "hôm qua"}, CHUNG, "B8", "không phải là ngày; hãy nhập ngày dạng 05/02/2024"),
    ({(CHUNG, "B8"): FUTURE}, CHUNG, "B8", "ở tương lai; hãy sửa"),
    ({(CHUNG, "B10"): None}, CHUNG, "B10", "còn trống; hãy nhập ngày giờ"),
    ({(CHUNG, "B11"): "17h30"}, CHUNG, "B11", "không phải là ngày giờ; hãy nhập"),
    ({(CHUNG, "B11"): naive("2024-02-04")}, CHUNG, "B11", "kết thúc trước lúc bắt đầu"),
    ({(CHUNG, "B12"): FUTURE}, CHUNG, "B12", "ở tương lai"),
    ({(CHUNG, "B12"): naive("2024-02-01")}, CHUNG, "B12", "chốt số liệu trước lúc bắt đầu gửi"),
    ({(CHUNG, "B7"): "1" * 61}, CHUNG, "B7", "dài tối đa 60 ký tự"),
    ({(CHUNG, "B14"): "Ông A, số 0912 345 678, khiếu nại"}, CHUNG, "B14", "Không ghi số điện thoại"),
    ({(CHUNG, "B14"): "a" * 2001}, CHUNG, "B14", "Dài quá 2000 ký tự; hãy rút gọn"),
    # ---- form 2
    ({(AREAS, "B4"): "118"}, AREAS, "B4", "ở đây phải là “116”, hãy khôi phục"),
    ({(AREAS, "B4"): 116.5}, AREAS, "B4", "ở đây phải là “116”"),
    ({(AREAS, "C5"): "Mường Lạ"}, AREAS, "C5", "tên địa bàn đã bị đổi; mã 125 là “Huyện Mai Sơn”"),
    ({(AREAS, "D4"): None}, AREAS, "D4", "còn trống; hãy nhập"),
    ({(AREAS, "E4"): 601}, AREAS, "E4", "Đã gửi 601 trong 600 thuê bao thuộc diện là không thể"),
    ({(AREAS, "D4"): 601}, AREAS, "D7", "Tổng Biểu 2 là 1.001, Biểu 1 ghi 1.000; hãy sửa cho khớp"),
    ({(AREAS, "F5"): 349, (AREAS, "G5"): 20}, AREAS, "F7", "Tổng Biểu 2 là 899"),
    ({(AREAS, "H4"): 9}, AREAS, "H4", "ô tự tính đang là 9"),
    # ---- rows that were sorted, moved, or put below the form
    (
        {(AREAS, "B4"): "125", (AREAS, "B5"): "–", (AREAS, "B6"): "116"},
        AREAS,
        "B4",
        "có 3 dòng không còn đúng",
    ),
    ({(DAYS, "E60"): 5}, DAYS, "E60", "dưới dòng cuối (44) của biểu mẫu, không được đọc"),
    (
        {(GENERAL, "D12"): None, (GENERAL, "D13"): None, (CHUNG, "B9"): "không có biên nhận"},
        *(AREAS, "F7", "Tổng Biểu 2 là 900, Biểu 1 để trống"),
    ),
    ({(GENERAL, "D4"): "-"}, GENERAL, "D4", "còn trống; hãy nhập số nguyên"),
    ({(GENERAL, "D4"): "1,20,000"}, GENERAL, "D4", "không phải là số"),
    # ---- form 3
    ({(DAYS, "B4"): None}, DAYS, "B4", "thiếu ngày; hãy ghi ngày hoặc xóa cả dòng"),
    ({(DAYS, "B4"): "mồng sáu Tết"}, DAYS, "B4", "không phải là ngày"),
    (
        {(DAYS, "B4"): naive("2024-02-08")},
        DAYS,
        "B4",
        "nằm ngoài thời gian gửi, từ 05/02/2024 đến 07/02/2024",
    ),
    ({(DAYS, "C4"): "sáng"}, DAYS, "C4", "Khung giờ ghi dạng 08:00-11:30"),
    ({(DAYS, "C4"): "11:30-08:00"}, DAYS, "C4", "giờ đầu trước giờ cuối"),
    ({(DAYS, "E4"): 971}, DAYS, "E44", "Tổng Biểu 3 là 971, Biểu 1 ghi 970"),
    (
        {(DAYS, "B5"): "05/02/2024", (DAYS, "C5"): "08:00-11:30", (DAYS, "E5"): 0},
        *(DAYS, "B5", "Ngày 05/02/2024 lặp lại; hãy gộp lại"),
    ),
    # ---- form 4
    ({(CAUSES, "C5"): 21}, CAUSES, "C12", "Tổng Biểu 4 là 51, Biểu 1 ghi 50"),
    ({(CAUSES, "B4"): "Tắt máy"}, CAUSES, "B4", "nội dung của biểu mẫu đã bị đổi"),
    ({(CAUSES, "E4"): "Gọi lại +84 912.345.678"}, CAUSES, "E4", "Không ghi số điện thoại"),
]


@pytest.mark.parametrize(("changes", "sheet", "cell", "words"), each_third(WRONG))
def test_a_wrong_cell_is_named_with_its_remedy(
    changes: dict[tuple[str, str], Any], sheet: str, cell: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read(filled(changes), HEAD, STATED, NOW)
    found = dict(caught.value.faults)
    assert f"{sheet}!{cell}" in found, found
    assert found[f"{sheet}!{cell}"].startswith(f"Trang “{sheet}”, ô {cell}: ")
    assert words in found[f"{sheet}!{cell}"]


def test_every_wrong_cell_is_named_at_once() -> None:
    changes = {(GENERAL, "D4"): "x", (CHUNG, "B12"): "y", (AREAS, "D4"): -1, (CAUSES, "C4"): 1.5}
    with pytest.raises(Invalid) as caught:
        read(filled(changes), HEAD, STATED, NOW)
    assert {field for field, _ in caught.value.faults} >= {f"{sheet}!{cell}" for sheet, cell in changes}


def test_a_correction_needs_its_reason() -> None:
    again = Circumstances(NOW.now_ms, correcting=True)
    with pytest.raises(Invalid, match="ô B13: Đã có số liệu trước đó: hãy ghi lý do đính chính"):
        read(filled(), HEAD, STATED, again)
    claim = read(filled({(CHUNG, "B13"): "Bổ sung số liệu"}), HEAD, STATED, again)
    assert claim.paper.reason == "Bổ sung số liệu"


def test_figures_by_hand_need_their_scan() -> None:
    with pytest.raises(Invalid, match="phải kèm bản quét"):
        read(filled(), HEAD, Handed(FigureSource.MANUAL), NOW)
    assert read(filled(), HEAD, Handed(FigureSource.MANUAL, "a" * 64), NOW).paper.attachment == "a" * 64
