"""The columns of a file of subscribers: phone, area and language."""

from __future__ import annotations

from app.file_import.columns import PHONE_NAMES, Columns, FileColumn, names

_AREA_NAMES = (
    names(
        "maxa maphuong maxaphuong maphuongxa communecode wardcode area areacode madiaban makhuvuc madvhc "
        "madonvihanhchinh"
    ),
    names("xa phuong xaphuong phuongxa diaban khuvuc commune ward"),
    names("mahuyen districtcode"),
    names("huyen quanhuyen district"),
)
_LANG_NAMES = (names("ngonngu mangonngu tieng lang language langcode languagecode"),)

SUBSCRIBERS = Columns(
    (
        FileColumn("phone numbers", PHONE_NAMES, "“Số điện thoại” or “phone”", needed=True),
        FileColumn("areas", _AREA_NAMES),
        FileColumn("languages", _LANG_NAMES),
    ),
    bare=True,
)
