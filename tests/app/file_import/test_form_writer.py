"""Cells of a form look as what they are for, and what is changed on one of them afterwards is on no other."""

from __future__ import annotations

import io

from openpyxl import load_workbook

from app.file_import.form_writer import FormSheet, new_workbook, saved


def test_cells_of_a_kind_look_alike_and_an_own_look_stays_their_own() -> None:
    workbook = new_workbook()
    form = FormSheet(workbook.create_sheet("Biểu"), (10, 10, 10))
    form.head(1, ["TT", "Tên", "Số"])
    form.label("A2", "một")
    form.sheet["A2"].number_format = "@"
    form.label("A3", "hai")
    form.ask(["B2", "B3"])
    form.sheet["B2"].number_format = "0.0"
    form.ask(["C2"], "@")
    form.formula("C3", "=1+1")
    sheet = load_workbook(io.BytesIO(saved(workbook)))["Biểu"]
    looks = {
        cell: (
            sheet[cell].number_format,
            sheet[cell].font.b,
            sheet[cell].protection.locked,
            sheet[cell].fill.fgColor.rgb,
            sheet[cell].alignment.vertical,
            sheet[cell].border.left.style,
        )
        for cell in ("B1", "C1", "A2", "A3", "B2", "B3", "C2", "C3")
    }
    head, label = (
        ("General", True, True, "00E8E8E8", "center", "thin"),
        (False, True, "00000000", "top", "thin"),
    )
    asked = (False, False, "00FFF8DC", None, "thin")
    assert looks == {
        "B1": head,
        "C1": head,
        "A2": ("@", *label),
        "A3": ("General", *label),
        "B2": ("0.0", *asked),
        "B3": ("General", *asked),
        "C2": ("@", *asked),
        "C3": ("#,##0", True, True, "00000000", None, "thin"),
    }
