"""The fixed words of every kit: all it says beside the approved text, the agency's names, and days."""

from __future__ import annotations

TITLES = {"tuyen_truyen": "Thông tin tuyên truyền", "canh_bao_khan": "Cảnh báo khẩn"}
VERIFY = "Kiểm tra tin nhắn thật hay giả tại:"
SOURCE = "Nguồn:"
APPROVED = "Nội dung được phê duyệt ngày"
DIGEST = "Mã phê duyệt:"
# The SMS forms
SMS_TITLE = "NỘI DUNG TIN NHẮN SMS"
PLAIN, ACCENTED = "Không dấu", "Có dấu"
SENT, PARTS, PART = "dạng được gửi", "bản tin", "Phần"
# Poster
SCAN = "Quét mã để kiểm tra tin nhắn thật hay giả"
# Official letter
LETTER_SUBJECT = "đăng tải, phát thông tin tuyên truyền"
LETTER_TO = "Các cơ quan, đơn vị, địa phương"
LETTER_ASK = (
    "đề nghị các cơ quan, đơn vị, địa phương đăng tải, niêm yết và phát nguyên văn nội dung dưới đây; không "
    "thêm, bớt, sửa chữ hoặc dấu."
)
LETTER_UNDER = "Theo"
LETTER_REPORT = (
    "Sau khi đăng tải, đề nghị cơ quan, đơn vị báo địa chỉ trang đã đăng và kết quả thực hiện để tổng hợp."
)
