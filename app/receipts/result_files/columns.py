"""The columns of a carrier's result file: number, status and time, and what may stand beside them."""

from __future__ import annotations

from app.file_import.columns import PHONE_NAMES, Columns, FileColumn, names

_STATUS_NAMES = (
    names(
        "trangthai trangthaitin trangthainhan trangthaigui trangthaibantin tinhtrang ketqua ketquagui "
        "ketquanhan ketquanhantin status state deliverystatus messagestatus msgstatus smsstatus dlrstatus "
        "finalstatus sendstatus"
    ),
    names("result stat"),
)
_TIME_NAMES = (
    names(
        "thoigiannhan thoidiemnhan ngaynhan gionhan thoigianketthuc thoigianbaocao thoigiancapnhat donedate "
        "doneat donetime deliverytime deliveredat deliverydate receivedat receivedtime statustime reporttime"
    ),
    names("thoigian thoidiem ngaygio time datetime timestamp date ngay at"),
    names("thoigiangui thoidiemgui ngaygui giogui senttime sentat sendtime senddate submittime submitdate"),
)
_CODE_NAMES = (
    names("maloi maketqua matrangthai errorcode errcode resultcode statuscode code error err loi"),
    names("lydo nguyennhan lydoloi motaloi mota ghichu reason description errordesc errordescription"),
)
_REASON_NAMES = (_CODE_NAMES[1],)
_REFERENCE_NAMES = (
    names(
        "matin matinnhan idtin idtinnhan messageid msgid smsid mtid reference refid dlrid "
        "mayeucau requestid reqid clientid clientmsgid clientref"
    ),
)

RESULTS = Columns(
    (
        FileColumn("phone numbers", PHONE_NAMES, "“Số điện thoại” or “phone”", needed=True),
        FileColumn("statuses", _STATUS_NAMES, "“Trạng thái” or “status”", needed=True),
        FileColumn("times", _TIME_NAMES, "“Thời gian” or “time”", needed=True),
        FileColumn("codes", _CODE_NAMES),
        FileColumn("reasons", _REASON_NAMES),
        FileColumn("references", _REFERENCE_NAMES),
    )
)
