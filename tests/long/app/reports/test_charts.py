"""Pictures show what their forms say: bars for numbers alone, the largest areas, the same bytes each time."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableChart, TableColumn, TableRow
from app.reports.papers import chart_images

_COLUMNS = (
    TableColumn("name", "Địa bàn", CellKind.TEXT, 20),
    TableColumn("sent", "Đã gửi", CellKind.COUNT, 10),
    TableColumn("delivered", "Đã nhận", CellKind.COUNT, 10),
)


MORE: tuple[tuple[Cell, ...], ...] = (("Y 10:00", 20, 10), ("Z 11:00", 30, 10))


def form(*rows: tuple[Cell, ...], across: bool = True) -> ReportTable:
    made = tuple(TableRow(f"r{n}", cells) for n, cells in enumerate(rows))
    total = TableRow("total", ("Tổng cộng", 10**9, 10**9), strong=True)
    chart = TableChart("Kết quả", "name", ("sent", "delivered"), across)
    return ReportTable("Biểu", "Kết quả", _COLUMNS, (*made, total), "", chart)


def colours(png: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return {
        colour for n, colour in image.getcolors(2**20) or () if n > 200
    }  # text has few points of one colour


@pytest.mark.parametrize("across", [True, False])
def test_a_picture_has_a_colour_for_each_column_of_numbers(across: bool) -> None:
    picture = chart_images.draw(form(("A 08:00", 90, 70), ("B 09:00", 40, 30), *MORE, across=across))
    assert picture is not None
    assert {(143, 168, 200), (46, 125, 79)} <= colours(chart_images.png(picture.plot))
    assert picture.alt == "Kết quả. Tổng cộng: Đã gửi: 1.000.000.000; Đã nhận: 1.000.000.000."
    image = Image.open(io.BytesIO(chart_images.png(picture.plot)))
    assert image.width / image.height == pytest.approx(picture.width_mm / picture.height_mm, rel=0.01)


def test_what_no_receipt_proves_is_no_bar() -> None:
    picture = chart_images.draw(form(*((name, 90, "không có biên nhận") for name in "ABCD")))
    assert picture is not None
    assert (46, 125, 79) not in colours(chart_images.png(picture.plot))
    assert "Đã nhận" not in picture.alt


def test_of_very_many_areas_the_largest_are_shown() -> None:
    many = chart_images.draw(form(*((f"Xã {n}", n, n) for n in range(1, 300))))
    few = chart_images.draw(form(*((f"Xã {n}", n, n) for n in range(1, 16))))
    assert many is not None
    assert few is not None
    assert many.height_mm == few.height_mm
    assert many.title == "Kết quả (15 dòng có số đã gửi nhiều nhất trong 299 dòng)"
    assert few.title == "Kết quả"
    assert many.alt.startswith(f"{many.title}. Tổng cộng: Đã gửi: 1.000.000.000;")


def test_a_rest_is_not_drawn_and_is_named() -> None:
    drawn = form(("A", 90, 70), ("Không xác định", 500, 30), ("B", 80, 60), *MORE)
    rest = drawn.rows[1]._replace(aside=True)
    picture = chart_images.draw(drawn._replace(rows=(drawn.rows[0], rest, *drawn.rows[2:])))
    assert picture is not None
    assert picture.title == "Kết quả (không vẽ: không xác định)"


def test_bars_that_may_not_be_added_are_told_one_by_one_each_kind_on_its_own_scale() -> None:
    drawn = form(*((name, 90, 70) for name in "ABCD"), *((name, 1_200_000, 30) for name in "EFGH"))
    charts = (
        TableChart(title, "name", ("sent", "delivered"), True, tuple(f"r{nth}" for nth in rows), adds=False)
        for title, rows in (("Đo", range(4)), ("Báo", range(4, 8)))
    )
    found = chart_images.draw_all(drawn._replace(chart=next(charts), more=tuple(charts)))
    assert [picture.alt for picture in found] == [
        f"Đo. {' '.join(f'{name}: Đã gửi: 90; Đã nhận: 70.' for name in 'ABCD')}",
        f"Báo. {' '.join(f'{name}: Đã gửi: 1.200.000; Đã nhận: 30.' for name in 'EFGH')}",
    ]


def test_a_few_bars_of_names_are_left_to_the_table_beside_them() -> None:
    assert chart_images.draw(form(("A", 90, 70), *MORE)) is None
    assert chart_images.draw(form(("A", 90, 70), ("B", 80, 60), *MORE)) is not None


def test_the_same_form_is_the_same_picture() -> None:
    first, second = (
        chart_images.draw(form(("Một địa bàn có tên rất dài, dài hơn chỗ dành cho nó", 3, 2), *MORE, *MORE))
        for _ in "12"
    )
    assert first is not None
    assert first == second
    made = chart_images.png(first.plot)
    chart_images.png.cache_clear()
    assert chart_images.png(first.plot) == made


@pytest.mark.parametrize("rows", [(), (("A", 0, 0),), (("A", None, None),)])
def test_nothing_to_show_is_no_picture(rows: tuple[tuple[Cell, ...], ...]) -> None:
    assert chart_images.draw(form(*rows)) is None
    assert chart_images.draw(form(*rows)._replace(chart=None)) is None


@pytest.mark.parametrize(
    ("most", "steps"), [(1, [0, 1]), (7, [0, 2, 4, 6, 8]), (1742, [0, 500, 1000, 1500, 2000])]
)
def test_scales_have_round_steps(most: int, steps: list[int]) -> None:
    assert chart_images._scale(most) == steps
